"""What errors against a factor are drawn from: a row a mark, with where in its place each stands."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from reslab.analysis.groups import Group
from reslab.exhibits.blocks import Row
from reslab.exhibits.captions import source_name
from reslab.published import Published

MEASURED, ALONE = "this study, mean", "this study"
"""What measured errors are called: means over seeds, or of one seed each."""

SEEDS = "each seed"

Reading = Literal["test", "train"]


@dataclass(frozen=True, slots=True)
class Axis:
    """What the study varies, where along it a group stands, and which of several series it belongs to."""

    title: str
    place: Callable[[Group], str]
    series: Callable[[Group], str] = lambda _: MEASURED
    by_row: bool = False
    """Whether each place has a row, with the errors along it: for names too long to stand side by side."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A published figure to stand at a place, with its range where it has one."""

    dataset: str
    place: str
    source: str
    error: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Look:
    """What all panels of a figure share."""

    axis: Axis
    series: Sequence[str]
    sources: Sequence[str]
    dots: bool
    """Whether any place has dots for its seeds beside their mean."""
    logarithmic: bool = False

    @property
    def lanes(self) -> list[str]:
        """What the key may name, in order."""
        return [*self.series, SEEDS, *self.sources]


def marks(beside: Sequence[Published], place: Callable[[Published], str] = lambda one: str(one.depth)) -> list[Mark]:
    """Return published figures as marks, each at its place; a bar is a published range or standard deviation."""
    found = []
    for one in beside:
        low, high = one.low, one.high
        if one.standard_deviation is not None:
            low, high = one.error - one.standard_deviation, one.error + one.standard_deviation
        ends = (None, None) if low is None or high is None else (low, high)
        found.append(Mark(one.dataset, place(one), source_name(one.source), one.error, *ends))
    return found


def spread_out(values: Sequence[float], reach: float) -> list[int]:
    """Return a lane for each value, 0 or more, so that none in one lane are within `reach` of each other."""
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
    """Return mean, number of seeds, and the ends of the bar of one standard deviation where there is one."""
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


def factor_rows(
    groups: Sequence[Group], look: Look, beside: Sequence[Mark], dataset: str, reading: Reading
) -> tuple[list[str], list[Row]]:
    """Return the key of one panel and a row a mark; `at` is where in its place it stands, from -1 to 1."""
    axis, column = look.axis, f"{reading}_error"
    num_places = len({axis.place(group) for group in groups})
    own = [mark for mark in beside if mark.dataset == dataset] if reading == "test" else []
    dots = any(group.num_finished > 1 for group in groups)
    used = {axis.series(group) for group in groups} | ({SEEDS} if dots else set()) | {mark.source for mark in own}
    known = [lane for lane in look.lanes if lane in used]
    lanes = [lane for lane in known if lane != SEEDS]
    apart = min(0.75, 1.5 / max(1, len(lanes)))
    aside, dot, left = max(0.4 * apart, 0.06 * num_places), 0.045 * num_places, 0.15 * apart  # about 9 and 7 pixels
    if axis.by_row:
        aside, dot, left = 0.65, 0.3, 0.35
    left *= dots  # which stand beside
    centre = {lane: apart * (index - (len(lanes) - 1) / 2) - left for index, lane in enumerate(lanes)}
    means = [(group, mean_row(group, column)) for group in groups]
    low, high = error_ends([row for _, row in means])
    reach = 0.025 * max(0.2 if reading == "train" else 1.0, high - low)
    rows: list[Row] = []
    for group, row in means:
        place, lane = axis.place(group), axis.series(group)
        rows.append({"place": place, "label": lane, "at": round(centre[lane], 3), **row})
        finished = group.finished.sort("seed").drop_nulls(column).select("seed", column).rows()
        finished = finished if len(finished) > 1 else []  # a seed alone is its own mean
        for (seed, error), shift in zip(finished, spread_out([error for _, error in finished], reach), strict=True):
            at = round(centre[lane] + aside + dot * shift, 3)
            rows.append({"place": place, "label": SEEDS, "at": at, "seed": seed, "error": round(error, 4)})
    for mark in own:
        row = {"place": mark.place, "label": mark.source, "at": round(centre[mark.source], 3), "error": mark.error}
        rows.append(row if mark.low is None else {**row, "low": mark.low, "high": mark.high})
    return known, rows
