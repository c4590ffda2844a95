"""An unfinished run, handed from one machine to the next through a share.

    unfinished/cifar10-.../seed0/
      progress.json     names, lengths and SHA-256 of all files needed to resume: written last, atomically
      files/5f0c...     the files themselves, by their SHA-256
      lease/3           see `reslab.lab.shares.shared_lease`

progress.json lists complete files only, so a partial handover is never used; the files of the previous one stay until
the next.  A machine that resumes from it checks it all like an ended run (`reslab.lab.shares.vetting`).  Once the run
has ended and been pushed, all this is removed.
"""

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

from reslab.errors import DamagedError, ShareError
from reslab.files import Json, file_sha256, json_bytes, parse_json, signed
from reslab.lab.folder import manifest, metrics
from reslab.lab.folder.store import RunFiles
from reslab.lab.shares.places import Place, read
from reslab.lab.shares.vetting import RECORD_BYTES, begun_run, entries, fetch_files, vetting
from reslab.recipe import Run
from reslab.training import saved

FOLDER = "unfinished"
POINTER = "progress.json"
FORMAT = 1

_RECORDS = ("run.json", "provenance.json", metrics.NAME, metrics.SUMS)
_CHECKPOINT = re.compile(rf"checkpoint/{saved.NAME.pattern}/({'|'.join(map(re.escape, saved.FILES))})", re.ASCII)

State = Literal["asked", "training", "stopped", "failed"]


@dataclass(frozen=True, slots=True)
class Progress:
    """The progress of a run, as recorded on a share."""

    run: str
    state: State
    """asked: nothing was trained yet; stopped: with a checkpoint; failed: failure.json is among the files."""
    iteration: int
    """Iterations completed in its checkpoint, 0 if there is none."""
    num_iterations: int
    num_epochs: int
    files: Mapping[str, Json]


def folder_of(name: str) -> str:
    """Return the folder of an unfinished run on a share."""
    return f"{FOLDER}/{name}"


def progress(where: Place, name: str) -> Progress | None:
    """Return a share's progress of an unfinished run; None if it has none.

    Raises `RefusedError` if its record is not valid for this run, and `ShareError` if the share does not answer.
    """
    with vetting(Path(where.shown)):
        content = read(where, f"{folder_of(name)}/{POINTER}", RECORD_BYTES)
        if content is None:
            return None
        values = parse_json(content, f"its {POINTER}", must_be_signed=True)
        told: list[Any] = [values.get(key) for key in ("run", "state", "iteration", "num_iterations", "num_epochs")]
        run, state, *counts = told
        if run != name or state not in get_args(State) or not all(type(one) is int and one >= 0 for one in counts):
            raise DamagedError(f"its {POINTER} is not that of {name}")
        files = entries(values, POINTER, knows)
        return Progress(name, state, counts[0], counts[1], counts[2], files)


def knows(name: str) -> bool:
    """Say whether a name is that of a file that an unfinished run may have, and not a path to anywhere else."""
    if name.startswith(("weights/", "network/")):
        return manifest.knows(name)
    return name in (*_RECORDS, "failure.json") or _CHECKPOINT.fullmatch(name) is not None


def fetch(
    where: Place, found: Progress, into: RunFiles, *, only: tuple[str, ...] = (), asked: Run | None = None
) -> None:
    """Fetch what is needed to resume into an empty folder, and check it; `only` limits it to names with these prefixes.

    `asked` is the run wanted, if known.  Raises `ResLabError` if anything is wrong with the files.
    """
    wanted = {name: one for name, one in found.files.items() if name != "failure.json" and name.startswith(only or "")}
    fetch_files(where, wanted, into.path, lambda _, entry: _file_of(found.run, entry))
    if not only and saved.reached(saved.newest(into.checkpoints)) != found.iteration:
        raise DamagedError(f"its {POINTER} says iteration {found.iteration}, but its checkpoint does not")
    begun_run(into, found.run, asked)


