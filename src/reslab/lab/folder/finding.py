"""Runs found in a folder of runs, by their ids and the folders they are in."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from reslab.errors import ResLabError, UnreadableError
from reslab.files import as_path, is_there, one_line
from reslab.lab.folder import manifest
from reslab.lab.folder.store import RunFiles

USUAL_ROOT = Path("runs")

_SHOWN = 160
"""Number of characters of a name that an error message shows."""


def runs_folder(root: str | Path, *, may_be_to_come: bool = False) -> Path:
    """Return the folder of the runs; raise `ResLabError` if it does not exist, or is a file.

    With `may_be_to_come`, the usual one need not exist: the first run will make it.
    """
    folder = as_path(root)
    with _looking(root):
        is_folder, is_there = folder.is_dir(), folder.exists()
    if not is_folder and not (may_be_to_come and folder == USUAL_ROOT and not is_there):
        wrong = f"{_shown(folder)} is a file" if is_there else f"there is no folder {_shown(folder)}"
        raise ResLabError(f"{wrong}; give the folder of the runs; `reslab run depth --dataset digits` makes one")
    return folder


def find_runs(root: Path) -> list[RunFiles]:
    """Return all runs below a folder, sorted by name and seed, including ended ones that have lost their run.json.

    A link to another of these runs is left out.  An unreadable folder is included: its reader reports it.
    """
    with _looking(root):
        found = [path for path in root.glob("*/seed*") if _may_be_run(path)]
        here = {path.resolve() for path in found if not path.is_symlink()}
        found = [path for path in found if not (path.is_symlink() and path.resolve() in here)]
    return [RunFiles(path) for path in sorted(found, key=lambda path: (path.parent.name, len(path.name), path.name))]


def _may_be_run(folder: Path) -> bool:
    try:
        return is_there(folder / "run.json") or manifest.exists(folder)
    except UnreadableError:
        return True


def find_run(name: str, root: Path) -> RunFiles:
    """Return the run with an id below `root`, or in a folder; a recipe's id means its lowest seed (`remark_seed`).

    Raises `ResLabError` if there is none.
    """
    with _looking(name):
        for path in (Path(name), root / name):
            if RunFiles(path).exists:
                return RunFiles(path)
            if seeds := _seeds_in(path):
                return seeds[0]
    if not root.is_dir():
        raise ResLabError(f"there is no run {_shown(name)!r} here, and no folder {root} of runs")
    raise ResLabError(f"there is no run {_shown(name)!r} here or in {root}; `reslab status --ids` lists the runs")


def find_seeds(name: str, root: Path) -> list[RunFiles]:
    """Return the run with an id below `root`, or in a folder; or all seeds of a recipe's id or folder.

    Raises `ResLabError` if there is none.
    """
    with _looking(name):
        for path in (Path(name), root / name):
            if seeds := _seeds_in(path):
                return seeds
    return [find_run(name, root)]


def remark_seed(name: str, files: RunFiles) -> str | None:
    """Say which seed was taken, if `name` is a recipe's id or folder and there are several; else return None."""
    seeds = [one.path.name for one in _seeds_in(files.path.parent)]
    if len(seeds) < 2 or Path(name).resolve().name == files.path.name:
        return None
    return (
        f"{files.path.parent.name} has {len(seeds)} seeds, of which this is {files.path.name.removeprefix('seed')}; "
        f"for another, name it, as in {files.path.parent.name}/{seeds[1]}"
    )


def _shown(name: str | Path) -> str:
    """Return a name for a message: on one line, and of readable length."""
    text = one_line(str(name))
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


@contextmanager
def _looking(name: str | Path) -> Iterator[None]:
    """Turn Python's errors about impossible file names and unreadable folders into a `ResLabError`."""
    try:
        yield
    except ResLabError:
        raise
    except (OSError, ValueError) as error:
        why = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise ResLabError(f"{_shown(name)} cannot be looked up: {why}; give the id of a run, or a folder") from None


def _seeds_in(path: Path) -> list[RunFiles]:
    found = [file.parent for file in path.glob("seed*/run.json")]
    return [RunFiles(seed) for seed in sorted(found, key=lambda seed: (len(seed.name), seed.name))]
