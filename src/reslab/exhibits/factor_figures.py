"""Last-epoch error against what a study varies: every seed a dot that no other hides, means, published figures."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import altair as alt

from reslab.analysis.groups import Group, by_dataset, datasets_of
from reslab.exhibits.blocks import Figure, Panel, Row
from reslab.exhibits.captions import titled
from reslab.exhibits.style import HEIGHT, OKABE_ITO, SHAPES, legend, log_y, panel, rows_of, tips, unchecked
from reslab.exhibits.wording import SOURCE_NAMES, Label, dataset_name
from reslab.published import Published

MEASURED, ALONE = "this study, mean", "this study"
"""What measured errors are called: means over seeds, or of one seed each."""

SEEDS = "each seed"

ROW = 28
"""Height of one of several variants in pixels, where each has a row."""

LOGARITHMIC_FROM = 6
"""Times the lowest error that the highest must be for the axis to be logarithmic, so that small ones can be read."""

Reading = Literal["test", "train"]


@dataclass(frozen=True, slots=True)
class Axis:
    """What stands along the horizontal axis, and which of several series a group belongs to."""

    title: str
    place: Callable[[Group], str]
    series: Callable[[Group], str] = lambda _: MEASURED


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
class _Look:
    """What all panels of a figure share; `by_row` ones have a row for each place, with the errors along it."""

    axis: Axis
    series: Sequence[str]
    sources: Sequence[str]
    dots: bool
    """Whether any place has dots for its seeds beside their mean."""
    by_row: bool = False
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
        found.append(Mark(one.dataset, place(one), SOURCE_NAMES.get(one.source, one.source), one.error, *ends))
    return found


@unchecked
def factor_figure(
    key: str,
    groups: Sequence[Group],
    axis: Axis,
    beside: Sequence[Mark] = (),
    readings: Sequence[Reading] = ("test",),
) -> Figure | None:
    """Return a panel for each data set and reading, places in the order of the groups; None without a finished run.

    `beside` are published figures of the test error; those at places that no group has are left out.
    """
    done = [group for group in groups if group.has_result]
    there = {(group.recipe.dataset, axis.place(group)) for group in done}
    shown = [mark for mark in beside if (mark.dataset, mark.place) in there]
    look = _look(done, axis, shown)
    parts = [
        (dataset, reading, *_rows(own, look, shown, dataset, reading))
        for dataset, own in by_dataset(done)
        for reading in readings
    ]
    look = replace(look, logarithmic=_is_wide([rows for *_, rows in parts]))
    panels = tuple(
        _panel(f"{key}/{dataset}/{reading}", _title(dataset, reading, readings), reading, lanes, rows, look)
        for dataset, reading, lanes, rows in parts
    )
    against = axis.title.partition(" (")[0]
    return _figure(key, "final", done, look, panels, readings=readings, against=against[0].lower() + against[1:])


@unchecked
def by_variant_figure(key: str, groups: Sequence[Group], label: Label) -> Figure | None:
    """Return last-epoch test error with a row for each variant, a panel a data set; None without a finished run."""
    done = [group for group in groups if group.has_result]
    look = replace(_look(done, Axis("", label), ()), by_row=True)
    panels = tuple(
        _panel(f"{key}/{dataset}", dataset_name(dataset), "test", *_rows(own, look, (), dataset, "test"), look)
        for dataset, own in by_dataset(done)
    )
    return _figure(key, "by-variant", done, look, panels)


def _figure(
    key: str, name: str, done: Sequence[Group], look: _Look, panels: tuple[Panel, ...], **values: object
) -> Figure | None:
    if not panels:
        return None
    seeds = [group.num_finished for group in done]
    words = titled(name, datasets=datasets_of(done), seeds=seeds, dots=look.dots, sources=look.sources, **values)
    return Figure(key, *words, panels)


def _look(done: Sequence[Group], axis: Axis, shown: Sequence[Mark]) -> _Look:
    dots = any(group.num_finished > 1 for group in done)
    named = axis.series
    if not dots:
        axis = replace(axis, series=lambda group: ALONE if named(group) == MEASURED else named(group))
    series, sources = dict.fromkeys(map(axis.series, done)), dict.fromkeys(mark.source for mark in shown)
    return _Look(axis, list(series), list(sources), dots)


def _title(dataset: str, reading: Reading, readings: Sequence[Reading]) -> str:
    which = {"test": "test", "train": "training"}[reading]
    return f"{dataset_name(dataset)}, {which}" if len(readings) > 1 else dataset_name(dataset)


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


def _rows(
    groups: Sequence[Group], look: _Look, beside: Sequence[Mark], dataset: str, reading: Reading
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
    if look.by_row:
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


def _panel(name: str, title: str, reading: Reading, lanes: Sequence[str], rows: list[Row], look: _Look) -> Panel:
    colours, shapes = (dict(zip(look.lanes, own, strict=True)) for own in (_colours(look), _shapes(look)))
    key = legend(lanes) if len(lanes) > 1 else None
    places = list(dict.fromkeys(row["place"] for row in rows))
    base = rows_of(name).encode(
        color=alt.Color("label:N", legend=key, scale=alt.Scale(domain=lanes, range=[colours[lane] for lane in lanes]))
    )
    within, height = alt.Scale(domain=[-1, 1]), HEIGHT
    errors = f"{'Test' if reading == 'test' else 'Training'} error (%)"
    error: dict[str, Any]
    bar: dict[str, Any]
    if look.by_row:
        room = min(260, 7.5 * max(map(len, places)))  # for fonts wider than the one measured with
        rows_axis = alt.Axis(labelLimit=260, minExtent=room, grid=True)
        base = base.encode(
            y=alt.Y("place:N", title=None, sort=places, axis=rows_axis), yOffset=alt.YOffset("at:Q", scale=within)
        )
        scale, axis, height = _around(rows, 1.0), alt.Axis(tickCount=5), max(120, ROW * len(places))
        error = {"x": alt.X("error:Q", title=errors, scale=scale, axis=axis)}
        bar = {"x": alt.X("low:Q", title=errors, scale=scale, axis=axis), "x2": alt.X2("high:Q")}
    else:
        x = alt.X("place:N", title=look.axis.title, sort=places).axis(labelAngle=0, grid=False)
        base = base.encode(x=x, xOffset=alt.XOffset("at:Q", scale=within))
        error = {"y": _error_axis("error", errors, rows, look)}
        bar = {"y": _error_axis("low", errors, rows, look), "y2": alt.Y2("high:Q")}
    bars = base.transform_filter("isValid(datum.low)").mark_rule(strokeWidth=1.6).encode(**bar)
    shape = alt.Shape("label:N", legend=key, scale=alt.Scale(domain=lanes, range=[shapes[lane] for lane in lanes]))
    size = alt.SizeValue(100, condition={"test": f"datum.label == '{SEEDS}'", "value": 34})
    points = base.mark_point(filled=True, opacity=1).encode(**error, shape=shape, size=size, tooltip=_TIPS)
    return panel(title, [bars, points], {name: rows}, height)


_TIPS = tips(
    {
        "at": "place:N",
        "source": "label:N",
        "error, %": "error:Q|.2f",
        "from": "low:Q|.2f",
        "to": "high:Q|.2f",
        "seeds": "n:Q",
        "seed": "seed:Q",
    }
)


def _is_wide(panels: Sequence[Sequence[Row]]) -> bool:
    """Return whether all panels are logarithmic: errors differ many times in one of them, and none is nearly zero."""
    ends = [(*error_ends(rows), min(row["error"] for row in rows)) for rows in panels]
    wide = any(high > LOGARITHMIC_FROM * lowest for _, high, lowest in ends)
    return wide and all(lowest > 0 and low > 0.2 * lowest for low, _, lowest in ends)


def _error_axis(field: str, title: str, rows: Sequence[Row], look: _Look) -> alt.Y:
    if look.logarithmic:
        return log_y(field, title, error_ends(rows), room=1.03)
    return alt.Y(f"{field}:Q", title=title, scale=_around(rows, 0.2 if title.startswith("Training") else 1.0))


def _around(rows: Sequence[Row], least: float) -> alt.Scale:
    """Return a scale around all marks and bars, of so many points at least."""
    low, high = error_ends(rows)
    margin = max(0.06 * (high - low), (least - (high - low)) / 2)
    return alt.Scale(domain=[max(0, low - margin), high + margin], nice=True, zero=False)


def _colours(look: _Look) -> list[str]:
    """Return a colour for each series, grey for the seeds, and other colours for what was published."""
    orange, blue, *rest, grey = OKABE_ITO
    series, sources, palette = len(look.series), len(look.sources), [blue, orange, *rest, *rest] * 2
    return [*palette[:series], grey, *palette[series : series + sources]]


def _shapes(look: _Look) -> list[str]:
    """Return circles for the seeds, and a shape for each series and each source."""
    series, sources = len(look.series), len(look.sources)
    return [*(SHAPES * 2)[:series], "circle", *(SHAPES * 2)[series : series + sources]]
