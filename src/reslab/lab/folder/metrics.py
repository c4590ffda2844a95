"""A run's metrics.jsonl, one line per epoch, and metrics.sha256, with a checksum of each line until the run has ended.

A line's checksum is on disk before the line is: there may be too many checksums, never too few.
"""

import hashlib
import json
import os
import statistics
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from reslab.amounts import counted
from reslab.errors import DamagedError, ResLabError
from reslab.files import NOT_AS_WRITTEN, Json, reading, sync_folder, write_whole, writing
from reslab.lab.folder import records

NAME = "metrics.jsonl"
SUMS = "metrics.sha256"


def read(folder: Path, remedy: str) -> list[Json]:
    """Return the lines as objects; a truncated last line does not count.

    Raises `DamagedError` for a damaged line; `remedy` is what to do about it.
    """
    try:
        return _rows(folder, _lines(folder / NAME), remedy)
    except DamagedError:  # or the run is resuming right now, and cuts them
        return _rows(folder, _lines(folder / NAME), remedy)


def last(folder: Path) -> Json:
    """Return the last line as an object, unchecked; an empty one if there is none."""
    return end(folder)[1]


def end(folder: Path) -> tuple[int, Json]:
    """Return the number of lines and the last one, as `last` does, from a single read."""
    lines = _lines(folder / NAME)
    row = _parse(lines[-1]) if lines else None
    return len(lines), row if isinstance(row, dict) else {}


def speed(rows: Iterable[Mapping[str, Any]]) -> float | None:
    """Return the median images per second, so that a slow first epoch does not count; None if no row has it."""
    known = [row["images_per_second"] for row in rows if row.get("images_per_second") is not None]
    return statistics.median(known) if known else None


def append(folder: Path, row: Mapping[str, Any]) -> None:
    """Append a line and sync it to disk."""
    line = json.dumps(row, allow_nan=False).encode()
    with writing(folder):
        _append(folder / SUMS, _sum(line))
        _append(folder / NAME, line)
        sync_folder(folder)  # the first line creates the file


def cut(folder: Path, num_rows: int, remedy: str) -> None:
    """Cut the metrics after `num_rows` lines; raise `ResLabError` if there are fewer, or one is damaged."""
    path = folder / NAME
    lines = _lines(path)
    if len(lines) < num_rows:
        raise ResLabError(
            f"{path} has {counted(len(lines), 'line')} where the checkpoint has seen {num_rows}; {remedy}"
        )
    kept = lines[:num_rows]
    _rows(folder, kept, remedy)  # report damage now, not after training
    with writing(folder):
        if not path.exists():
            forget_sums(folder)
            return
        length = sum(len(line) + 1 for line in kept)
        if length != path.stat().st_size:
            os.truncate(path, length)
        write_whole(folder / SUMS, b"".join(_sum(line) + b"\n" for line in kept))


def forget_sums(folder: Path) -> None:
    """Remove metrics.sha256, once the manifest covers the metrics."""
    (folder / SUMS).unlink(missing_ok=True)


def _rows(folder: Path, lines: Sequence[bytes], remedy: str) -> list[Json]:
    rows: list[Json] = []
    sums = _lines(folder / SUMS)
    for number, line in enumerate(lines, start=1):
        row = _parse(line)
        if not isinstance(row, dict) or records.fault(NAME, row) is not None:
            raise DamagedError(f"{folder / NAME} is damaged in line {number}; {remedy}")
        if sums and sums[number - 1 : number] != [_sum(line)]:
            raise DamagedError(f"{folder / NAME} is damaged in line {number}: {NOT_AS_WRITTEN}; {remedy}")
        rows.append(row)
    return rows


def _lines(path: Path) -> list[bytes]:
    try:
        with reading(path):
            return path.read_bytes().split(b"\n")[:-1]
    except FileNotFoundError:
        return []


def _append(path: Path, line: bytes) -> None:
    with path.open("ab") as file:
        file.write(line + b"\n")
        file.flush()
        os.fsync(file.fileno())


def _sum(line: bytes) -> bytes:
    return hashlib.sha256(line).hexdigest().encode()


def _parse(line: bytes) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None