def read_file(where: Place, found: Progress, name: str) -> bytes | None:
    """Return one small file of an unfinished run; None if it is absent, or longer than listed."""
    entry = found.files.get(name)
    with suppress(DamagedError):  # it is longer than listed
        return (entry and read(where, _file_of(found.run, entry), min(entry["bytes"], RECORD_BYTES))) or None
    return None


class Sender:
    """Sends the files of one run to a share, each only once."""

    def __init__(self, where: Place, name: str, before: Progress | None) -> None:
        """Note what the share already has of the run: it is not sent again, and is removed when no longer used."""
        self._where, self._name = where, name
        self._named = set() if before is None else {_file_of(name, entry) for entry in before.files.values()}
        self._there = set(self._named)
        self._seen: dict[str, tuple[tuple[int, int], Json]] = {}

    def send(self, files: RunFiles, state: State, num_iterations: int, num_epochs: int) -> None:
        """Hand on the run as its folder has it: its files first, then progress.json.

        The folder must not change meanwhile.  Raises `ShareError` if the share cannot be written to.
        """
        newest = saved.newest(files.checkpoints)
        names = _names(files, newest, with_failure=state == "failed")
        self._seen = {name: _looked_at(files.path / name, self._seen.get(name)) for name in names}
        listed = {name: entry for name, (_, entry) in self._seen.items()}
        wanted = {_file_of(self._name, entry): name for name, entry in listed.items()}
        for path, name in wanted.items():
            if path not in self._there:
                self._where.write(path, files.path / name)
                self._there.add(path)
        _point(self._where, Progress(self._name, state, saved.reached(newest), num_iterations, num_epochs, listed))
        in_use, self._named = self._named | set(wanted), set(wanted)  # somebody may be fetching the previous files
        for path in self._there - in_use:
            with suppress(ShareError):
                self._where.remove(path)
        self._there &= in_use


def forget_failure(where: Place, found: Progress) -> None:
    """Let a failed run be retried from its checkpoint on the share, or from the start."""
    files = {name: entry for name, entry in found.files.items() if name != "failure.json"}
    _point(where, replace(found, state="stopped" if found.iteration else "asked", files=files))


def forget(where: Place, name: str) -> None:
    """Remove an unfinished run from a share."""
    folder = folder_of(name)
    where.remove(f"{folder}/{POINTER}")
    for one in where.names(folder) or ():
        if one.startswith(f"{folder}/"):
            where.remove(one)


def _point(where: Place, found: Progress) -> None:
    """Write the progress.json of a run."""
    values: Json = {"format": FORMAT, **asdict(found)}
    where.write(f"{folder_of(found.run)}/{POINTER}", json_bytes(signed(values)))


def _names(files: RunFiles, checkpoint: Path | None, *, with_failure: bool) -> list[str]:
    """Return the names of all files needed to resume from the newest checkpoint."""
    found = [name for name in (*_RECORDS, *(["failure.json"] if with_failure else [])) if (files.path / name).exists()]
    parts = [files.network.rglob("*.py"), (files.epoch_weights(epoch) for epoch in files.kept_epochs())]
    if checkpoint is not None:
        parts.append(checkpoint / name for name in saved.FILES if (checkpoint / name).exists())
    return [*found, *(path.relative_to(files.path).as_posix() for part in parts for path in part)]


def _looked_at(path: Path, before: tuple[tuple[int, int], Json] | None) -> tuple[tuple[int, int], Json]:
    """Return a file's size and time, and its entry: it is not read again if both are unchanged."""
    found = path.stat()
    as_is = (found.st_size, found.st_mtime_ns)
    if before is not None and before[0] == as_is:
        return before
    return as_is, {"bytes": found.st_size, "sha256": file_sha256(path)}


def _file_of(name: str, entry: Json) -> str:
    return f"{folder_of(name)}/files/{entry['sha256']}"
