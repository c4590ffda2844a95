"""The appendix: every run with where it comes from, and the software and machines behind them."""

from collections.abc import Sequence

import polars as pl

from reslab.analysis.tidy import Tables
from reslab.exhibits.blocks import Block, Column, Note, Prose, Table
from reslab.exhibits.tables import runs_table
from reslab.exhibits.wording import counted, opened
from reslab.report.document import Section

_ENVIRONMENT = ("reslab", "python", "torch", "numpy", "platform", "device", "threads")


def appendix(tables: Tables) -> Section:
    """Return the appendix on these runs."""
    blocks: list[Block] = [*unreadable(tables)]
    if tables.runs.height:
        blocks.append(runs_table("runs", tables.runs.sort("recipe_id", "seed")))
        blocks += _software(tables.runs)
    else:
        blocks.append(Prose("No run has been started."))
    return Section("appendix", "Appendix: every run", tuple(blocks), appendix=True)


def unreadable(tables: Tables) -> Sequence[Note]:
    """Return a note on the run folders that could not be read; nothing where all could be."""
    if not tables.problems:
        return ()
    what = counted(len(tables.problems), "run folder")
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
        "The software that the runs were made with and what they ran on, by number of runs, as the last start of each "
        "run recorded it."
    )
    return [Table("software", "Software", caption, columns, rows)]
