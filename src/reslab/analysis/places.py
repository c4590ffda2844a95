"""Positions of errors along a factor: means, seeds and published figures, none hiding another (pure)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from reslab.analysis.groups import Group, Label, Row

LOGARITHMIC_FROM = 6
"""Ratio of the highest error to the lowest above which an axis is logarithmic, so that small ones can be read."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A published figure to draw at a place, with its range where it has one."""

    dataset: str
    place: str
    source: str
    error: float
    low: float | None = None
    high: float | None = None


def place_rows(
    groups: Sequence[Group],
    place: Label,
    lane: Label,
    beside: Sequence[Mark],
    lanes: Sequence[str],
    column: str,
    *,
    seeds: str,
    by_row: bool,
) -> list[Row]:
    """Return a row per mark of one panel; `at` is its offset within its place, from -1 to 1.

    The groups are on one data set.  Lanes are side by side in the order of `lanes`, which includes the sources of the
    figures in `beside`.  Rows of single runs are labelled `seeds`, beside their group's mean.  With `by_row` each
    place has a row, not a column.
    """
    standing = [(place(group), lane(group), group) for group in groups]
    theirs = marks_at(beside, groups, place)
    num_places = len({at for at, *_ in standing})
    used = {own for _, own, _ in standing} | {mark.source for mark in theirs}
    used_lanes = [one for one in lanes if one in used]
    apart = min(0.75, 1.5 / max(1, len(used_lanes)))
    aside, dot, left = max(0.4 * apart, 0.06 * num_places), 0.045 * num_places, 0.15 * apart  # about 9 and 7 pixels
    if by_row:
        aside, dot, left = 0.65, 0.3, 0.35
    left *= any(group.num_finished > 1 for *_, group in standing)  # makes room for the seeds beside the means
    centre = {one: apart * (index - (len(used_lanes) - 1) / 2) - left for index, one in enumerate(used_lanes)}
    means = [mean_row(group, column) for *_, group in standing]
    low, high = error_ends(means)
    reach = 0.025 * max(0.2 if column == "train_error" else 1.0, high - low)
    rows: list[Row] = []
    for (there, own, group), mean in zip(standing, means, strict=True):
        rows.append({"place": there, "label": own, "at": round(centre[own], 3), **mean})
        finished = group.finished.sort("seed").drop_nulls(column).select("seed", column).rows()
        finished = finished if len(finished) > 1 else []  # a single seed is the mean
        for (seed, error), shift in zip(finished, spread_out([error for _, error in finished], reach), strict=True):
            at = round(centre[own] + aside + dot * shift, 3)
            rows.append({"place": there, "label": seeds, "at": at, "seed": seed, "error": round(error, 4)})
    for mark in theirs:
        row = {"place": mark.place, "label": mark.source, "at": round(centre[mark.source], 3), "error": mark.error}
        rows.append(row if mark.low is None else {**row, "low": mark.low, "high": mark.high})
    return rows


def strip_rows(groups: Sequence[Group], place: Label, series: Label, beside: Sequence[Mark]) -> list[Row]:
    """Return a row per group of one data set, with its series, and one per published figure there (`theirs`)."""
    rows = [{"place": place(group), "series": series(group), **mean_row(group, "test_error")} for group in groups]
    theirs = marks_at(beside, groups, place)
    return rows + [{"place": mark.place, "theirs": mark.error, "source": mark.source} for mark in theirs]


def marks_at(marks: Sequence[Mark], groups: Sequence[Group], place: Label) -> list[Mark]:
    """Return the published figures at places that have a group on their data set."""
    there = {(group.recipe.dataset, place(group)) for group in groups}
    return [mark for mark in marks if (mark.dataset, mark.place) in there]


def spread_out(values: Sequence[float], reach: float) -> list[int]:
    """Return a lane for each value, 0 or more, so that no two in a lane are within `reach` of each other."""
    taken: dict[int, list[float]] = {}
    lanes = []
    for value in values:
        lane = 0
        while any(abs(value - other) < reach for other in taken.get(lane, ())):
            lane += 1
        taken.setdefault(lane, []).append(value)
        lanes.append(lane)
    return lanes


def mean_row(group: Group, column: str) -> Row:
    """Return the mean, the number of seeds, and the ends of a bar of one standard deviation where known."""
    summary = group.last_epoch(column)
    assert summary.mean is not None
    row: Row = {"error": round(summary.mean, 4), "n": summary.n}
    if summary.sd is None:
        return row
    return {**row, "low": round(max(0, summary.mean - summary.sd), 4), "high": round(summary.mean + summary.sd, 4)}


def error_ends(rows: Sequence[Row]) -> tuple[float, float]:
    """Return the lowest and the highest of all marks and ends of bars."""
    values = [row[name] for row in rows for name in ("error", "low", "high") if name in row]
    return min(values), max(values)


def are_wide(panels: Sequence[Sequence[Row]]) -> bool:
    """Return whether all panels are logarithmic: errors in one differ many times over, and none is nearly zero."""
    ends = [(*error_ends(rows), min(row["error"] for row in rows)) for rows in panels]
    wide = any(high > LOGARITHMIC_FROM * lowest for _, high, lowest in ends)
    return wide and all(lowest > 0 and low > 0.2 * lowest for low, _, lowest in ends)


def log_ticks(values: Sequence[float]) -> tuple[float, float, list[float]]:
    """Return the ends of a logarithmic axis, round numbers around all values, and as many ticks as fit."""
    low, high = min(values), max(values)
    narrow, middle, wide = (1, 1.5, 2, 3, 4, 5, 6, 7, 8), (1, 2, 3, 5, 7), (1, 2, 5)
    factors = narrow if high < 4 * low else middle if high < 20 * low else wide if high < 400 * low else (1,)
    powers = range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 2)
    ticks = [float(f"{factor * 10.0**power:.3g}") for power in powers for factor in factors]
    bottom = max((tick for tick in ticks if tick <= low * 1.001), default=low)
    top = min((tick for tick in ticks if tick >= high * 0.999 and tick > bottom), default=high)
    return bottom, top, [tick for tick in ticks if bottom <= tick <= top]


def epoch_ticks(last: int) -> list[int]:
    """Return the ticks of an axis that ends at epoch `last`: whole epochs, at most nine besides 0."""
    step = next(step for step in (1, 2, 5, 10, 20, 25, 50, 100, 200, 500, last) if last <= 9 * step)
    return list(range(0, last + 1, step))
