"""Tidy tables of runs, one row a run and one row a run and epoch: their columns, parts and joins (pure)."""

import math
import os
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Self

import polars as pl

from reslab.analysis.diagnoses import Diagnoses
from reslab.files import printable
from reslab.lab.folder.predictions import Predictions
from reslab.recipe import Recipe, Run


@dataclass(frozen=True, slots=True)
class Problem:
    """A run directory, or a file in one, that could not be read, and why, with paths relative to the root."""

    path: Path
    message: str

    @classmethod
    def of(cls, path: Path, error: Exception, root: Path) -> Self:
        """Return the problem that an error reports for a path below `root`, the folder of all runs."""
        return cls(path, printable(re.sub(rf"(?<![\w./-]){re.escape(f'{root}{os.sep}')}", "", str(error))))


@dataclass(frozen=True, slots=True)
class Tables:
    """Contents of the run directories: `runs` has the columns of RUN_SCHEMA, `epochs` those of EPOCH_SCHEMA.

    Figures of the last epoch are null unless the run is finished: an unfinished run has no result, only a curve.
    """

    runs: pl.DataFrame
    epochs: pl.DataFrame
    problems: tuple[Problem, ...] = ()
    diagnoses: Diagnoses = field(default_factory=Diagnoses)
    predictions: Mapping[str, Predictions] = field(default_factory=dict)
    """The trained networks' predictions for the test images, by run id, where kept."""

    @property
    def left_out(self) -> tuple[str, ...]:
        """Why each unreadable item is left out."""
        return tuple(problem.message for problem in self.problems)


_KINDS: dict[Any, type[pl.DataType]] = {str: pl.String, int: pl.Int64, float: pl.Float64, bool: pl.Boolean}
_LAST_EPOCH = ("train_loss", "train_error", "test_loss", "test_error", "holdout_loss", "holdout_error")

IDENTITY = ("run_id", "recipe_id", "seed")

SEPARATOR = ", "
"""Separates the values of a column that has several for a run."""

RUN_SCHEMA: dict[str, type[pl.DataType]] = {
    "run_id": pl.String,
    "recipe_id": pl.String,
    "seed": pl.Int64,
    "status": pl.String,
    **{field.name: _KINDS[field.type] for field in fields(Recipe)},
    "epochs": pl.Int64,
    "iterations": pl.Int64,
    **dict.fromkeys(_LAST_EPOCH, pl.Float64),
    "seconds": pl.Float64,
    "images_per_second": pl.Float64,
    "parameters": pl.Int64,
    "multiply_adds": pl.Int64,
    "weights_sha256": pl.String,
    "data_fingerprint": pl.String,
    "data_official": pl.Boolean,
    "num_train": pl.Int64,
    "num_holdout": pl.Int64,
    "num_test": pl.Int64,
    "num_classes": pl.Int64,
    "attempts": pl.Int64,
    "started": pl.String,
    "device": pl.String,
    "device_name": pl.String,
    "threads": pl.String,
    "platform": pl.String,
    "reslab": pl.String,
    "commit": pl.String,
    "dirty": pl.Boolean,
    "source_digest": pl.String,
    "python": pl.String,
    "torch": pl.String,
    "numpy": pl.String,
    "fetched_from": pl.String,
    "trained_again": pl.String,
    "failure_kind": pl.String,
    "failure_message": pl.String,
    "failure_epoch": pl.Int64,
    "failure_iteration": pl.Int64,
}
"""Columns of `Tables.runs`; `epochs` and `iterations` are completed ones, `started` is of the first attempt.

Code, versions and machine (`MADE_WITH`) are those of all attempts that the run consists of, separated by commas where
they differ; `dirty` is whether any had changed sources.  `fetched_from` is null for a run trained here;
`trained_again` says how second trainings compare, null where there was none.
"""

MADE_WITH = (
    "device",
    "device_name",
    "threads",
    "platform",
    "reslab",
    "commit",
    "source_digest",
    "python",
    "torch",
    "numpy",
)

EPOCH_SCHEMA: dict[str, type[pl.DataType]] = {
    "run_id": pl.String,
    "recipe_id": pl.String,
    "seed": pl.Int64,
    "epoch": pl.Int64,
    "iteration": pl.Int64,
    "rate": pl.Float64,
    **dict.fromkeys(_LAST_EPOCH, pl.Float64),
    "weight_norm": pl.Float64,
    "seconds": pl.Float64,
    "images_per_second": pl.Float64,
    "peak_memory_bytes": pl.Int64,
}
"""Columns of `Tables.epochs`; epochs are counted on completion, from 1."""


def select(tables: Tables, runs: Iterable[Run]) -> Tables:
    """Return the rows of these runs only, in the order of the tables."""
    return _of_ids(tables, {run.id for run in runs})


def joined(parts: Sequence[tuple[Tables, Collection[str]]]) -> Tables:
    """Return the tables of one or more folders as one.

    Each part has its tables and the ids that it names.  A run in several is taken from the first part that names it,
    else from the first that has it.
    """
    owner: dict[str, int] = {}
    for place, (_, named) in enumerate(parts):
        for run_id in named:
            owner.setdefault(run_id, place)
    for place, (tables, _) in enumerate(parts):
        for run_id in tables.runs["run_id"]:
            owner.setdefault(run_id, place)
    own = [
        _of_ids(tables, {run_id for run_id, at in owner.items() if at == place})
        for place, (tables, _) in enumerate(parts)
    ]
    return Tables(
        pl.concat(part.runs for part in own),
        pl.concat(part.epochs for part in own),
        tuple(problem for part in own for problem in part.problems),
        Diagnoses.joined([part.diagnoses for part in own]),
        {run_id: one for part in own for run_id, one in part.predictions.items()},
    )


def _of_ids(tables: Tables, ids: Collection[str]) -> Tables:
    wanted = pl.col("run_id").is_in(list(ids))
    predictions = {run_id: one for run_id, one in tables.predictions.items() if run_id in ids}
    return Tables(
        tables.runs.filter(wanted),
        tables.epochs.filter(wanted),
        tables.problems,
        tables.diagnoses.of(ids),
        predictions,
    )


def each_of(column: pl.Series) -> list[str]:
    """Return the distinct values, in order, of a column where a run may have several (see SEPARATOR)."""
    return list(dict.fromkeys(part for value in column.drop_nulls().to_list() for part in value.split(SEPARATOR)))


def frame(rows: list[dict[str, Any]], schema: Mapping[str, type[pl.DataType]]) -> pl.DataFrame:
    """Return rows as a table with these columns; a missing value or a non-finite float is null."""
    columns = {name: [_showable(row.get(name)) for row in rows] for name in schema}
    return pl.DataFrame(columns, schema=dict(schema), strict=False)


def _showable(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return printable(value) if isinstance(value, str) else value
