"""Who holds a run, and who changes one of its files: locks that end with the process that has them.

Where several machines share the folder of the runs, the system's locks may not reach from one to another.  There the
holder also has a lease: a file that it touches again and again.  Whoever sees it untouched for the lease's length, by a
clock of their own, takes it over; so the clocks of the machines need not agree.
"""

import contextlib
import fcntl
import math
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, LeaseSettingsMismatch, SoftFileLease, Timeout

from reslab.errors import LockedError, ReplacedError, ResLabError
from reslab.files import writing
from reslab.host import is_shared

LEASE_SECONDS = 60.0
"""How long a machine that shares the runs must be silent before another takes over what it trained."""


LOCKS = Path("/proc/locks")
"""Linux lists all locks here."""


@dataclass(frozen=True, slots=True)
class Held:
    """A run that this process holds."""

    identity: tuple[int, int]
    """Which file the lock is, by device and inode: a folder made anew has another."""
    lease: SoftFileLease | None = None


_WRITTEN_WITHIN_SECONDS = 3600.0
_WRITTEN_WITHOUT_LOCK = ("run.json", "failure.json", "diagnostics.json", "predictions.safetensors", "manifest.json")
"""What others than the holder of the lock may be writing."""


@contextmanager
def hold(folder: Path) -> Iterator[Held]:
    """Hold a run for this process and thread; raise `LockedError` where another does.  Freed when the process ends.

    What a kill left of files that were being written is removed.  Raises `ReplacedError` where the folder is gone.
    """
    here = str(folder.resolve())
    gone = ReplacedError(f"the folder {folder} was removed; the same command makes it again")
    if not folder.is_dir():  # a lock would make it again, empty
        raise gone
    with writing(folder), contextlib.ExitStack() as held:
        try:
            held.enter_context(FileLock(_path(folder), timeout=1))
            seconds = lease_seconds(folder)
            lease = _lease(folder, seconds) if seconds else None
            if lease is not None:
                held.enter_context(lease.acquire(poll_interval=seconds / 60, cancel_check=_is_renewed(folder)))
            identity = _identity(folder)
        except Timeout:
            raise LockedError(_busy(folder, is_here=here in _HELD_HERE)) from None
        except LeaseSettingsMismatch:
            raise LockedError(
                f"{_busy(folder)}.  It has another RESLAB_LEASE, which must be the same everywhere"
            ) from None
        except FileNotFoundError:
            raise gone from None
        for place in (folder, folder / "weights"):
            for rest in place.glob(".*.*.[0-9]*"):
                _remove_rest(rest)
        kept = held.pop_all()
    _HELD_HERE.add(here)
    try:
        with kept:
            yield Held(identity, lease)
    finally:
        _HELD_HERE.discard(here)


_HELD_HERE: set[str] = set()
"""The folders that this process holds, so that another of its threads is told who has them."""


def _busy(folder: Path, *, is_here: bool = False) -> str:
    who = "another thread of this program" if is_here else "another process"
    return f"{folder} is being trained by {who}; wait for it, or use another --runs folder"


def lease_seconds(folder: Path) -> float:
    """Return the length of the lease on runs in a folder, 0 for none: RESLAB_LEASE, or by what the folder is on."""
    return chosen_seconds(LEASE_SECONDS if is_shared(folder) else 0.0)


def chosen_seconds(default: float) -> float:
    """Return the length of leases that RESLAB_LEASE gives, or else the default."""
    chosen = os.environ.get("RESLAB_LEASE")
    if not chosen:
        return default
    with contextlib.suppress(ValueError):
        if 0 <= float(chosen) < math.inf:
            return float(chosen)
    raise ResLabError(f"RESLAB_LEASE must be a number of seconds, or 0 for no leases, not {chosen!r}")


def check_same(folder: Path, held: Held) -> None:
    """Raise where this process holds the folder no longer: nothing is to be written any more.

    `ReplacedError` where the folder was removed or is another, `LockedError` where another machine has taken it over.
    """
    try:
        is_same = _identity(folder) == held.identity
    except OSError:
        is_same = False
    if not is_same:
        raise ReplacedError(
            f"the folder {folder} was removed or replaced during training; what this process had trained "
            "is gone, and the same command trains the run that the folder now holds"
        )
    if held.lease is not None and held.lease.compromise is not None:
        raise LockedError(
            f"this process could not renew its lease on {folder} in time, and another machine may train the run now"
        )


