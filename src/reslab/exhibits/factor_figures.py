"""Last-epoch error against what a study varies: every seed a dot that no other hides, means, published figures."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import altair as alt

from reslab.analysis.groups import Group, by_dataset, datasets_of
from reslab.exhibits.blocks import Figure, Panel, Row
from reslab.exhibits.captions import titled
from reslab.exhibits.factor_rows import ALONE, MEASURED, SEEDS, Axis, Look, Mark, Reading, error_ends, factor_rows
from reslab.exhibits.style import HEIGHT, OKABE_ITO, SHAPES, legend, log_y, panel, rows_of, tips, unchecked
from reslab.exhibits.wording import Label, dataset_name, uncapitalised

ROW = 28
"""Height of one of several variants in pixels, where each has a row."""

LOGARITHMIC_FROM = 6
"""Times the lowest error that the highest must be for the axis to be logarithmic, so that small ones can be read."""


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
    there = {(group.recipe.dataset, axis.place(group)) for group in done}
    shown = [mark for mark in beside if (mark.dataset, mark.place) in there]
    look = _look(done, axis, shown)
    parts = [
        (dataset, reading, *factor_rows(own, look, shown, dataset, reading))
        for dataset, own in by_dataset(done)
        for reading in readings
    ]
    look = replace(look, logarithmic=not axis.by_row and _is_wide([rows for *_, rows in parts]))
    panels = []
    for dataset, reading, lanes, rows in parts:
        which = f", {'test' if reading == 'test' else 'training'}" if len(readings) > 1 else ""
        title = f"{dataset_name(dataset)}{which}"
        panels.append(_panel(f"{key}/{dataset}/{reading}", title, reading, lanes, rows, look))
    words = titled(
        "final",
        readings=readings,
        against=uncapitalised(axis.title.partition(" (")[0]),
        by_row=axis.by_row,
        datasets=datasets_of(done),
        seeds=[group.num_finished for group in done],
        dots=look.dots,
        sources=look.sources,
    )
    return Figure(key, *words, tuple(panels))


def by_variant(label: Label) -> Axis:
    """Return the axis of variants of any kind, which have a row each."""
    return Axis("variant", label, by_row=True)


def _look(done: Sequence[Group], axis: Axis, shown: Sequence[Mark]) -> Look:
    dots = any(group.num_finished > 1 for group in done)
    named = axis.series
    if not dots:
        axis = replace(axis, series=lambda group: ALONE if named(group) == MEASURED else named(group))
    series, sources = dict.fromkeys(map(axis.series, done)), dict.fromkeys(mark.source for mark in shown)
    return Look(axis, list(series), list(sources), dots)


def _panel(name: str, title: str, reading: Reading, lanes: Sequence[str], rows: list[Row], look: Look) -> Panel:
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
    if look.axis.by_row:
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


def _error_axis(field: str, title: str, rows: Sequence[Row], look: Look) -> alt.Y:
    if look.logarithmic:
        return log_y(field, title, error_ends(rows), room=1.03)
    return alt.Y(f"{field}:Q", title=title, scale=_around(rows, 0.2 if title.startswith("Training") else 1.0))


def _around(rows: Sequence[Row], least: float) -> alt.Scale:
    """Return a scale around all marks and bars, of so many points at least."""
    low, high = error_ends(rows)
    margin = max(0.06 * (high - low), (least - (high - low)) / 2)
    return alt.Scale(domain=[max(0, low - margin), high + margin], nice=True, zero=False)


def _colours(look: Look) -> list[str]:
    """Return a colour for each series, grey for the seeds, and other colours for what was published."""
    orange, blue, *rest, grey = OKABE_ITO
    series, sources, palette = len(look.series), len(look.sources), [blue, orange, *rest, *rest] * 2
    return [*palette[:series], grey, *palette[series : series + sources]]


def _shapes(look: Look) -> list[str]:
    """Return circles for the seeds, and a shape for each series and each source."""
    series, sources = len(look.series), len(look.sources)
    return [*(SHAPES * 2)[:series], "circle", *(SHAPES * 2)[series : series + sources]]
