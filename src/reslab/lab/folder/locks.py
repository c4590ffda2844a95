"""Who holds a run, and who changes one of its files: locks that end with the process that holds them.

Where several machines share the folder of the runs, one machine's locks may not bind the others.  There the holder also
has a lease: a file that it keeps touching.  A machine that sees it untouched for the lease's length, by its own clock,
takes it over; so the machines' clocks need not agree.
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
"""How long a machine must be silent before another that shares its runs takes over what it trained."""


LOCKS = Path("/proc/locks")
"""Linux lists all locks here."""


@dataclass(frozen=True, slots=True)
class Held:
    """A run that this process holds."""

    identity: tuple[int, int]
    """Device and inode of the lock file: those of a recreated folder differ."""
    lease: SoftFileLease | None = None


_WRITTEN_WITHIN_SECONDS = 3600.0
_WRITTEN_WITHOUT_LOCK = ("run.json", "failure.json", "diagnostics.json", "predictions.safetensors", "manifest.json")
"""Files that a process may be writing without holding the lock."""


@contextmanager
def hold(folder: Path) -> Iterator[Held]:
    """Hold a run for this process and thread; raise `LockedError` if another does.  Freed when the process ends.

    Removes partial files left by a killed process.  Raises `ReplacedError` if the folder is gone.
    """
    here = str(folder.resolve())
    gone = ReplacedError(f"the folder {folder} was removed; the same command makes it again")
    if not folder.is_dir():  # a lock would recreate it, empty
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
                f"{_busy(folder)}.  Its RESLAB_LEASE differs, which must be the same everywhere"
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
"""The folders that this process holds, so that an error in another of its threads can say so."""


def _busy(folder: Path, *, is_here: bool = False) -> str:
    who = "another thread of this program" if is_here else "another process"
    return f"{folder} is being trained by {who}; wait for it, or use another --runs folder"


def lease_seconds(folder: Path) -> float:
    """Return the length of the lease on runs in a folder, 0 for none: from RESLAB_LEASE, or the kind of file system."""
    return chosen_seconds(LEASE_SECONDS if is_shared(folder) else 0.0)


def chosen_seconds(default: float) -> float:
    """Return the length of leases from RESLAB_LEASE, or else the default."""
    chosen = os.environ.get("RESLAB_LEASE")
    if not chosen:
        return default
    with contextlib.suppress(ValueError):
        if 0 <= float(chosen) < math.inf:
            return float(chosen)
    raise ResLabError(f"RESLAB_LEASE must be a number of seconds, or 0 for no leases, not {chosen!r}")


def check_same(folder: Path, held: Held) -> None:
    """Raise if this process no longer holds the folder, and so must not write to it.

    Raises `ReplacedError` if the folder was removed or replaced, `LockedError` if another machine may have taken over.
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
    """Which runs are held at one instant, found without taking their locks, so as not to disturb training.

    Only for display and for decisions where an error does no harm: a process in another container is not listed, and
    another machine's lease is judged by its file's time, as far as the two clocks agree.
    """

    def __init__(self, listed: Path = LOCKS) -> None:
        """Read which files are locked."""
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
        # The list and `stat` name different devices for some file systems, such as btrfs.
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
    """Test with a brief shared lock: others can test at the same time, and a trainer waits a second for its lock."""
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
    """Hold a file while it is read, added to and rewritten; others wait.  Freed when the process ends."""
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
    """Return a function that says whether the lease was renewed since its first call: then the holder is alive."""
    seen: set[float] = set()

    def ask() -> bool:
        with contextlib.suppress(OSError):
            found = _lease_path(folder).stat()
            if found.st_size:  # else it is being written right now
                seen.add(found.st_mtime)
        return len(seen) > 1

    return ask


def _lease(folder: Path, seconds: float) -> SoftFileLease:
    # The timeout is how long it may take to see that the holder is gone.  Other threads look at the heartbeat.
    return SoftFileLease(_lease_path(folder), lease_duration=seconds, timeout=1.25 * seconds, thread_local=False)


def _identity(folder: Path) -> tuple[int, int]:
    found = _path(folder).stat()
    return found.st_dev, found.st_ino


def _remove_rest(rest: Path) -> None:
    """Remove a partial file left by a killed process, but not one that another process is writing.

    Files that are written without the lock are judged by age, so the machines' clocks may differ by some minutes.
    """
    with contextlib.suppress(FileNotFoundError):
        others = any(rest.name.startswith(f".{name}.") for name in _WRITTEN_WITHOUT_LOCK)
        if not others or time.time() - rest.stat().st_mtime > _WRITTEN_WITHIN_SECONDS:
            rest.unlink()
