"""Amounts as people read them: counts, times, storage and throughputs."""

import math


def counted(number: int, noun: str) -> str:
    """Return a number with its noun: 1 line, 1,200 lines."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def duration(seconds: float) -> str:
    """Return a time: 2.3 s, 45 s, 3 min 20 s, 2 h 05 min."""
    if seconds < 59.95:
        return f"{round(seconds, 1):g} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours:,} h {minutes:02d} min"


def size(num_bytes: float) -> str:
    """Return an amount of storage: 3.4 MB."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if round(num_bytes, 0 if unit == "bytes" else 1) < 1000 or unit == "GB":
            break
        num_bytes /= 1000
    return f"{num_bytes:.0f} {unit}" if unit == "bytes" else f"{num_bytes:.1f} {unit}"


def rate(images_per_second: float | None) -> str | None:
    """Return a throughput with three significant digits: 12,300, 4.56; None if it is unknown or not positive."""
    if images_per_second is None or images_per_second <= 0:
        return None
    shown = float(f"{images_per_second:.3g}")
    return f"{shown:,.{max(0, 2 - math.floor(math.log10(shown)))}f}"