class Holding:
    """Which runs are held at one instant, found without the trainers' lock: whoever asks must not be in their way.

    For showing, and for what harms nobody where it is wrong: a process in another container is not listed here, and a
    lease of another machine is told from its file's time, as far as its clock agrees with this one's.
    """

    def __init__(self, listed: Path = LOCKS) -> None:
        """Look which files are locked."""
        self._locked: set[tuple[tuple[int, int], int]] | None = None
        with contextlib.suppress(OSError):
            self._locked = set(_listed(listed.read_text(encoding="ascii", errors="replace")))

    def holds(self, folder: Path) -> bool:
        """Say whether a run is held, here or (by its lease) on another machine."""
        if self._is_locked(folder):
            return True
        with contextlib.suppress(OSError):
            return time.time() - _lease_path(folder).stat().st_mtime < lease_seconds(folder)
        return False

    def _is_locked(self, folder: Path) -> bool:
        try:
            lock = _path(folder).stat()
        except OSError:
            return False
        if self._locked is None:
            return _is_refused(folder)
        if ((os.major(lock.st_dev), os.minor(lock.st_dev)), lock.st_ino) in self._locked:
            return True
        # Some file systems, as btrfs, are of another device there than for whoever looks at a file.
        return any(lock.st_ino == inode for _, inode in self._locked) and _is_refused(folder)


def is_held(folder: Path) -> bool:
    """Say whether a process holds the run, as `Holding` does."""
    return Holding().holds(folder)


def _listed(text: str) -> Iterator[tuple[tuple[int, int], int]]:
    """Yield device and inode of the files that are locked as runs are, from the lines of /proc/locks."""
    for line in text.splitlines():
        words = line.split()
        if "FLOCK" in words and "->" not in words and len(words) > 5:
            with contextlib.suppress(ValueError):
                major, minor, inode = words[5].split(":")
                yield (int(major, 16), int(minor, 16)), int(inode)


def _is_refused(folder: Path) -> bool:
    """Ask by a shared lock of an instant: others who ask get it, too, and a trainer waits a second for its own."""
    try:
        descriptor = os.open(_path(folder), os.O_RDONLY)
    except OSError:  # another user's
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)  # frees the lock, too
    return False


@contextmanager
def changing(folder: Path, name: str) -> Iterator[None]:
    """Hold a file that is read, added to and written again; others wait.  Freed when the process ends."""
    with writing(folder):
        lock = FileLock(folder / f".{name}.lock")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _path(folder: Path) -> Path:
    return folder / ".lock"


def _lease_path(folder: Path) -> Path:
    return folder / ".lease"


def _is_renewed(folder: Path) -> Callable[[], bool]:
    """Return what says whether the lease was renewed since the first call: then its holder lives."""
    seen: set[float] = set()

    def ask() -> bool:
        with contextlib.suppress(OSError):
            found = _lease_path(folder).stat()
            if found.st_size:  # else it is just being written
                seen.add(found.st_mtime)
        return len(seen) > 1

    return ask


def _lease(folder: Path, seconds: float) -> SoftFileLease:
    # Waited for as long as it may take to see that its holder is gone.  The heartbeat is looked at by other threads.
    return SoftFileLease(_lease_path(folder), lease_duration=seconds, timeout=1.25 * seconds, thread_local=False)


def _identity(folder: Path) -> tuple[int, int]:
    found = _path(folder).stat()
    return found.st_dev, found.st_ino


def _remove_rest(rest: Path) -> None:
    """Remove what a kill left of a file that was being written, and not what another process is writing.

    What others write without the lock is told by its age: the clocks of the machines may differ by some minutes here.
    """
    with contextlib.suppress(FileNotFoundError):
        others = any(rest.name.startswith(f".{name}.") for name in _WRITTEN_WITHOUT_LOCK)
        if not others or time.time() - rest.stat().st_mtime > _WRITTEN_WITHIN_SECONDS:
            rest.unlink()
