"""Ended runs fetched from a place and pushed to one, by their ids: what was trained once need not be trained again.

A share is a folder of runs as any other, on a disk, a web server or an object store:

    cifar10-resnet20-3f9a1c2b/seed0/...     files of the run, manifest.json last
    replicates/5f0c.../cifar10-.../seed0/   a second training of the same run, with other results
    studies/depth.json                      studies, as they are recorded
    index.json                              ids of the runs and names of the studies, for places that cannot be listed

Nobody vouches for a share.  What it hands out comes into a folder of its own and is checked there against the run's
manifest, its id (computed anew from run.json), its images and its weights; only then is it moved among the runs.  That
a result is true cannot be told from files: `reslab verify` trains again.
"""

import contextlib
import hashlib
import json
import math
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from reslab.datasets import is_named, known
from reslab.errors import DamagedError, LockedError, ResLabError, ShareError
from reslab.files import Json, file_sha256, json_bytes, writing
from reslab.lab import manifest
from reslab.lab.places import Place, read
from reslab.lab.store import RunFiles, run_files
from reslab.recipe import Run

INDEX = "index.json"
REPLICATES = "replicates"
"""Folder of second trainings, below the runs and on a share alike."""
UNFINISHED = "unfinished"
"""Below the replicates: what was trained here of a run that was then fetched."""

_RUN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*-[0-9a-f]{8}/seed(0|[1-9]\d{0,9})")
_STUDY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_KEY_DIGITS = 12
_RECORD_BYTES = 64 * 2**20
_WEIGHTS_BYTES = 4 * 2**30
_INDEX_BYTES = 64 * 2**20

