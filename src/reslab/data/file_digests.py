"""The SHA-256 of many files, each read once: digests are cached until a file changes.

A file counts as unchanged while its size, inode, mtime and ctime (in nanoseconds) are the same: setting mtime back
changes ctime.  The digests are in the user's cache, 64 bytes per file.
"""

import contextlib
import hashlib
import os
import struct
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from reslab.cache import cached
from reslab.errors import DataError, ResLabError
from reslab.files import write_whole

CHUNK = 256
"""Files between two progress reports."""

SETTLED_SECONDS = 2.0
"""A file changed less than this before it is read is read again next time: a coarse clock could hide a change."""

NUM_READERS = 8
"""Files read in parallel: for small files, the disk or network takes longer than the hash."""

_KEY, _DIGEST = 32, 32
_RECORD = _KEY + _DIGEST


def key_of(status: os.stat_result) -> bytes:
    """Return what identifies a file's state: inode, size, mtime and ctime."""
    numbers = (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    return struct.pack("<4Q", *(number % 2**64 for number in numbers))


def digests(
    root: Path, paths: Sequence[Path], keys: Sequence[bytes], progress: Callable[[int, int], None] | None = None
) -> list[bytes]:
    """Return the SHA-256 of the content of files below `root`, in order; `keys` are their `key_of`.

    `progress` is called with the files done and the total.  Digests are cached even if this is interrupted.  Raises
    `DataError` if a file cannot be read.
    """
    store = _store(root)
    known = {} if store is None else _recall(store)
    missing = [place for place, key in enumerate(keys) if key not in known]
    fresh: dict[bytes, bytes] = {}
    try:
        with ThreadPoolExecutor(NUM_READERS, thread_name_prefix="digests") as pool:
            for start in range(0, len(missing), CHUNK):
                part = missing[start : start + CHUNK]
                if progress is not None:
                    progress(len(keys) - len(missing) + start, len(keys))
                read_at = time.time_ns()
                for place, digest in zip(part, pool.map(_digest, (paths[place] for place in part)), strict=True):
                    known[keys[place]] = digest
                    if _is_settled(keys[place], read_at):
                        fresh[keys[place]] = digest
    finally:
        if fresh and store is not None:
            current = set(keys)
            kept = {key: digest for key, digest in known.items() if key in current and _is_settled(key, time.time_ns())}
            _remember(store, kept | fresh)
    return [known[key] for key in keys]


def _store(root: Path) -> Path | None:
    """Return the file that caches the digests of files below `root`; None if no cache is writable."""
    try:
        return cached("images", hashlib.sha256(os.fsencode(root.absolute())).hexdigest()[:16])
    except ResLabError:
        return None


def _digest(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest()
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error


def _is_settled(key: bytes, read_at: int) -> bool:
    *_, modified, changed = struct.unpack("<4Q", key)
    return bool(max(modified, changed) + SETTLED_SECONDS * 1e9 < read_at)


def _recall(store: Path) -> dict[bytes, bytes]:
    """Return the cached digests by key; none if the cache cannot be read or is damaged."""
    try:
        content = store.read_bytes()
    except OSError:
        return {}
    records, check = content[:-_DIGEST], content[-_DIGEST:]
    if hashlib.sha256(records).digest() != check or len(records) % _RECORD:
        return {}
    starts = range(0, len(records), _RECORD)
    return {records[at : at + _KEY]: records[at + _KEY : at + _RECORD] for at in starts}


def _remember(store: Path, known: dict[bytes, bytes]) -> None:
    records = b"".join(key + digest for key, digest in known.items())
    with contextlib.suppress(OSError):  # an unwritable cache only costs time
        store.parent.mkdir(parents=True, exist_ok=True)
        write_whole(store, records + hashlib.sha256(records).digest())
