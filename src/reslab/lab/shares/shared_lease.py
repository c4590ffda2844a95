"""Which machine trains a run, among machines that share nothing but a share: a lease kept there.

    unfinished/cifar10-.../seed0/lease/3     the third holder's, rewritten regularly while it trains

The highest number holds the run.  A machine that wants the run watches that lease for 1.25 times its length, by its own
clock; if it does not change, or was given back, the machine creates the next number, which a share lets only one
machine do.  Clocks need not agree.  A holder that loses touch with the share continues, and stops when it reconnects
and finds a higher number, or its own lease gone or changed.  Until then both train, and a write that the old holder had
started may complete: at worst it leaves an older checkpoint, and some training is repeated.
"""

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from reslab.errors import DamagedError, LockedError, ShareError
from reslab.lab.folder import locks
from reslab.lab.shares.places import Place, read
from reslab.lab.shares.repeating import repeating

SECONDS = 180.0
"""The length of a lease: when a machine dies, others wait 1.25 times as long for its run."""

_GIVEN_BACK = b"given back\n"
_MOST_BYTES = 1000


class Lease:
    """This machine's lease on a run."""

    def __init__(self, where: Place, folder: str, number: int, content: bytes) -> None:
        self._where, self._folder, self._number, self._content = where, folder, number, content
        self._times, self._is_over = 0, False
        self._asking = threading.Lock()  # in some places a file vanishes for an instant while it is rewritten

    def check(self) -> None:
        """Raise `LockedError` if another machine has taken over the run, `ShareError` if that cannot be determined."""
        with self._asking:
            self._check()

    def _check(self) -> None:
        is_highest = _highest(self._where, self._folder) <= self._number
        mine = _content(self._where, f"{self._folder}/{self._number}") if is_highest else None
        if mine is None or mine.partition(b" ")[0] != self._content:
            raise LockedError(
                f"another machine has taken over {self._folder.removesuffix('/lease')} at {self._where.shown}, because "
                "this one was silent for too long"
            )

    def renew(self) -> None:
        """Show that this machine is alive; raises as `check` does."""
        with self._asking:
            self._check()
            self._times += 1
            self._where.write(f"{self._folder}/{self._number}", b"%s %d\n" % (self._content, self._times))

    def end(self) -> None:
        """Note that the run has ended, so that the lease is no longer needed."""
        self._is_over = True

    def give_back(self) -> None:
        """Release the run, so that others can have it at once."""
        path = f"{self._folder}/{self._number}"
        with suppress(ShareError, LockedError):
            self.check()
            if self._is_over:
                self._where.remove(path)
            else:
                self._where.write(path, _GIVEN_BACK)


@contextmanager
def holding(where: Place, folder: str, stop: Callable[[], bool] = lambda: False) -> Iterator[Lease | None]:
    """Hold the lease in a folder of a share, renewed by a thread; yield None if leases are off or impossible there.

    Raises `LockedError` if another machine has it, and `ShareError` if the share does not answer.
    """
    seconds = locks.chosen_seconds(SECONDS)
    lease = _acquire(where, folder, seconds, stop) if seconds else None
    if lease is None:
        yield None
        return

    def renew() -> bool:
        try:
            lease.renew()
        except LockedError:
            return False  # the trainer finds out when it next hands something on
        except ShareError:
            pass  # try again next time
        return True

    try:
        with repeating(renew, seconds / 3, patience=5.0):
            yield lease
    finally:
        lease.give_back()


def _acquire(where: Place, folder: str, seconds: float, stop: Callable[[], bool]) -> Lease | None:
    """Return the lease once it is free; None if the share cannot create a file exclusively."""
    busy = LockedError(f"{folder.removesuffix('/lease')} is being trained by another machine, as {where.shown} says")
    mine = uuid.uuid4().hex.encode()
    seen: dict[int, bytes | None] = {}
    since = time.monotonic()
    while True:
        highest = _highest(where, folder)
        content = _content(where, f"{folder}/{highest}") if highest else None
        if highest in seen and content not in (seen[highest], _GIVEN_BACK, None):
            raise busy  # it was renewed
        if highest not in seen:
            seen, since = {highest: content}, time.monotonic()
        is_free = not highest or content == _GIVEN_BACK or time.monotonic() - since > 1.25 * seconds
        if is_free:
            created = where.create(f"{folder}/{highest + 1}", mine)
            if created is None:
                with suppress(ShareError):  # it may have been written, and would look like a silent holder
                    where.remove(f"{folder}/{highest + 1}")
                return None
            if created:
                for number in seen:
                    with suppress(ShareError):
                        where.remove(f"{folder}/{number}")
                return Lease(where, folder, highest + 1, mine)
        elif stop():
            raise busy
        else:
            time.sleep(min(2.0, seconds / 12))


def _content(where: Place, name: str) -> bytes | None:
    """Return the content of a lease; None if it is gone, empty if it is too long to be one."""
    try:
        return read(where, name, _MOST_BYTES)
    except DamagedError:
        return b""


def _highest(where: Place, folder: str) -> int:
    """Return the number of the last lease, 0 if there is none."""
    names = [name.rpartition("/")[2] for name in where.names(folder) or ()]
    return max((int(name) for name in names if name.isdecimal() and len(name) < 10), default=0)
