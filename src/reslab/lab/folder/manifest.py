"""manifest.json: length and SHA-256 of every file of an ended run, so that no damage goes unnoticed.

It is written right before the file that ends the run, and covers that file, too.  A run that ended under an older
ResLab has none until `reslab train`, `run` or `diagnose` handles it.
"""

import hashlib
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from reslab import own_code
from reslab.errors import DamagedError
from reslab.files import NOT_AS_WRITTEN, Json, file_sha256, is_there, json_bytes, read_json, signed, write_whole

NAME = "manifest.json"
FORMAT = 1

RECORDS = ("run.json", "provenance.json", "metrics.jsonl", "result.json", "failure.json")
"""Small files that every reader of a run needs; they are checked whenever a run is read."""

_FILES = (
    *RECORDS,
    "diagnostics.json",
    "weights.safetensors",
    "predictions.safetensors",
    "weights/epoch*.safetensors",
    "network/**/*.py",
)
"""Files that an ended run may have, as patterns; other files in the folder are not in the manifest."""

_MANY = (r"weights/epoch\d{4,9}\.safetensors", rf"network/{own_code.NAME}")


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a file of an ended run, in words that follow its name.

    It was changed, is missing, or is a manifest.json that was never written ("unsealed"): then nothing can be checked.
    """

    name: str
    kind: Literal["changed", "missing", "unsealed"]
    words: str

    @property
    def is_damage(self) -> bool:
        """Whether the run must not be used: other missing files may have been left out of a copy."""
        return self.kind == "changed" or (self.kind == "missing" and self.name in RECORDS)


def verify(folder: Path, names: Collection[str] | None = None) -> list[Problem]:
    """Return what is wrong with the files of an ended run, or with those named; write nothing.

    Raises `UnreadableError` if the system does not let a file be read.
    """
    while True:
        listed = _listed(folder)
        if isinstance(listed, Problem):
            return [listed]
        problems: list[Problem] = []
        for name, entry in listed.items():
            if names is None or name in names:
                problems += _compare(folder, name, entry)
        if not problems or _listed(folder) == listed:  # else a file was added just now
            return problems


def knows(name: str) -> bool:
    """Say whether a name is that of a file that a run may have, and not a path to anywhere else."""
    return (name in _FILES and "*" not in name) or any(re.fullmatch(pattern, name) for pattern in _MANY)


def as_bytes(files: Mapping[str, Json | None]) -> bytes:
    """Return the content of a manifest of these files."""
    return json_bytes(signed({"format": FORMAT, "files": files}))


def exists(folder: Path) -> bool:
    """Say whether a run has a manifest."""
    return is_there(folder / NAME)


def seal(folder: Path, last: Mapping[str, bytes]) -> None:
    """Write the manifest of a run's files, and of the content of the `last` ones, which are yet to be written."""
    there = sorted({path.relative_to(folder).as_posix() for pattern in _FILES for path in folder.glob(pattern)})
    entries = {name: _entry_of_file(folder / name) for name in there if name not in last}
    _write(folder, {**entries, **{name: _entry(content) for name, content in last.items()}})


def add(folder: Path, name: str, content: bytes) -> None:
    """Write a file of an ended run atomically, keeping the manifest true at every instant.

    During the write, the manifest also lists the old file.  Only one process at a time may do this.
    """
    listed = _listed(folder)
    if isinstance(listed, Problem):
        if listed.kind == "changed":
            raise DamagedError(f"{folder / NAME} is damaged: {listed.words}")
        write_whole(folder / name, content)
        return
    before = _entry_of_file(folder / name)
    _write(folder, {**listed, name: {**_entry(content), "before": before}})
    write_whole(folder / name, content)
    _write(folder, {**listed, name: _entry(content)})


def _listed(folder: Path) -> dict[str, Json] | Problem:
    """Return the files of the manifest with their entries, or why it is unusable."""
    try:
        content = read_json(folder / NAME, must_be_signed=True)
    except DamagedError:
        return Problem(NAME, "changed", NOT_AS_WRITTEN)
    if content is None:
        return Problem(NAME, "unsealed", "there is none, so nothing can be checked against it")
    files = content.get("files")
    if content.get("format") != FORMAT or not isinstance(files, dict) or not all(map(_is_below, files)):
        return Problem(NAME, "changed", "it is not a manifest of this version of ResLab")
    return files


def _is_below(name: str) -> bool:
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts


def _compare(folder: Path, name: str, entry: Mapping[str, Any]) -> Iterable[Problem]:
    allowed = [{key: entry.get(key) for key in ("bytes", "sha256")}]
    if "before" in entry:
        allowed.append(entry["before"])
    found = _entry_of_file(folder / name)
    if found in allowed:
        return []
    if found is None:
        return [Problem(name, "missing", "it is gone")]
    return [Problem(name, "changed", NOT_AS_WRITTEN)]


def _entry(content: bytes) -> Json:
    return {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def _entry_of_file(path: Path) -> Json | None:
    digest = file_sha256(path)
    return None if digest is None else {"bytes": path.stat().st_size, "sha256": digest}


def _write(folder: Path, files: Mapping[str, Json | None]) -> None:
    write_whole(folder / NAME, as_bytes(files))
