"""Files from a share, fetched into a separate folder and checked there before use.

Shares are not trusted: their files may be damaged, false or malicious.  Each is read only up to its listed length, must
have its listed SHA-256, and must have a name that a run's file may have.  Files cannot prove that a result is true.
"""

import contextlib
import errno
import json
import math
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from reslab.datasets import is_named, known
from reslab.errors import DamagedError, FullDiskError, ResLabError, ShareError
from reslab.files import Json, unwritten, writing
from reslab.host import is_shared
from reslab.lab.folder import manifest
from reslab.lab.folder.predictions import read_predictions
from reslab.lab.folder.store import RunFiles
from reslab.lab.shares.places import Place
from reslab.recipe import Run

INCOMING = ".incoming"
"""Folder below the runs that files are fetched into."""
_LOCK = ".lock"
_LOCKED_SECONDS = 60.0
"""How long a process may take from creating its lock there to holding it."""

RECORD_BYTES = 64 * 2**20
WEIGHTS_BYTES = 4 * 2**30

_SHA256 = re.compile(r"[0-9a-f]{64}")

_LOSSES = ("train_loss", "test_loss")
"""Values of an epoch that are null if not finite."""
_EPOCH_NEEDS = ("iteration", "rate", "train_error", "test_error", *_LOSSES)
"""Values that every epoch of a finished run needs."""
_RESUMED_NEEDS = ("iteration", "seconds", "images_per_second")
"""Values that resuming needs from earlier epochs."""


_COUNTS = ("num_train", "num_holdout", "num_test", "num_classes")


class RefusedError(DamagedError):
    """Files from a share are invalid; the message says why."""


@contextmanager
def vetting(folder: Path) -> Iterator[None]:
    """Turn anything wrong with the files fetched into `folder` into a `RefusedError`.

    A `ShareError` or `FullDiskError` passes: it does not mean that the files are wrong.
    """
    try:
        yield
    except (ShareError, FullDiskError):
        raise
    except ResLabError as error:
        words = str(error).partition("; ")[0]  # what is wrong, without the remedy for a local folder
        raise RefusedError(words.replace(f"{folder}{os.sep}", "").replace(f"{folder}", "it")) from error
    except (ValueError, RecursionError, ArithmeticError, LookupError, TypeError, AttributeError) as error:
        raise RefusedError("its files are not those of a run") from error


@contextmanager
def incoming(root: Path, name: str) -> Iterator[RunFiles]:
    """Yield a temporary folder with the run's name, below the runs where it is not mistaken for one."""
    place = root / INCOMING
    _tidy(place)
    with writing(root):
        top = _new_below(place)
        lock = FileLock(top / _LOCK)
        lock.acquire()
        folder = top / name
        folder.mkdir(parents=True)
    try:
        yield RunFiles(folder)
    except FullDiskError as error:
        if isinstance(error.__cause__, OSError):  # names `root`, as the temporary folder is removed
            raise FullDiskError(f"cannot write to {root}: {unwritten(error.__cause__, '--runs')}") from error
        raise
    finally:
        shutil.rmtree(top, ignore_errors=True)
        lock.release()
        with contextlib.suppress(OSError):
            place.rmdir()


def _new_below(place: Path) -> Path:
    """Make a folder with a unique name below one that others may be removing while it is empty."""
    while True:
        with contextlib.suppress(FileNotFoundError, FileExistsError):
            place.mkdir(parents=True, exist_ok=True)
            return Path(tempfile.mkdtemp(dir=place))
        if place.exists() and not place.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, "there is a file with this name", str(place))


def _tidy(place: Path) -> None:
    """Remove what killed processes had fetched, if locks work there: on this machine's disks."""
    there = list[Path]()
    with contextlib.suppress(FileNotFoundError):  # another process has just removed it
        there += () if is_shared(place) else place.iterdir()
    for top in there:
        with contextlib.suppress(OSError, Timeout):
            if time.time() - (top / _LOCK).stat().st_mtime > _LOCKED_SECONDS:
                with FileLock(top / _LOCK, timeout=0):
                    shutil.rmtree(top, ignore_errors=True)


def listed_in(content: bytes) -> dict[str, Json]:
    """Return the files listed in a manifest, as `entries` does."""
    try:
        values = json.loads(content)
    except (ValueError, RecursionError):
        raise DamagedError(f"its {manifest.NAME} is not valid") from None
    return entries(values)


def entries(values: Any, name: str = manifest.NAME, knows: Callable[[str], bool] = manifest.knows) -> dict[str, Json]:
    """Return the files in a list, whose file is called `name`; raise `DamagedError` unless all are valid."""
    try:
        files = values["files"]
        for file, entry in files.items():
            most = WEIGHTS_BYTES if file.endswith(".safetensors") else RECORD_BYTES
            if not knows(file):
                raise DamagedError(f"its {name} names {file!r}, which is not a file of a run")
            if type(entry["bytes"]) is not int or not 0 <= entry["bytes"] <= most:
                raise DamagedError(
                    f"its {name} says that {file} has {str(entry['bytes'])[:80]} bytes, but at most {most} are read"
                )
            if not isinstance(entry["sha256"], str) or not _SHA256.fullmatch(entry["sha256"]):
                raise DamagedError(f"its {name} has {str(entry['sha256'])[:80]!r} for the SHA-256 of {file}")
    except (KeyError, TypeError, AttributeError):
        raise DamagedError(f"its {name} is not valid") from None
    return dict(files)


