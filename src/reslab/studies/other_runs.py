"""Runs that belong to no study, as a study of their own that says why they are there."""

from collections.abc import Mapping, Sequence
from typing import Any

from reslab.analysis.tidy import Tables
from reslab.datasets import SHORT
from reslab.exhibits.wording import numeral
from reslab.recipe import Recipe
from reslab.studies.labels import labels
from reslab.studies.study import OTHERS, Study, Variant


def others(tables: Tables, studies: Sequence[Study], earlier: Mapping[str, str] | None = None) -> Study | None:
    """Return a study of every run in the tables that belongs to none of the studies; None where there is none.

    Runs of one recipe on different images are different variants.  `earlier` has, by the ids of runs, the study that
    asked for each before it was asked again (see `studies.earlier`).
    """
    known = {run.id for study in studies for run in study.runs()}
    askers: list[str] = []
    seeds: dict[tuple[Recipe, str], list[int]] = {}
    for row in tables.runs.sort("dataset", "family", "depth", "length", "recipe_id", "seed").iter_rows(named=True):
        if row["run_id"] not in known:
            recipe = Recipe.from_mapping({name: row[name] for name in Recipe.__dataclass_fields__})
            seeds.setdefault((recipe, _images(row)), []).append(row["seed"])
            askers.append((earlier or {}).get(row["run_id"], ""))
    if not seeds:
        return None
    recipes, images = map(list, zip(*seeds, strict=True))
    names = labels(recipes, images, [variant.recipe for study in studies for variant in study.variants])
    variants = tuple(
        Variant(name, recipe, seeds=tuple(own)) for name, ((recipe, _), own) in zip(names, seeds.items(), strict=True)
    )
    every = sorted({seed for own in seeds.values() for seed in own})
    return Study(
        name="other-runs",
        title="Other runs",
        question=_why_here(askers),
        expectation="",
        variants=variants,
        seeds=tuple(every),
        kind=OTHERS,
    )


def _why_here(askers: Sequence[str]) -> str:
    """Say why runs belong to no study; `askers` are the studies that asked for each earlier, "" where none is known."""
    words, num_runs = [], len(askers)
    for name in sorted(set(filter(None, askers))):
        count = askers.count(name)
        these = _these(num_runs) if count == num_runs else f"{numeral(count)} of these {numeral(num_runs)} runs"
        words.append(f"The study {name} asked for {these} earlier, but not when it was asked last.")
    if count := askers.count(""):
        which = _these(count) if count == num_runs else "the other" if count == 1 else f"the other {numeral(count)}"
        words.append(
            f"No study in this folder asks for {which}: {'it comes' if count == 1 else 'they come'} from reslab train "
            "or reslab pull, or from a study whose record is gone."
        )
    return "  ".join(words)


def _these(count: int) -> str:
    return "this run" if count == 1 else "these runs"


def _images(row: Mapping[str, Any]) -> str:
    """Return the start of the fingerprint of a run's images; "" for those that its data set's name tells."""
    if row["data_official"] or row["data_fingerprint"] is None:
        return str(row["images"])
    return str(row["data_fingerprint"])[:SHORT]
