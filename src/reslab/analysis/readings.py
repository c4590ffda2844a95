"""Readings of runs: last epoch, best on the hold-out, best on the test set; and their speed (pure)."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from reslab.analysis.groups import Group
from reslab.analysis.summary import Summary, summarise


@dataclass(frozen=True, slots=True)
class Readings:
    """Test errors of the finished runs of a group, read in three ways; `optimism` is last minus best, run by run.

    `chosen` is the test error of the epoch with the lowest hold-out error; it has no values without a hold-out.
    `best_epochs` has that of each run, in the order of the seeds.
    """

    last: Summary
    chosen: Summary
    best: Summary
    optimism: Summary
    best_epochs: tuple[int, ...]


def readings(group: Group) -> Readings:
    """Read the finished runs of a group; the first of equally good epochs counts."""
    finished = group.finished.sort("seed").select("run_id", "test_error").rename({"test_error": "last"})
    rows = finished.join(_by_run(group.epochs), on="run_id", how="left", maintain_order="left")
    return Readings(
        last=summarise(rows["last"].to_list()),
        chosen=summarise(rows["chosen"].to_list()),
        best=summarise(rows["best"].to_list()),
        optimism=summarise((rows["last"] - rows["best"]).to_list()),
        best_epochs=tuple(rows["best_epoch"].drop_nulls().to_list()),
    )


def by_rate_per_image(groups: Sequence[Group]) -> list[list[Group]]:
    """Return the groups by learning rate / batch size, each in order; a ratio with a single group is left out.

    The ratio is comparable only between trainings on equally many images: see `groups.relatives`.
    """
    lines: dict[str, list[Group]] = {}
    for group in sorted(groups, key=lambda group: (group.recipe.learning_rate, group.recipe.batch_size)):
        lines.setdefault(f"{group.recipe.learning_rate / group.recipe.batch_size:.6g}", []).append(group)
    return [lines[ratio] for ratio in sorted(lines, key=float) if len(lines[ratio]) > 1]


def reach(groups: Sequence[Group]) -> tuple[float, float]:
    """Return the range of the mean test errors of some groups, and of the mean training errors, in points."""
    test, train = (
        [group.last_epoch(column).mean or 0.0 for group in groups] for column in ("test_error", "train_error")
    )
    return max(test) - min(test), max(train) - min(train)


def speeds(groups: Sequence[Group]) -> dict[int, float]:
    """Return the mean training images per second by batch size, smallest first, over all runs that recorded it."""
    found: dict[int, list[float]] = {}
    for group in groups:
        known = group.runs["images_per_second"].drop_nulls().to_list()
        found.setdefault(group.recipe.batch_size, []).extend(known)
    return {size: statistics.fmean(values) for size, values in sorted(found.items()) if values}


def speeds_apart(groups: Sequence[Group]) -> tuple[float, float]:
    """Return the largest ratio of speeds between seeds of one recipe, and between batch sizes; 1 if alike."""
    known = [group.runs["images_per_second"].drop_nulls().to_list() for group in groups]
    within = max((max(own) / min(own) for own in known if len(own) > 1 and min(own) > 0), default=1.0)
    means = [mean for mean in speeds(groups).values() if mean > 0]
    return within, max(means) / min(means) if means else 1.0


def differs(groups: Sequence[Group], column: str) -> bool:
    """Return whether the finished runs of some groups differ in a column."""
    return len({value for group in groups for value in group.finished[column].drop_nulls().to_list()}) > 1


def _by_run(epochs: pl.DataFrame) -> pl.DataFrame:
    """Return run_id, best, best_epoch and chosen, a row per run."""
    known = epochs.filter(pl.col("test_error").is_not_null()).sort("run_id", "epoch")
    best = known.group_by("run_id").agg(
        best=pl.col("test_error").min(), best_epoch=pl.col("epoch").get(pl.col("test_error").arg_min())
    )
    held = known.filter(pl.col("holdout_error").is_not_null())
    chosen = held.group_by("run_id").agg(chosen=pl.col("test_error").get(pl.col("holdout_error").arg_min()))
    return best.join(chosen, on="run_id", how="left")
