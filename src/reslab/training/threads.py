"""How many threads compute while a training goes on: as many as other work leaves cores for.

Threads of one step wait for each other, so that one that must share its core holds up all: with two threads on two
cores, one other busy process takes three quarters of the speed, and one thread alone would keep nearly all of its own.
For trainings whose bits do not depend on the number of threads only.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch

from reslab import load
from reslab.load import Load, Reading

STARVED = 0.5
"""Waiting threads, on average, from which fewer are faster: measured with two threads on two cores, beside a process
that is busy half of the time."""
ROOM = 0.7
"""Idle cores, on average, from which one more thread is faster."""
CALM = 0.1
"""Waiting threads up to which an idle core means room: a limit on the process's time leaves cores idle, too."""
PATIENCE_SECONDS = 0.5
"""How long there must be room before there are more threads: short, for a core left idle is worth more than one
thread too many costs."""
MOST_PATIENCE_SECONDS = 8.0
LOOK_SECONDS = 0.25
COST = 0.002
"""The share of the time that looking may take: with many threads and cores it is done less often."""


@dataclass(frozen=True, slots=True)
class Standing:
    """The threads that compute now, and what decides when there are others."""

    threads: int
    most: int
    cores: int
    room_for: float = 0.0
    """Seconds for which there has been room for more."""
    patience: float = PATIENCE_SECONDS
    """Seconds that this must last.  It doubles where more threads soon proved too many: load that comes and goes."""
    since_more: float = math.inf
    """Seconds since there were last made more."""


def after(standing: Standing, seen: Load) -> Standing:
    """Return how things stand after some time under a load.  Fewer threads at once, more only with patience."""
    since = standing.since_more + seen.seconds
    patience = PATIENCE_SECONDS if since > 8 * standing.patience else standing.patience
    now = replace(standing, since_more=since, patience=patience)
    if seen.waiting >= STARVED and standing.threads > 1:
        fewer = max(1, standing.threads - max(1, round(seen.waiting)))
        if since <= 2 * standing.patience:  # they had just been made more
            patience = min(2 * standing.patience, MOST_PATIENCE_SECONDS)
        return replace(now, threads=fewer, room_for=0.0, patience=patience)
    room = seen.idle - max(0.0, standing.threads - seen.used)  # cores that idled while this process did are its own
    if room < ROOM or seen.waiting > CALM or standing.threads >= standing.most:
        return replace(now, room_for=0.0)
    room_for = standing.room_for + seen.seconds
    if room_for < patience:
        return replace(now, room_for=room_for)
    # Others may look for room, too: each takes of it in proportion to what it has.
    share = min(1.0, seen.used / max(1.0, standing.cores - seen.idle))
    more = max(1, int((room + 1 - ROOM) * share))
    return replace(now, threads=min(standing.most, standing.threads + more), room_for=0.0, since_more=0.0)


class FollowingThreads:
    """Sets the number of torch's threads as the load goes; `look` is to be called between steps."""

    def __init__(self, threads: int, most: int, cores: int, read: Callable[[], Reading | None] = load.read) -> None:
        self._standing = Standing(threads, most, cores)
        self._read = read
        self._last = read()
        self._next_look = time.monotonic() + LOOK_SECONDS
        torch.set_num_threads(threads)

    def look(self) -> None:
        """See whether the load asks for other threads, if it is time to."""
        begun = time.monotonic()
        if begun < self._next_look:
            return
        reading = self._read()
        if reading is not None and self._last is not None:
            seen = load.between(self._last, reading)
            if seen is not None:
                before = self._standing.threads
                self._standing = after(self._standing, seen)
                if self._standing.threads != before:
                    torch.set_num_threads(self._standing.threads)
        self._last = reading
        ended = time.monotonic()
        self._next_look = ended + max(LOOK_SECONDS, (ended - begun) / COST)
