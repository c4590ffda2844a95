"""Copy the records of finished runs, exactly as they were written, and the weights of a few, from a folder of runs.

python results/collect.py RUNS [--weights RECIPE_ID ...]
"""

import argparse
import shutil
from pathlib import Path

from reslab.lab.places import Folder
from reslab.lab.share import write_index
from reslab.lab.store import RunFiles, find_runs

HERE = Path(__file__).parent / "runs"
RECORDS = (
    "run.json",
    "provenance.json",
    "metrics.jsonl",
    "diagnostics.json",
    "failure.json",
    "predictions.safetensors",
    "manifest.json",
    "result.json",
)
"""The last one says that the run is whole, and is copied last."""


def collect(runs: Path, to: Path, with_weights: frozenset[str]) -> list[str]:
    """Copy what has ended below `runs`, with the weights of the first seed of some recipes; return the runs' ids."""
    collected = []
    for files in find_runs(runs):
        if files.ended() is None:
            continue
        run = files.check()
        folder = to / run.id
        folder.mkdir(parents=True, exist_ok=True)
        names = [*RECORDS[:-1]]
        if run.seed == 0 and run.recipe.id in with_weights:
            names.append(files.weights.name)
        for name in (*names, RECORDS[-1]):
            if (files.path / name).exists():
                shutil.copyfile(files.path / name, folder / name)
        RunFiles(folder).settle()
        collected.append(run.id)
    studies = runs / "studies"
    if studies.is_dir():
        shutil.copytree(studies, to / "studies", dirs_exist_ok=True)
    write_index(Folder(to))
    return collected


def main() -> None:
    """Read the command line and collect."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", type=Path, help="the folder of all runs")
    parser.add_argument("--weights", nargs="*", default=[], metavar="RECIPE_ID", help="recipes whose weights go along")
    arguments = parser.parse_args()
    for run in collect(arguments.runs, HERE, frozenset(arguments.weights)):
        print(run)


if __name__ == "__main__":
    main()
