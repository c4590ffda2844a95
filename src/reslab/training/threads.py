"""Adapt the number of compute threads of a running training to the cores that other work leaves idle.

The threads of a step wait for each other, so that a thread that must share its core holds up all: with two threads on
two cores, one other busy process costs three quarters of the speed, while a single thread would keep nearly all of its
own.  Only for trainings whose bits do not depend on the number of threads.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch

from reslab import load
from reslab.load import Load, Reading

STARVED = 0.5
"""Average number of waiting threads from which fewer threads are faster: measured with two threads on two cores,
beside a process that is busy half of the time."""
ROOM = 0.7
"""Average number of idle cores from which one more thread is faster."""
CALM = 0.1
"""Most waiting threads with which an idle core means room: a limit on the process's CPU time leaves cores idle, too."""
PATIENCE_SECONDS = 0.5
"""How long there must be room before threads are added: short, for an idle core costs more than a thread too many."""
MOST_PATIENCE_SECONDS = 8.0
LOOK_SECONDS = 0.25
COST = 0.002
"""Largest share of the time that looking may take: with many threads and cores, looks are less frequent."""


@dataclass(frozen=True, slots=True)
class Standing:
    """The current number of threads, and what decides when it changes."""

    threads: int
    most: int
    cores: int
    room_for: float = 0.0
    """Seconds for which there has been room for more."""
    patience: float = PATIENCE_SECONDS
    """Seconds that this must last.  Doubles if added threads soon prove too many, as with intermittent load."""
    since_more: float = math.inf
    """Seconds since threads were last added."""


def after(standing: Standing, seen: Load) -> Standing:
    """Return the standing after some time under a load.  Threads are removed at once, but added only with patience."""
    since = standing.since_more + seen.seconds
    patience = PATIENCE_SECONDS if since > 8 * standing.patience else standing.patience
    now = replace(standing, since_more=since, patience=patience)
    if seen.waiting >= STARVED and standing.threads > 1:
        fewer = max(1, standing.threads - max(1, round(seen.waiting)))
        if since <= 2 * standing.patience:  # threads had just been added
            patience = min(2 * standing.patience, MOST_PATIENCE_SECONDS)
        return replace(now, threads=fewer, room_for=0.0, patience=patience)
    room = seen.idle - max(0.0, standing.threads - seen.used)  # cores that idled while our threads did are ours
    if room < ROOM or seen.waiting > CALM or standing.threads >= standing.most:
        return replace(now, room_for=0.0)
    room_for = standing.room_for + seen.seconds
    if room_for < patience:
        return replace(now, room_for=room_for)
    # Others may look for room, too: each takes a share in proportion to what it uses.
    share = min(1.0, seen.used / max(1.0, standing.cores - seen.idle))
    more = max(1, int((room + 1 - ROOM) * share))
    return replace(now, threads=min(standing.most, standing.threads + more), room_for=0.0, since_more=0.0)


class FollowingThreads:
    """Sets torch's number of threads according to the load; call `look` between steps."""

    def __init__(self, threads: int, most: int, cores: int, read: Callable[[], Reading | None] = load.read) -> None:
        self._standing = Standing(threads, most, cores)
        self._read = read
        self._last = read()
        self._next_look = time.monotonic() + LOOK_SECONDS
        torch.set_num_threads(threads)

    def look(self) -> None:
        """Adapt the number of threads to the load, if it is time to look."""
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
