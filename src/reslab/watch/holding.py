"""Which runs a process holds, found without taking a lock: whoever asks must not be in a trainer's way."""

import contextlib
import os
import sys
import time
from pathlib import Path

from reslab.lab.locks import lease_seconds

LOCKS = Path("/proc/locks")
"""Linux lists all locks here."""


class Holding:
    """The locks that are held at one instant."""

    def __init__(self, listed: Path = LOCKS) -> None:
        """Look which files are locked."""
        self._inodes: set[int] | None = None
        with contextlib.suppress(OSError):
            self._inodes = set(_locked(listed.read_text(encoding="ascii", errors="replace")))

    def holds(self, folder: Path) -> bool:
        """Say whether a run is held, here or (by its lease) on another machine."""
        try:
            lock = (folder / ".lock").stat()
        except OSError:
            lock = None
        if lock is not None and (lock.st_ino in self._inodes if self._inodes is not None else _is_locked(folder)):
            return True
        with contextlib.suppress(OSError):
            return time.time() - (folder / ".lease").stat().st_mtime < lease_seconds(folder)
        return False


def _locked(text: str) -> list[int]:
    """Return the inodes of the files that are locked as runs are, from the lines of /proc/locks."""
    found = []
    for line in text.splitlines():
        words = line.split()
        if "FLOCK" in words and "->" not in words and len(words) > 5:
            with contextlib.suppress(ValueError):
                found.append(int(words[5].rpartition(":")[2]))
    return found


def _is_locked(folder: Path) -> bool:
    """Ask by a shared lock of an instant, where the system lists no locks: a trainer waits a second for its own."""
    if sys.platform == "win32":
        return False
    import fcntl

    try:
        descriptor = os.open(folder / ".lock", os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)  # frees the lock, too
    return False
