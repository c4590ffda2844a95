"""Data of error curves: which groups, which epochs, and the mean and range over the seeds at each (pure)."""

import math
from collections.abc import Callable, Iterable, Sequence
from statistics import fmean

import polars as pl

from reslab.analysis.groups import Group, Label, Row, by_dataset
from reslab.analysis.thinning import thinned

Named = Sequence[tuple[str, Group]]
"""Groups, each preceded by its label."""

MOST_POINTS = 800
"""Most points drawn in a panel: more cannot be told apart and slow the page down."""

BEGINNING = 5
"""Epochs at the start that are always drawn, however long the curve."""

MOST_CURVES = 9
"""Most curves in a panel: more cannot be told apart, whatever their colours and marks."""

EXTREMES = 3
"""Curves drawn at each end of the ranking where there are too many."""

MOST_CUT_OFF = 0.1
"""Share of the epochs whose errors may lie above the axis of charts like figure 6, which show how trainings end."""


def curve_rows(named: Named, of_epoch: Callable[[Group], float] | None = None) -> list[Row]:
    """Return label, epoch, n, and mean, low, high and sd of training and test error, a row per group and epoch.

    With `of_epoch`, the progress that one epoch of a group makes, a row also has the progress so far (`along`).  Long
    curves are thinned (see `stretch`), except at the beginning and at epochs that carry a mark (`marked`).
    """
    length, rows = stretch([group for _, group in named]), []
    for label, group in named:
        points = _points(group)
        last = max(group.drawn_epochs["epoch"].to_list(), default=0)
        marked = range(last, 0, -max(1, round(last / 8)))  # about eight, the last among them
        drawn = [name for name in points.columns if name not in ("epoch", "n") and not name.endswith("_sd")]
        columns = [points[name].fill_null(math.nan).to_list() for name in drawn]
        kept = thinned(points["epoch"].to_list(), columns, length)
        always = (pl.col("epoch") <= BEGINNING) | pl.col("epoch").is_in(list(marked))
        shown = points.with_row_index("place").filter(always | pl.col("place").is_in(kept)).drop("place")
        for point in shown.iter_rows(named=True):
            row: Row = {"label": label} | {name: short(value) for name, value in point.items() if value is not None}
            row |= {"along": short(row["epoch"] * of_epoch(group))} if of_epoch else {}
            rows.append(row | ({"marked": 1} if row["epoch"] in marked else {}))
    return rows


def stretch(groups: Sequence[Group]) -> int:
    """Return the length of the stretches that curves are thinned by, so that a panel has about `MOST_POINTS` points.

    Several points of each stretch are kept (see `thinned`), taken as five here: the last, and two extremes of each of
    both errors.
    """
    points = sum(group.drawn_epochs["epoch"].n_unique() for group in groups)
    return 1 if points <= MOST_POINTS else 5 * math.ceil(points / MOST_POINTS)


def short(value: float) -> float:
    """Return a number rounded to the four digits that a chart shows; integers stay integers."""
    return value if isinstance(value, int) else float(f"{value:.4g}")


def telling(groups: Sequence[Group], label: Label) -> list[Group]:
    """Return the groups whose curves are drawn: all, or where a panel would be too full, the first and the extremes.

    The extremes end with the lowest and the highest test errors, by mean rank over the data sets, so that every panel
    shows the same ones.
    """
    if all(len(own) <= MOST_CURVES for _, own in by_dataset(groups)):
        return list(groups)
    ranks: dict[str, list[float]] = {}
    for _, own in by_dataset(groups):
        for place, group in enumerate(sorted(own, key=_last_error)):
            ranks.setdefault(label(group), []).append(place / len(own))
    first = label(groups[0])
    others = sorted((name for name in ranks if name != first), key=lambda name: fmean(ranks[name]))
    chosen = {first, *others[:EXTREMES], *others[-EXTREMES:]}
    return [group for group in groups if label(group) in chosen]


def top(rows: Sequence[Row]) -> float:
    """Return where an axis for both errors ends: about twice the largest final error, and above most errors."""
    final = max(map(_largest, {row["label"]: row for row in rows}.values()))
    below = sorted(map(_largest, rows))[math.ceil((1 - MOST_CUT_OFF) * len(rows)) - 1]
    return min(100, max(20, *(10 * math.ceil(error / 10) for error in (2 * final, below))))


def highest_cut_off(panels: Iterable[Sequence[Row]]) -> float | None:
    """Return the highest error beyond the axis of its panel (see `top`); None where all are within."""
    ends = ((rows, top(rows)) for rows in panels)
    return max((_largest(row) for rows, end in ends for row in rows if _largest(row) > end), default=None)


def half_an_image(groups: Sequence[Group], reading: str) -> float:
    """Return half an image as a percentage of the train or test images: where an error of zero can be drawn."""
    images = max(group.number(f"num_{reading}") or 0 for group in groups)
    return 50 / images if images else 0.001


def _largest(row: Row) -> float:
    """Return the larger of a row's training and test errors."""
    errors: list[float] = [row[reading] for reading in ("train", "test") if reading in row]
    return max(errors)


def _points(group: Group) -> pl.DataFrame:
    """Return epoch, n, and mean, low, high and sd of both errors, sorted by epoch."""
    train, test = (
        group.curve(f"{name}_error").select(
            "epoch", "n", pl.col("mean").alias(name), pl.col("low", "high", "sd").name.prefix(f"{name}_")
        )
        for name in ("train", "test")
    )
    both = train.join(test, on="epoch", how="full", coalesce=True)
    return both.with_columns(n=pl.coalesce("n_right", "n")).drop("n_right").sort("epoch")


def _last_error(group: Group) -> float:
    means = group.curve("test_error")["mean"].to_list()
    return means[-1] if means else math.inf
