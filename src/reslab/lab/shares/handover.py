"""A run that is not at its end, handed from one machine to the next by a share.

    unfinished/cifar10-.../seed0/
      progress.json     names, lengths and SHA-256 of all that is needed to go on: written last, and whole
      files/5f0c...     the files themselves, by their SHA-256
      lease/3           see `reslab.lab.shares.shared_lease`

progress.json vouches for what it names, so half a handing on is never used; the files of the one before it stay until
the next.  Whoever goes on from it checks all of it as if it were an ended run's (`reslab.lab.shares.vetting`).  Once
the run has ended, and stands where ended runs do, all this is removed.
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
    """How far a run has come, as a share has it."""

    run: str
    state: State
    """asked: nothing was trained yet; stopped: with a checkpoint; failed: failure.json is among the files."""
    iteration: int
    """Iterations that its checkpoint has completed, 0 where there is none."""
    num_iterations: int
    num_epochs: int
    files: Mapping[str, Json]


def folder_of(name: str) -> str:
    """Return the folder of a run that goes on, on a share."""
    return f"{FOLDER}/{name}"


def progress(where: Place, name: str) -> Progress | None:
    """Return how far a share has a run; None where it has nothing of it.

    Raises `RefusedError` where what it says is none of this run, and `ShareError` where the share does not answer.
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
    """Say whether a name is that of a file that a run has on its way, and no path to anywhere else."""
    if name.startswith(("weights/", "network/")):
        return manifest.knows(name)
    return name in (*_RECORDS, "failure.json") or _CHECKPOINT.fullmatch(name) is not None


def fetch(
    where: Place, found: Progress, into: RunFiles, *, only: tuple[str, ...] = (), asked: Run | None = None
) -> None:
    """Fetch what is needed to go on into an empty folder, or the files whose names begin so, and check it.

    `asked` is the run that is wanted, where that is known.

    Raises `ResLabError` where something is not what it should be.
    """
    wanted = {name: one for name, one in found.files.items() if name != "failure.json" and name.startswith(only or "")}
    fetch_files(where, wanted, into.path, lambda _, entry: _file_of(found.run, entry))
    if not only and saved.reached(saved.newest(into.checkpoints)) != found.iteration:
        raise DamagedError(f"its {POINTER} speaks of iteration {found.iteration}, and its checkpoint does not")
    begun_run(into, found.run, asked)


def read_file(where: Place, found: Progress, name: str) -> bytes | None:
    """Return one small file of a run that goes on; None where there is none, or not what was announced."""
    entry = found.files.get(name)
    with suppress(DamagedError):  # it is longer than that
        return (entry and read(where, _file_of(found.run, entry), min(entry["bytes"], RECORD_BYTES))) or None
    return None


class Sender:
    """What this machine hands on of one run: each file once."""

    def __init__(self, where: Place, name: str, before: Progress | None) -> None:
        """Take what the share has of the run by now, which is not sent again, and removed when it is out of use."""
        self._where, self._name = where, name
        self._named = set() if before is None else {_file_of(name, entry) for entry in before.files.values()}
        self._there = set(self._named)
        self._seen: dict[str, tuple[tuple[int, int], Json]] = {}

    def send(self, files: RunFiles, state: State, num_iterations: int, num_epochs: int) -> None:
        """Hand on the run as its folder has it: its files first, then what names them.

        Nothing of it may change meanwhile.  Raises `ShareError` where the share takes nothing.
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
        in_use, self._named = self._named | set(wanted), set(wanted)  # somebody may be fetching what was named before
        for path in self._there - in_use:
            with suppress(ShareError):
                self._where.remove(path)
        self._there &= in_use


def forget_failure(where: Place, found: Progress) -> None:
    """Have a run that failed tried again from the checkpoint that a share has of it, or from its beginning."""
    files = {name: entry for name, entry in found.files.items() if name != "failure.json"}
    _point(where, replace(found, state="stopped" if found.iteration else "asked", files=files))


def forget(where: Place, name: str) -> None:
    """Remove all that a share has of a run that goes on."""
    folder = folder_of(name)
    where.remove(f"{folder}/{POINTER}")
    for one in where.names(folder) or ():
        if one.startswith(f"{folder}/"):
            where.remove(one)


def _point(where: Place, found: Progress) -> None:
    """Write how far a share has a run."""
    values: Json = {"format": FORMAT, **asdict(found)}
    where.write(f"{folder_of(found.run)}/{POINTER}", json_bytes(signed(values)))


def _names(files: RunFiles, checkpoint: Path | None, *, with_failure: bool) -> list[str]:
    """Return the names of all that is needed to go on from the newest checkpoint."""
    found = [name for name in (*_RECORDS, *(["failure.json"] if with_failure else [])) if (files.path / name).exists()]
    parts = [files.network.rglob("*.py"), (files.epoch_weights(epoch) for epoch in files.kept_epochs())]
    if checkpoint is not None:
        parts.append(checkpoint / name for name in saved.FILES if (checkpoint / name).exists())
    return [*found, *(path.relative_to(files.path).as_posix() for part in parts for path in part)]


def _looked_at(path: Path, before: tuple[tuple[int, int], Json] | None) -> tuple[tuple[int, int], Json]:
    """Return size and time of a file, and its entry: it is not read again where both are as before."""
    found = path.stat()
    as_is = (found.st_size, found.st_mtime_ns)
    if before is not None and before[0] == as_is:
        return before
    return as_is, {"bytes": found.st_size, "sha256": file_sha256(path)}


def _file_of(name: str, entry: Json) -> str:
    return f"{folder_of(name)}/files/{entry['sha256']}"
