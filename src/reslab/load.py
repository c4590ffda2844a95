"""Processor load (Linux): how long cores were idle, and how long this process's threads waited for one."""

import contextlib
import os
import time
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Reading:
    """Cumulative times in seconds; the difference of two readings gives the load in between."""

    at: float
    """The time of the reading."""
    idle: float
    """Of the cores that this process may use."""
    used: float
    """By this process."""
    waited: float
    """By this process's threads: ready to run, but without a core."""


@dataclass(frozen=True, slots=True)
class Load:
    """The average load of the processor over some time."""

    seconds: float
    idle: float
    """Idle cores, of those that this process may use."""
    used: float
    """Cores that this process had."""
    waiting: float
    """Threads of this process that waited for a core."""


def read(proc: Path = _PROC) -> Reading | None:
    """Return the cumulative times now; None if the system does not report them."""
    try:
        idle = _idle(proc, os.sched_getaffinity(0))
        waited = _waited(proc)
    except (OSError, ValueError, IndexError, AttributeError):  # not Linux, or not permitted
        return None
    return None if idle is None or waited is None else Reading(time.monotonic(), idle, time.process_time(), waited)


def between(before: Reading, after: Reading) -> Load | None:
    """Return the load between two readings; None if no time has passed.

    Differences are clipped at zero: a thread that ends takes its waits with it, a core switched off its idle time.
    """
    seconds = after.at - before.at
    if seconds <= 0:
        return None
    idle, used, waited = after.idle - before.idle, after.used - before.used, after.waited - before.waited
    return Load(seconds, *(max(0.0, grown) / seconds for grown in (idle, used, waited)))


def _idle(proc: Path, cores: set[int]) -> float | None:
    """Return how long cores have been idle, including I/O wait, from /proc/stat (proc_stat(5))."""
    ticks = [
        sum(map(int, fields[4:6]))
        for fields in map(str.split, (proc / "stat").read_text().splitlines())
        if fields and fields[0].removeprefix("cpu").isdecimal() and int(fields[0][3:]) in cores
    ]
    return sum(ticks) / os.sysconf("SC_CLK_TCK") if ticks else None


def _waited(proc: Path) -> float | None:
    """Return how long threads waited to run, in seconds: the second number of their schedstat, in nanoseconds."""
    waits: list[int] = []
    for task in (proc / "self" / "task").iterdir():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it has just ended
            waits.append(int((task / "schedstat").read_text().split()[1]))
    return sum(waits) / 1e9 if waits else None
