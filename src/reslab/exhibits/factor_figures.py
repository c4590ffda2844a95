"""Last-epoch error against what a study varies: every seed a dot that no other hides, means, published figures."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import altair as alt

from reslab.analysis.groups import Group, datasets_of, on_dataset
from reslab.exhibits.blocks import Figure, Panel, Row
from reslab.exhibits.style import OKABE_ITO, SHAPES, legend, log_y, panel, unchecked
from reslab.exhibits.wording import dataset_name, listing, seeds_behind

MEASURED, ALONE = "this study, mean", "this study"
"""What measured errors are called: means over seeds, or of one seed each."""

SEEDS = "each seed"

Reading = Literal["test", "train"]

LOGARITHMIC_FROM = 6
"""Times the lowest error that the highest must be for the axis to be logarithmic, so that small ones can be read."""


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
    if not done:
        return None
    shown = [
        mark
        for mark in beside
        if any((mark.dataset, mark.place) == (group.recipe.dataset, axis.place(group)) for group in done)
    ]
    several = any(group.num_finished > 1 for group in done)
    axis = axis if several else replace(axis, series=_alone(axis.series))
    sources = list(dict.fromkeys(mark.source for mark in shown))
    series = list(dict.fromkeys(axis.series(group) for group in done))
    look = Look(axis, series, sources, len(readings) > 1)
    places = [(dataset, reading) for dataset in datasets_of(done) for reading in readings]
    parts = [(*place, *_rows(done, look, shown, *place)) for place in places]
    logarithmic = _is_wide([rows for *_, rows in parts])
    panels = tuple(
        _panel(f"{key}/{dataset}/{reading}", dataset, reading, lanes, rows, look, logarithmic)
        for dataset, reading, lanes, rows in parts
    )
    names = listing(dataset_name(dataset) for dataset in datasets_of(done))
    seeds = seeds_behind([group.num_finished for group in done])
    what = listing({"test": "test error", "train": "training error"}[reading] for reading in readings)
    against = axis.title[0].lower() + axis.title[1:]
    caption = (
        f"{what[0].upper()}{what[1:]} of the last epoch against {against.partition(' (')[0]} on {names}, {seeds} each"
        f"{dots_words('beside') if several else '.'}"
    )
    if sources:
        caption += (
            f"  The other marks are published figures ({listing(sources)}), whose protocols are given with the tables; "
            "a bar is a published range or standard deviation."
        )
    title = f"Final {'error' if len(readings) > 1 else what} by {against.partition(' (')[0]}"
    return Figure(key, title, caption, panels)


def dots_words(where: str) -> str:
    """Return what a reader is told about the dots of seeds, and of the means which stand beside or above them."""
    one = "one" if where == "above" else "mark"
    return (
        f": every small grey dot is a run, the large {one} {where} them their mean, its bar their standard deviation."
    )


def _alone(series: Callable[[Group], str]) -> Callable[[Group], str]:
    return lambda group: ALONE if series(group) == MEASURED else series(group)


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


@dataclass(frozen=True, slots=True)
class Look:
    """What all panels of a figure share: the axis, one key of series and sources, whether they name their reading."""

    axis: Axis
    series: Sequence[str]
    sources: Sequence[str]
    named: bool


def _panel(
    name: str, dataset: str, reading: Reading, lanes: Sequence[str], rows: list[Row], look: Look, logarithmic: bool
) -> Panel:
    title = f"{'Test' if reading == 'test' else 'Training'} error (%)"
    y, low = (_error_axis(field, title, rows, logarithmic) for field in ("error", "low"))
    known = [*look.series, SEEDS, *look.sources]
    own = zip(_colours(look.series, look.sources), _shapes(look.series, look.sources), strict=True)
    looks = dict(zip(known, own, strict=True))
    places = list(dict.fromkeys(row["place"] for row in rows))
    key = legend(lanes) if len(lanes) > 1 else None
    colour = alt.Color("label:N", scale=alt.Scale(domain=lanes, range=[looks[lane][0] for lane in lanes]), legend=key)
    shape = alt.Shape("label:N", scale=alt.Scale(domain=lanes, range=[looks[lane][1] for lane in lanes]), legend=key)
    x = alt.X("place:N", title=look.axis.title, sort=places).axis(labelAngle=0, grid=False)
    offset = alt.XOffset("at:Q", scale=alt.Scale(domain=[-1, 1]))
    base = alt.Chart(alt.NamedData(name=name)).encode(x=x, xOffset=offset, color=colour)
    bars = base.transform_filter("isValid(datum.low)").mark_rule(strokeWidth=1.6).encode(y=low, y2=alt.Y2("high:Q"))
    size = alt.SizeValue(100, condition={"test": f"datum.label == '{SEEDS}'", "value": 34})
    points = base.mark_point(filled=True, opacity=1).encode(y=y, shape=shape, size=size, tooltip=_TOOLTIP)
    which = {"test": "test", "train": "training"}[reading]
    words = f"{dataset_name(dataset)}, {which}" if look.named else dataset_name(dataset)
    return panel(words, [bars, points], {name: rows})


def _rows(
    done: Sequence[Group], look: Look, beside: Sequence[Mark], dataset: str, reading: Reading
) -> tuple[list[str], list[Row]]:
    """Return the key of one panel and a row a mark; `at` is where in its place it stands, from -1 to 1."""
    groups, axis, column = on_dataset(done, dataset), look.axis, f"{reading}_error"
    num_places = len({axis.place(group) for group in groups})
    own = [mark for mark in beside if mark.dataset == dataset] if reading == "test" else []
    dots = any(group.num_finished > 1 for group in done)  # a seed alone is its own mean
    used = {axis.series(group) for group in groups} | ({SEEDS} if dots else set()) | {mark.source for mark in own}
    known = [lane for lane in (*look.series, SEEDS, *look.sources) if lane in used]
    lanes = [lane for lane in known if lane != SEEDS]
    apart = min(0.75, 1.5 / max(1, len(lanes)))
    aside, dot = max(0.4 * apart, 0.06 * num_places), 0.045 * num_places  # about nine and seven pixels
    left = apart * 0.15 if any(group.num_finished > 1 for group in groups) else 0  # where dots stand beside
    centre = {lane: apart * (index - (len(lanes) - 1) / 2) - left for index, lane in enumerate(lanes)}
    means = [(group, mean_row(group, column)) for group in groups]
    values: list[Any] = [row.get(end, row["error"]) for _, row in means for end in ("low", "high")]
    reach = 0.025 * max(0.2 if column == "train_error" else 1.0, max(values) - min(values))
    rows: list[Row] = []
    for group, row in means:
        place, lane = axis.place(group), axis.series(group)
        rows.append({"place": place, "label": lane, "at": round(centre[lane], 3), **row})
        finished = group.finished.sort("seed").drop_nulls(column)
        errors = finished[column].to_list() if dots else []
        for seed, error, shift in zip(finished["seed"].to_list(), errors, spread_out(errors, reach), strict=dots):
            at = round(centre[lane] + aside + dot * shift, 3)
            rows.append({"place": place, "label": SEEDS, "at": at, "seed": seed, "error": round(error, 4)})
    for mark in own:
        row = {"place": mark.place, "label": mark.source, "at": round(centre[mark.source], 3), "error": mark.error}
        rows.append(row if mark.low is None else {**row, "low": mark.low, "high": mark.high})
    return known, rows


def _ends(rows: Sequence[Row]) -> tuple[float, float]:
    values = [row[name] for row in rows for name in ("error", "low", "high") if name in row]
    return min(values), max(values)


def _is_wide(panels: Sequence[Sequence[Row]]) -> bool:
    """Return whether all panels are logarithmic: errors differ many times in one of them, and none is nearly zero."""
    ends = [(*_ends(rows), min(row["error"] for row in rows)) for rows in panels]
    wide = any(high > LOGARITHMIC_FROM * lowest for _, high, lowest in ends)
    return wide and all(lowest > 0 and low > 0.2 * lowest for low, _, lowest in ends)


def _error_axis(field: str, title: str, rows: Sequence[Row], logarithmic: bool) -> alt.Y:
    """Return an axis around all marks and bars, not too narrow."""
    low, high = _ends(rows)
    if logarithmic:
        return log_y(field, title, [low, high], room=1.03)
    least = 0.2 if title.startswith("Training") else 1.0
    margin = max(0.06 * (high - low), (least - (high - low)) / 2)
    return alt.Y(
        f"{field}:Q", title=title, scale=alt.Scale(domain=[max(0, low - margin), high + margin], nice=True, zero=False)
    )


def _colours(series: Sequence[str], sources: Sequence[str]) -> list[str]:
    """Return a colour for each series, grey for the seeds, and other colours for what was published."""
    orange, blue, *rest, grey = OKABE_ITO
    palette = [blue, orange, *rest, *rest]
    return [*palette[: len(series)], grey, *(palette * 2)[len(series) : len(series) + len(sources)]]


def _shapes(series: Sequence[str], sources: Sequence[str]) -> list[str]:
    """Return circles for the seeds, and a shape for each series and each source."""
    cycle = SHAPES * 2
    return [*cycle[: len(series)], "circle", *cycle[len(series) : len(series) + len(sources)]]


_TOOLTIP: list[Any] = [
    alt.Tooltip("place:N", title="at"),
    alt.Tooltip("label:N", title="source"),
    alt.Tooltip("error:Q", title="error, %", format=".2f"),
    alt.Tooltip("low:Q", title="from", format=".2f"),
    alt.Tooltip("high:Q", title="to", format=".2f"),
    alt.Tooltip("n:Q", title="seeds"),
    alt.Tooltip("seed:Q", title="seed"),
]