Kind = Literal["fetched", "pushed", "there", "replicate", "absent", "refused", "running"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of fetching or pushing a run.

    fetched, pushed; there: it was already; replicate: another training of it was, and this one is kept beside that;
    absent: there is none; refused: it is not what it should be; running: it is being trained.
    """

    run: str
    kind: Kind
    words: str = ""


@dataclass(frozen=True, slots=True)
class Listed:
    """What a share has: ids of runs, and names of studies."""

    runs: list[str]
    studies: list[str]


@dataclass(frozen=True, slots=True)
class Agreement:
    """How a second training of a run compares with the first; errors in percent, None where it diverged."""

    run: str
    where: str
    same_bits: bool
    errors: tuple[float | None, float | None]

    @property
    def error_words(self) -> str:
        """The second error, for people."""
        return "diverged" if self.errors[1] is None else f"{self.errors[1]:.2f}%"


def listed(where: Place) -> Listed:
    """Return what a share has, by its list or else its index; raise `ShareError` where it has neither."""
    names = where.names()
    if names is None:
        index = _index(where)
        runs, studies = index["runs"], index["studies"]
    else:
        runs = [name.removesuffix(f"/{manifest.NAME}") for name in names if name.endswith(f"/{manifest.NAME}")]
        studies = [name[8:-5] for name in names if name.startswith("studies/") and name.endswith(".json")]
    return Listed([name for name in runs if is_run(name)], [name for name in studies if _STUDY.fullmatch(name)])


def is_run(name: str) -> bool:
    """Say whether a name can be that of a run: nothing else from a share ever becomes a path."""
    return _RUN.fullmatch(name) is not None


def fetch_run(where: Place, name: str, root: Path) -> Outcome:
    """Fetch an ended run below `root`, unless it is there.

    What was trained here is never written over: an ended run of other results stays, and the fetched one becomes a
    replicate of it; one that has not ended is moved to the replicates, as `unfinished`.  Raises `ShareError` where the
    place does not answer; whatever is wrong with the run itself is an outcome.
    """
    if not is_run(name):
        return Outcome(name, "refused", "this is no name of a run")
    content = read(where, f"{name}/{manifest.NAME}", _RECORD_BYTES)
    if content is None:
        return Outcome(name, "absent")
    with _incoming(root, name) as fetched:
        try:
            _fetch_files(where, name, content, fetched)
            run = _checked(fetched, name)
            _note_origin(fetched, where, content)
        except ShareError:
            raise
        except (ResLabError, RecursionError, ArithmeticError, LookupError, TypeError, AttributeError) as error:
            words = str(error).partition("; ")[0]  # what is wrong, and not what to do with the folder it is in
            return Outcome(name, "refused", words.replace(f"{fetched.path}", "it").replace("it/", ""))
        try:
            return _install(fetched, run, root)
        except LockedError:
            return Outcome(name, "running", "it is being trained here")


def push_run(where: Place, files: RunFiles) -> Outcome:
    """Push an ended run, its manifest last, unless it is there.

    Where another training of the same run is, this one becomes a replicate of it.  Raises `DamagedError` where a file
    is not what its manifest says, and `ShareError` where the place takes nothing.
    """
    name = files.read_run().id
    if files.ended() is None:
        return Outcome(name, "absent", f"it is {files.status()}; only runs that have ended are shared")
    files.settle()
    files.check()
    files.check_files()
    content = (files.path / manifest.NAME).read_bytes() if manifest.exists(files.path) else None
    if content is None:
        return Outcome(name, "refused", "it has no manifest, and its weights are not those that it ended with")
    there = read(where, f"{name}/{manifest.NAME}", _RECORD_BYTES)
    kind, prefix = _place_beside(_ending(there), _ending(content), name)
    if kind == "replicate" and read(where, f"{prefix}/{manifest.NAME}", _RECORD_BYTES) is not None:
        kind = "there"
    if kind != "there":
        for file in json.loads(content)["files"]:
            if (files.path / file).exists():
                where.write(f"{prefix}/{file}", files.path / file)
        where.write(f"{prefix}/{manifest.NAME}", content)
    return Outcome(name, kind, prefix if kind == "replicate" else "")


def write_index(where: Place) -> int:
    """Write the index anew from what the place has, and return the number of runs; two that do so agree."""
    found = listed(where)
    where.write(INDEX, json_bytes({"format": 1, "runs": sorted(found.runs), "studies": sorted(found.studies)}))
    return len(found.runs)


def replicates(root: Path, name: str) -> list[RunFiles]:
    """Return the second trainings of a run that have ended, in order of their folders."""
    found = [RunFiles(path) for path in sorted((root / REPLICATES).glob(f"*/{name}")) if path.is_dir()]
    return [files for files in found if files.ended() is not None]


def compare(first: RunFiles, other: RunFiles) -> Agreement:
    """Compare two trainings of the same run: the same bits, or both errors."""
    results = [files.result() or {} for files in (first, other)]
    weights = [result.get("weights_sha256") for result in results]
    same = weights[0] == weights[1] if all(weights) else results == [{}, {}]
    errors = (results[0].get("test_error"), results[1].get("test_error"))
    return Agreement(first.name, _machine(other), same, errors)


def _index(where: Place) -> dict[str, list[str]]:
    content = read(where, INDEX, _INDEX_BYTES)
    if content is None:
        raise ShareError(
            f"{where.shown} has no {INDEX}, and it cannot be listed; name the runs, or write the index there with "
            "`reslab push`"
        )
    try:
        found = json.loads(content)
        lists = {key: found[key] for key in ("runs", "studies")}
        if all(isinstance(one, list) and all(isinstance(name, str) for name in one) for one in lists.values()):
            return lists
    except (ValueError, RecursionError, LookupError, TypeError):
        pass
    raise ShareError(f"{where.shown}/{INDEX} is no index of runs")


@contextmanager
def _incoming(root: Path, name: str) -> Iterator[RunFiles]:
    """Give a folder of the run's name below the runs, where nothing is taken for a run; removed in the end."""
    with writing(root):
        (root / ".incoming").mkdir(parents=True, exist_ok=True)
        top = Path(tempfile.mkdtemp(dir=root / ".incoming"))
        folder = top / name
        folder.mkdir(parents=True)
    try:
        yield RunFiles(folder)
    finally:
        shutil.rmtree(top, ignore_errors=True)
        with contextlib.suppress(OSError):
            (root / ".incoming").rmdir()


def _fetch_files(where: Place, name: str, content: bytes, into: RunFiles) -> None:
    """Fetch the files of a manifest, each no longer than it says, and the manifest itself."""
    with writing(into.path):
        (into.path / manifest.NAME).write_bytes(content)
    for file, entry in _entries(content).items():
        target = into.path / file
        with writing(into.path):
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("wb") as opened:
                digest = where.fetch(f"{name}/{file}", opened, entry["bytes"])
        if digest is None:
            target.unlink()
        elif digest != entry["sha256"]:
            raise DamagedError(f"{file} is not what its manifest says (its SHA-256 differs)")


def _entries(content: bytes) -> dict[str, Json]:
    """Return the files of a manifest, where it names none but a run's and none too long."""
    try:
        files = json.loads(content)["files"]
        for file, entry in files.items():
            most = _WEIGHTS_BYTES if file.endswith(".safetensors") else _RECORD_BYTES
            if not manifest.knows(file):
                raise DamagedError(f"its manifest names {file!r}, which is no file of a run")
            if type(entry["bytes"]) is not int or not 0 <= entry["bytes"] <= most:
                raise DamagedError(
                    f"its manifest says that {file} has {entry['bytes']} bytes, and at most {most} are read"
                )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        if isinstance(error, DamagedError):
            raise
        raise DamagedError("its manifest is none") from None
    return dict(files)


def _checked(files: RunFiles, name: str) -> Run:
    """Return the run, once all of its files agree with each other; raise `ResLabError` where they do not."""
    run = files.check()
    if run.id != name:
        raise DamagedError(f"it is {run.id}, by its run.json")
    if files.ended() is None:
        raise DamagedError("it has not ended")
    files.check_files()
    rows, result = files.metrics(), files.result()
    for row in (*rows, *([] if result is None else [result])):
        _check_numbers(row)
    if result is not None:
        last = rows[-1] if rows else {}
        for key in ("test_error", "test_loss", "train_error", "train_loss"):
            if result.get(key) != last.get(key):
                raise DamagedError(f"its result.json and its metrics.jsonl have different values of {key}")
    _check_images(files, run)
    files.diagnostics()
    return run


def _check_numbers(row: Mapping[str, Any]) -> None:
    for key, value in row.items():
        if key in ("run", "status", "weights_sha256"):
            continue
        is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        if value is not None and not is_number:
            raise DamagedError(f"{key} is {str(value)[:40]!r}, which is no number")
        if key.endswith("_error") and value is not None and not 0 <= value <= 100:
            raise DamagedError(f"{key} is {value}, and not a percentage")


def _check_images(files: RunFiles, run: Run) -> None:
    data = (files.provenance() or {}).get("data")
    fingerprint = data.get("fingerprint") if isinstance(data, dict) else None
    if not isinstance(fingerprint, str):
        raise DamagedError("its provenance.json does not say which images it was trained on")
    wanted = known(run.recipe.dataset).fingerprint if is_named(run.recipe.dataset) else run.recipe.images
    if not wanted or not fingerprint.startswith(wanted):
        raise DamagedError(
            f"it was trained on other images than {known(run.recipe.dataset).words}: fingerprint {fingerprint[:16]}"
        )


def _note_origin(files: RunFiles, where: Place, content: bytes) -> None:
    provenance = files.provenance() or {}
    hop = {
        "from": where.shown,
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "manifest_sha256": hashlib.sha256(content).hexdigest(),
    }
    files.write("provenance.json", {**provenance, "fetched": [*(provenance.get("fetched") or []), hop]})


def _install(fetched: RunFiles, run: Run, root: Path) -> Outcome:
    """Move a checked run among the runs; whatever is there stays, or is moved to the replicates."""
    target = run_files(root, run)
    content = (fetched.path / manifest.NAME).read_bytes()
    for _ in range(5):
        if target.ended() is not None:
            return _keep_beside(fetched, target, content, root, run)
        with writing(target.path):
            target.path.parent.mkdir(parents=True, exist_ok=True)
        if target.path.exists():
            with target.lock() as held:
                if held.ended() is None:
                    _move_aside(held, root, run)
        with contextlib.suppress(OSError):  # another process has made the folder just now
            fetched.path.rename(target.path)
            return Outcome(run.id, "fetched")
    raise ResLabError(f"cannot write to {target.path}: other processes keep making it; try again")


def _keep_beside(fetched: RunFiles, target: RunFiles, content: bytes, root: Path, run: Run) -> Outcome:
    there = target.path / manifest.NAME
    mine = _ending(there.read_bytes()) if there.exists() else _ending_of_files(target)
    kind, prefix = _place_beside(mine, _ending(content), run.id)
    if kind == "there" or (root / prefix).exists():
        return Outcome(run.id, "there")
    with writing(root / prefix):
        (root / prefix).parent.mkdir(parents=True, exist_ok=True)
        fetched.path.rename(root / prefix)
    return Outcome(run.id, "replicate", prefix)


def _move_aside(files: RunFiles, root: Path, run: Run) -> None:
    """Move what has not ended to the replicates, or remove it where nothing was trained."""
    with writing(files.path):
        if not (files.metrics() or files.checkpoints.exists()):
            shutil.rmtree(files.path)
            return
        to = root / REPLICATES / f"{UNFINISHED}-{time.strftime('%Y%m%dT%H%M%S')}-{os.getpid()}" / run.id
        to.parent.mkdir(parents=True)
        files.path.rename(to)


def _place_beside(first: str | None, other: str | None, name: str) -> tuple[Kind, str]:
    """Return whether a training is new, the same, or a replicate, by what ended each, and where it goes."""
    if first is None:
        return "pushed", name
    if first == other or other is None:
        return "there", name
    return "replicate", f"{REPLICATES}/{other[:_KEY_DIGITS]}/{name}"


def _ending(content: bytes | None) -> str | None:
    """Return the SHA-256 of the file that ended a run, by its manifest: two trainings have two."""
    if content is None:
        return None
    files = _entries(content)
    for name in ("result.json", "failure.json"):
        if name in files:
            return str(files[name]["sha256"])
    raise DamagedError("its manifest names nothing that ended it")


def _ending_of_files(files: RunFiles) -> str | None:
    return file_sha256(files.path / "result.json") or file_sha256(files.path / "failure.json")


def _machine(files: RunFiles) -> str:
    attempts: Sequence[Json] = (files.provenance() or {}).get("attempts") or [{}]
    return str(attempts[-1].get("device_name") or "an unknown machine")
