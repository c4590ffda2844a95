"""Copy the records of finished runs, exactly as they were written, and the weights of a few, from a folder of runs.

python results/collect.py RUNS [--weights RECIPE_ID ...]
"""

import argparse
import shutil
from dataclasses import replace
from pathlib import Path

from reslab.analysis.classes import COARSE
from reslab.lab.folder import ending
from reslab.lab.folder.finding import find_runs
from reslab.lab.folder.store import RunFiles
from reslab.lab.shares.folder_place import Folder
from reslab.lab.shares.listing import write_index
from reslab.studies.asked import record, recorded
from reslab.studies.catalogue import ask
from reslab.studies.questions import QUESTIONS
from reslab.studies.study import Options, Study

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
"""The last one marks a run as complete, so it is copied last."""


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
        ending.settle(RunFiles(folder))
        collected.append(run.id)
    studies = runs / "studies"
    if studies.is_dir():
        shutil.copytree(studies, to / "studies", dirs_exist_ok=True)
    for study in recorded(to)[0]:
        record(to, in_todays_words(with_all_seeds(study, to)))
    write_index(Folder(to))
    return collected


def with_all_seeds(study: Study, root: Path) -> Study:
    """Return the study with every seed that has ended of each variant: some recipes have more than others."""
    variants = []
    for variant in study.variants:
        places = map(RunFiles, (root / variant.recipe.id).glob("seed*"))
        ended = {files.read_run().seed for files in places if files.ended() is not None}
        seeds = tuple(sorted(ended | set(study.seeds_of(variant))))
        variants.append(variant if seeds == study.seeds_of(variant) else replace(variant, seeds=seeds))
    return replace(study, variants=tuple(variants))


def in_todays_words(study: Study) -> Study:
    """Return one of ResLab's own studies in its current words; a user's own study does not change."""
    if study.kind not in QUESTIONS:
        return study
    recipes = [variant.recipe for variant in study.variants]
    datasets, depths = (tuple(dict.fromkeys(getattr(one, name) for one in recipes)) for name in ("dataset", "depth"))
    fresh = ask(study.kind, Options(datasets=tuple(one for one in datasets if one != COARSE), depths=depths))
    return replace(study, title=fresh.title, question=fresh.question, expectation=fresh.expectation)


def main() -> None:
    """Read the command line and collect."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", type=Path, help="the folder of all runs")
    parser.add_argument("--weights", nargs="*", default=[], metavar="RECIPE_ID", help="recipes to copy the weights of")
    arguments = parser.parse_args()
    for run in collect(arguments.runs, HERE, frozenset(arguments.weights)):
        print(run)


if __name__ == "__main__":
    main()
