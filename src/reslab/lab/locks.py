"""Who holds a run, and who changes one of its files: locks that end with the process that has them."""

import contextlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from reslab.errors import LockedError, ReplacedError
from reslab.files import writing

Identity = tuple[int, int]
"""Which file a lock is, by device and inode: a folder made anew has another."""

_WRITTEN_WITHIN_SECONDS = 3600.0
_WRITTEN_WITHOUT_LOCK = ("run.json", "failure.json", "diagnostics.json", "manifest.json")
"""What others than the holder of the lock may be writing."""


@contextmanager
def hold(folder: Path) -> Iterator[Identity]:
    """Hold a run for this process; raise `LockedError` where another does.  Freed when the process ends.

    What a kill left of files that were being written is removed.
    """
    with writing(folder):
        lock = FileLock(_path(folder), timeout=1)
        try:
            lock.acquire()
            identity = _identity(folder)
            for place in (folder, folder / "weights"):
                for rest in place.glob(".*.*.[0-9]*"):
                    _remove_rest(rest)
        except Timeout:
            raise LockedError(
                f"{folder} is being trained by another process; wait for it, or use another --runs folder"
            ) from None
    try:
        yield identity
    finally:
        lock.release()


def check_same(folder: Path, held: Identity) -> None:
    """Raise `ReplacedError` where the folder that this process holds is no longer there, or is another."""
    try:
        is_same = _identity(folder) == held
    except OSError:
        is_same = False
    if not is_same:
        raise ReplacedError(
            f"the folder {folder} was removed or replaced during training; what this process had trained "
            "is gone, and the same command trains the run that the folder now holds"
        )


def is_held(folder: Path) -> bool:
    """Say whether a process holds the run, as far as this user can ask."""
    if not _path(folder).exists():
        return False
    lock = FileLock(_path(folder), timeout=0)
    try:
        lock.acquire()
    except Timeout:
        return True
    except OSError:  # another user's: whoever may not write the lock cannot ask it
        return False
    lock.release()
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


def _identity(folder: Path) -> Identity:
    found = _path(folder).stat()
    return found.st_dev, found.st_ino


def _remove_rest(rest: Path) -> None:
    """Remove what a kill left of a file that was being written, and not what another process is writing."""
    with contextlib.suppress(FileNotFoundError):
        others = any(rest.name.startswith(f".{name}.") for name in _WRITTEN_WITHOUT_LOCK)
        if not others or time.time() - rest.stat().st_mtime > _WRITTEN_WITHIN_SECONDS:
            rest.unlink()
