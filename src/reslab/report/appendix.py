"""The appendix: what each recipe is, every run with where it comes from, and the software and machines behind them."""

from collections.abc import Sequence

import polars as pl

from reslab.analysis.tidy import Tables
from reslab.exhibits.blocks import Block, Column, Note, Prose, Table
from reslab.exhibits.tables import runs_table
from reslab.exhibits.wording import counted, listing, opened
from reslab.report.document import Section
from reslab.studies.general import CUSTOM
from reslab.studies.study import Study

_ENVIRONMENT = ("reslab", "python", "torch", "numpy", "platform", "device", "threads")


def appendix(tables: Tables, studies: Sequence[Study]) -> Section:
    """Return the appendix on these runs, which the studies asked."""
    blocks: list[Block] = [*unreadable(tables)]
    if tables.runs.height:
        blocks.append(_recipes(tables, studies))
        blocks.append(runs_table("runs", tables.runs.sort("recipe_id", "seed")))
        blocks += _software(tables.runs)
    else:
        blocks.append(Prose("No run has been started."))
    return Section("appendix", "Appendix: every run", tuple(blocks), appendix=True)


def _recipes(tables: Tables, studies: Sequence[Study]) -> Table:
    """Return what each recipe's id stands for, in the order of the chapters, and which of them it is part of."""
    begun = set(tables.runs["recipe_id"].to_list())
    names: dict[str, str] = {}
    parts: dict[str, list[str]] = {}
    for study in studies:
        for variant in study.variants:
            if variant.recipe.id in begun:
                label = variant.label if study.kind != CUSTOM else f"{variant.label}, by the recipe of {study.name}"
                names.setdefault(variant.recipe.id, label)
                parts.setdefault(variant.recipe.id, []).append(study.name)
    rows = tuple((recipe, name, listing(parts[recipe])) for recipe, name in names.items())
    columns = (Column("Recipe", "left"), Column("What it is", "left"), Column("Studies", "left"))
    caption = (
        "Every recipe that was run: its id, what it is in the first chapter that it is part of, and in which it is."
    )
    return Table("recipes", "All recipes", caption, columns, rows)


def unreadable(tables: Tables) -> Sequence[Note]:
    """Return a note on the run folders and records of studies that could not be read; nothing where all could be."""
    if not tables.problems:
        return ()
    num_records = sum(problem.path.suffix == ".json" for problem in tables.problems)
    parts = ((len(tables.problems) - num_records, "run folder"), (num_records, "study record"))
    what = listing(counted(number, name) for number, name in parts if number)
    reasons = "; ".join(problem.message for problem in tables.problems)
    return (Note(f"{opened(what)} could not be read: {reasons}."),)


def _software(runs: pl.DataFrame) -> list[Table]:
    """Return the versions that the runs were made with, a row for each that differs; none before any run began."""
    begun = runs.filter(pl.any_horizontal(pl.col(name).is_not_null() for name in _ENVIRONMENT))
    if not begun.height:
        return []
    found = (
        begun.group_by(_ENVIRONMENT, maintain_order=True)
        .len()
        .sort("len", *_ENVIRONMENT, descending=[True] + 7 * [False])
    )
    rows = tuple(
        (str(row["len"]), *(None if row[name] is None else str(row[name]) for name in _ENVIRONMENT))
        for row in found.iter_rows(named=True)
    )
    columns = (
        Column("Runs"),
        *(Column(title, "left") for title in ("ResLab", "Python", "PyTorch", "NumPy", "System", "Device")),
        Column("Threads"),
    )
    caption = (
        "The software that the runs were made with and what they ran on, by number of runs, as the starts of each run "
        "recorded it: with commas between where a run went on with another."
    )
    return [Table("software", "Software", caption, columns, rows)]
