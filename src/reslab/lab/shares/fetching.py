"""Ended runs fetched from a share.

Shares are not trusted.  A fetched run goes into a separate folder and is checked there against its manifest, its id
(recomputed from run.json), its images and its weights; only then is it moved among the runs.  Files cannot prove that a
result is true: `reslab verify` trains again.
"""

import contextlib
import hashlib
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from reslab.errors import DamagedError, LockedError, ResLabError, UnreadableError
from reslab.files import file_sha256, moved, new_folder, now, writing
from reslab.lab.folder import manifest
from reslab.lab.folder.store import RunFiles, run_files
from reslab.lab.shares.places import Place, read
from reslab.lab.shares.share import ENDS, MADE_LATER, REPLICATES, Outcome, end_sha256, is_run, place_beside
from reslab.lab.shares.vetting import (
    RECORD_BYTES,
    RefusedError,
    check_made_later,
    ended_run,
    fetch_files,
    incoming,
    listed_in,
    vetting,
)
from reslab.recipe import Run

UNFINISHED = "unfinished"
"""Prefix of folders below the replicates: unfinished local trainings of runs that were then fetched."""


def fetch_run(where: Place, name: str, root: Path, asked: Run | None = None) -> Outcome:
    """Fetch an ended run into `root`, unless it is there; `asked` is the run wanted under this name, if known.

    What was trained here is never overwritten: an ended run with other results stays, and the fetched one becomes its
    replicate; a run that has not ended is moved to the replicates, as `unfinished`.  If the run is here already, files
    made after its end that it lacks, such as diagnostics, are added.  Raises `ShareError` if the place does not answer;
    anything wrong with the run itself is an outcome.
    """
    if not is_run(name):
        return Outcome(name, "refused", "this is not the name of a run")
    try:
        with vetting(root):
            content = read(where, f"{name}/{manifest.NAME}", RECORD_BYTES)
    except RefusedError as error:
        return Outcome(name, "refused", str(error))
    if content is None:
        return Outcome(name, "absent", f"{where.shown} has no such ended run")
    try:
        if _is_here(root, name, content):
            return _complete(where, name, root, content)
        return _fetch_new(where, name, root, content, asked)
    except (DamagedError, UnreadableError) as error:
        return Outcome(name, "refused", f"the copy here cannot be used: {error}")


def _fetch_new(where: Place, name: str, root: Path, content: bytes, asked: Run | None) -> Outcome:
    """Fetch the run with this manifest, and put it among the runs."""
    with incoming(root, name) as fetched:
        try:
            with vetting(fetched.path):
                with writing(fetched.path):
                    (fetched.path / manifest.NAME).write_bytes(content)
                files = listed_in(content)
                fetch_files(where, files, fetched.path, lambda file, _: f"{name}/{file}", needed=manifest.RECORDS)
                run = ended_run(fetched, name, asked or _run_here(root, name))
                _note_origin(fetched, where, content)
        except RefusedError as error:
            return Outcome(name, "refused", str(error))
        try:
            return _install(fetched, run, root)
        except LockedError:
            return Outcome(name, "running", "it is being trained here")


def fetch_first(
    places: Sequence[Place],
    name: str,
    root: Path,
    on_refused: Callable[[Place, str], object] = lambda *_: None,
    *,
    asked: Run | None = None,
) -> Outcome:
    """Fetch an ended run from the first share with a valid copy, as `fetch_run` does.

    A refusal is reported to `on_refused` with its reason, and the next share is tried; if none has the run, the last
    refusal is the outcome.
    """
    outcome = Outcome(name, "absent")
    for where in places:
        found = fetch_run(where, name, root, asked)
        if found.kind not in ("absent", "refused"):
            return found
        if found.kind == "refused":
            on_refused(where, found.words)
            outcome = found
    return outcome


def _is_here(root: Path, name: str, content: bytes) -> bool:
    """Say whether the run with this manifest is here, by the files that ended both: then it need not be fetched."""
    here = RunFiles(root / name)
    if here.ended() is None:
        return False
    try:
        return _beside(here, content, root, name) is None
    except (DamagedError, LookupError, TypeError, AttributeError):  # reported when it is fetched
        return False


def _complete(where: Place, name: str, root: Path, content: bytes) -> Outcome:
    """Add to the local run with this manifest the files that a place has made since its end; say that it is there."""
    here = RunFiles(root / name)
    theirs = {file: entry for file, entry in listed_in(content).items() if file in MADE_LATER}
    new = {file: entry for file, entry in theirs.items() if not (here.path / file).exists()}
    if (
        not new
        or not manifest.exists(here.path)
        or end_sha256((here.path / manifest.NAME).read_bytes()) != end_sha256(content)
    ):
        return Outcome(name, "there")
    with incoming(root, name) as fetched:
        try:
            with vetting(fetched.path):
                fetch_files(where, new, fetched.path, lambda file, _: f"{name}/{file}", needed=())
                check_made_later(fetched, here)
        except RefusedError as error:
            return Outcome(name, "refused", f"its files made after the run's end: {error}")
        for file in new:
            if (fetched.path / file).exists():
                here.write_bytes(file, (fetched.path / file).read_bytes())
    return Outcome(name, "there")


def _beside(here: RunFiles, content: bytes, root: Path, name: str) -> str | None:
    """Return where below `root` the training with this manifest goes beside the local one; None if it is there."""
    there = here.path / manifest.NAME
    mine = end_sha256(there.read_bytes()) if there.exists() else _ending_of_files(here)
    kind, prefix = place_beside(mine, end_sha256(content), name)
    return None if kind == "there" or (root / prefix).exists() else prefix


def _run_here(root: Path, name: str) -> Run | None:
    """Return the run that was started here under a name; None if none can be read."""
    with contextlib.suppress(ResLabError):
        return RunFiles(root / name).read_run()
    return None


def _note_origin(files: RunFiles, where: Place, content: bytes) -> None:
    provenance = files.provenance() or {}
    hop = {
        "from": where.shown,
        "time": now(),
        "manifest_sha256": hashlib.sha256(content).hexdigest(),
    }
    files.write("provenance.json", {**provenance, "fetched": [*(provenance.get("fetched") or []), hop]})


def _install(fetched: RunFiles, run: Run, root: Path) -> Outcome:
    """Move a checked run among the runs; an ended one stays in place, an unfinished one moves to the replicates."""
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
        with writing(target.path):
            if moved(fetched.path, target.path):
                return Outcome(run.id, "fetched")
    raise ResLabError(f"cannot write to {target.path}: other processes keep recreating it; try again")


def _keep_beside(fetched: RunFiles, target: RunFiles, content: bytes, root: Path, run: Run) -> Outcome:
    prefix = _beside(target, content, root, run.id)
    if prefix is None:
        return Outcome(run.id, "there")
    with writing(root / prefix):
        (root / prefix).parent.mkdir(parents=True, exist_ok=True)
        fetched.path.rename(root / prefix)
    return Outcome(run.id, "replicate", prefix)


def _move_aside(files: RunFiles, root: Path, run: Run) -> None:
    """Move an unfinished run to the replicates, or remove it if nothing was trained."""
    with writing(files.path):
        if not files.has_begun():
            shutil.rmtree(files.path)
            return
        to = new_folder(root / REPLICATES, f"{UNFINISHED}-") / run.id
        to.parent.mkdir()
        files.path.rename(to)


def _ending_of_files(files: RunFiles) -> str | None:
    return next(filter(None, (file_sha256(files.path / name) for name in ENDS)), None)