def fetch_files(
    where: Place,
    listed: Mapping[str, Json],
    into: Path,
    name_of: Callable[[str, Json], str],
    *,
    needed: Collection[str] | None = None,
) -> None:
    """Fetch the listed files, each up to its listed length; `name_of` gives a file's name at the place.

    Raises `DamagedError` if one does not match its entry, or is missing and `needed`; by default, all are needed.
    """
    for file, entry in listed.items():
        target = into / file
        with writing(into):
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("wb") as opened:
                digest = where.fetch(name_of(file, entry), opened, entry["bytes"])
        if digest is None:
            target.unlink()
            if needed is None or file in needed:
                raise DamagedError(f"{file} is missing")
        elif digest != entry["sha256"]:
            raise DamagedError(f"{file} is not what its manifest says (its SHA-256 differs)")


def ended_run(files: RunFiles, name: str, asked: Run | None = None) -> Run:
    """Return the ended run of a name, after checking that its files agree; raise `ResLabError` if they do not.

    `asked` is the run wanted, if known: another run may have the same id.
    """
    run = _named(files, name, asked)
    if files.ended() is None:
        raise DamagedError("it has not ended: it has no result.json, and no failure.json that says it diverged")
    files.check_files()
    rows, result = files.metrics(), files.result()
    _check_epochs(rows, _EPOCH_NEEDS if result is not None else ())
    _check_numbers(result or {})
    if result is not None:
        last = rows[-1] if rows else {}
        for key in ("test_error", "test_loss", "train_error", "train_loss"):
            if result.get(key) != last.get(key):
                raise DamagedError(f"its result.json and its metrics.jsonl have different values of {key}")
    _check_provenance(files, run)
    files.diagnostics()
    return run


def check_made_later(files: RunFiles, run: RunFiles) -> None:
    """Raise `ResLabError` if the files fetched into `files` cannot be read, or are of weights other than the run's."""
    found, result = files.diagnostics(), run.result() or {}
    if found is not None and found.get("weights_sha256") != result.get("weights_sha256"):
        raise DamagedError("its diagnostics.json is of other weights")
    read_predictions(files.predictions)


def begun_run(files: RunFiles, name: str, asked: Run | None = None) -> Run:
    """Return the unfinished run of a name, after checking that its files agree, as `ended_run` does."""
    run = _named(files, name, asked)
    if files.ended() is not None:
        raise DamagedError("it has ended, but is kept as an unfinished run")
    _check_epochs(files.metrics(), _RESUMED_NEEDS)
    if files.has_begun():
        _check_provenance(files, run)
    return run


def _named(files: RunFiles, name: str, asked: Run | None) -> Run:
    run = files.check(asked)
    if run.id != name:
        raise DamagedError(f"it is {run.id}, by its run.json")
    return run


def _check_epochs(rows: Sequence[Mapping[str, Any]], needs: Collection[str]) -> None:
    for number, row in enumerate(rows, start=1):
        _check_numbers(row)
        if row["epoch"] != number:
            raise DamagedError(f"line {number} of its metrics.jsonl is not that of epoch {number}")
        if lacking := [key for key in needs if key not in row or (row[key] is None and key not in _LOSSES)]:
            raise DamagedError(f"line {number} of its metrics.jsonl has no {' and no '.join(lacking)}")


def _check_numbers(row: Mapping[str, Any]) -> None:
    for key, value in row.items():
        if key in ("run", "status", "weights_sha256") or value is None:
            continue
        if type(value) not in (int, float) or abs(value) >= 2**63 or not math.isfinite(value):
            raise DamagedError(f"{key} is {str(value)[:40]!r}, which is not a number")
        if key.endswith("_error") and not 0 <= value <= 100:
            raise DamagedError(f"{key} is {value}, which is not a percentage")


def _check_provenance(files: RunFiles, run: Run) -> None:
    """Raise `DamagedError` if a run's provenance is of other images, or is incomplete."""
    provenance = files.provenance() or {}
    data = provenance.get("data") or {}
    fingerprint = data.get("fingerprint")
    if fingerprint is None:
        raise DamagedError("its provenance.json does not say which images it was trained on")
    wanted = known(run.recipe.dataset).fingerprint if is_named(run.recipe.dataset) else run.recipe.images
    if not wanted or not fingerprint.startswith(wanted):
        raise DamagedError(
            f"it was trained on other images than {known(run.recipe.dataset).words}: fingerprint {fingerprint[:16]}"
        )
    if any(data.get(name) is None for name in _COUNTS) or not provenance.get("attempts"):
        raise DamagedError("its provenance.json does not say how many images there were, or who trained it")
