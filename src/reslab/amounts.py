"""Amounts as people read them: times and storage."""


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
        if num_bytes < 1000 or unit == "GB":
            break
        num_bytes /= 1000
    return f"{num_bytes:.0f} {unit}" if unit == "bytes" else f"{num_bytes:.1f} {unit}"
