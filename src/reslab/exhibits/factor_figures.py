"""Last-epoch error against what a study varies: for one with seeds and published figures, for all on one sheet."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import cycle, islice

import altair as alt

from reslab.analysis.groups import Group, Row, by_dataset, datasets_of
from reslab.analysis.places import Mark, are_wide, error_ends, marks_at, place_rows, strip_rows
from reslab.exhibits.blocks import Figure, Panel
from reslab.exhibits.captions import source_name, titled
from reslab.exhibits.style import HEIGHT, OKABE_ITO, SHAPES, Looks, log_y, panel, rows_of, tips, unchecked
from reslab.exhibits.wording import ERRORS, Reading, dataset_name, uncapitalised
from reslab.published import Published

MEASURED, ALONE = "this study, mean", "this study"
"""Names of measured errors: means over seeds, or of one seed each."""

SEEDS = "each seed"

ROW = 28
"""Height of a variant's row in pixels, where each has one."""

STRIP_HEIGHT, STRIP_COLUMNS = 46, 6
"""Height in pixels of the overview's small panels, and how many are side by side."""

STRIP_PLACES, STRIP_LETTERS = 8, 26
"""Most labels that a small panel has room for, and most letters of them in a line."""


@dataclass(frozen=True, slots=True)
class Axis:
    """The axis of what a study varies: a group's place along it, and the series it belongs to."""

    title: str
    """Empty for unordered settings, which no line joins."""
    place: Callable[[Group], str]
    series: Callable[[Group], str] = lambda _: MEASURED
    by_row: bool = False
    """Whether each place has a row, with the errors along it: for names too long to go side by side."""


@dataclass(frozen=True, slots=True)
class Strip:
    """A study in the overview: what it varies in a word or two, its groups, their axis, and published figures."""

    title: str
    groups: Sequence[Group]
    axis: Axis
    beside: Sequence[Mark] = ()


def marks(beside: Sequence[Published], place: Callable[[Published], str] = lambda one: str(one.depth)) -> list[Mark]:
    """Return published figures as marks at their places; a bar is a published range or standard deviation."""
    return [Mark(one.dataset, place(one), source_name(one.source), one.error, *one.ends) for one in beside]


@unchecked
def factor_figure(
    key: str,
    groups: Sequence[Group],
    axis: Axis,
    beside: Sequence[Mark] = (),
    readings: Sequence[Reading] = ("test",),
) -> Figure | None:
    """Return a panel for each data set and reading, places in the order of the groups; None without a finished run.

    `beside` are published test errors; those at places without a group are left out.
    """
    done = [group for group in groups if group.has_result]
    if not done:
        return None
    dots = any(group.num_finished > 1 for group in done)
    sources = list(dict.fromkeys(mark.source for mark in marks_at(beside, done, axis.place)))

    def lane(group: Group) -> str:
        name = axis.series(group)
        return ALONE if name == MEASURED and not dots else name

    looks = _looks(list(dict.fromkeys(map(lane, done))), sources)

    def rows_on(own: Sequence[Group], reading: Reading) -> list[Row]:
        known, column = beside if reading == "test" else (), f"{reading}_error"
        return place_rows(own, axis.place, lane, known, looks.labels, column, seeds=SEEDS, by_row=axis.by_row)

    drawn = {(dataset, reading): rows_on(own, reading) for dataset, own in by_dataset(done) for reading in readings}
    logarithmic = not axis.by_row and are_wide([*drawn.values()])
    panels = []
    for (dataset, reading), rows in drawn.items():
        which = f", {'test' if reading == 'test' else 'training'}" if len(readings) > 1 else ""
        name, title = f"{key}/{dataset}/{reading}", f"{dataset_name(dataset)}{which}"
        panels.append(_panel(name, title, reading, rows, axis, looks, logarithmic=logarithmic))
    words = titled(
        "final",
        readings=readings,
        against=uncapitalised(axis.title.partition(" (")[0]),
        by_row=axis.by_row,
        datasets=datasets_of(done),
        seeds=[group.num_finished for group in done],
        dots=dots,
        sources=sources,
    )
    return Figure(key, *words, tuple(panels))


@unchecked
def overview_figure(key: str, strips: Sequence[Strip]) -> Figure | None:
    """Return a small panel for each study and data set with a finished run; None without any."""
    panels = tuple(
        _strip_panel(f"{key}/{at}/{dataset}", strip, f"{strip.title}, {dataset_name(dataset)}", own)
        for at, strip in enumerate(strips)
        for dataset, own in by_dataset([group for group in strip.groups if group.has_result])
    )
    published = any(strip.beside for strip in strips)
    return Figure(key, *titled("overview", published=published), panels, STRIP_COLUMNS) if panels else None


def _panel(
    name: str, title: str, reading: Reading, rows: list[Row], axis: Axis, looks: Looks, *, logarithmic: bool
) -> Panel:
    colour, shape = looks.colour(rows), looks.shape(rows)
    if len({row["label"] for row in rows}) == 1:
        colour, shape = colour.legend(None), shape.legend(None)
    places, within = list(dict.fromkeys(row["place"] for row in rows)), alt.Scale(domain=[-1, 1])
    base, height = rows_of(name).encode(color=colour), HEIGHT
    if axis.by_row:
        height = max(120, ROW * len(places))
        room = min(260, 7.5 * max(map(len, places)))  # in case the font is wider than the one measured with
        down = alt.Y("place:N", title=None, sort=places, axis=alt.Axis(labelLimit=260, minExtent=room, grid=True))
        base = base.encode(y=down, yOffset=alt.YOffset("at:Q", scale=within))
        far, from_far = (
            alt.X(f"{field}:Q", title=ERRORS[reading], scale=_around(rows, 1.0), axis=alt.Axis(tickCount=5))
            for field in ("error", "low")
        )
        points, bars = base.encode(x=far), base.encode(x=from_far, x2=alt.X2("high:Q"))
    else:
        across = alt.X("place:N", title=axis.title, sort=places).axis(labelAngle=0, grid=False)
        base = base.encode(x=across, xOffset=alt.XOffset("at:Q", scale=within))
        up, from_up = (_error_axis(field, reading, rows, logarithmic) for field in ("error", "low"))
        points, bars = base.encode(y=up), base.encode(y=from_up, y2=alt.Y2("high:Q"))
    size = alt.SizeValue(100, condition={"test": f"datum.label == '{SEEDS}'", "value": 34})
    layers = [
        bars.transform_filter("isValid(datum.low)").mark_rule(strokeWidth=1.6),
        points.mark_point(filled=True, opacity=1).encode(shape=shape, size=size, tooltip=_TIPS),
    ]
    if any(row["label"] == SEEDS for row in rows):  # hollow, where others are means
        single = points.transform_filter(f"datum.n === 1 && datum.label !== '{SEEDS}'")
        hollow = single.mark_point(filled=True, opacity=1, size=30).encode(shape=shape, color=alt.value("white"))
        layers.append(hollow)
    return panel(title, layers, {name: rows}, height)


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


def _error_axis(field: str, reading: Reading, rows: Sequence[Row], logarithmic: bool) -> alt.Y:
    if logarithmic:
        return log_y(field, ERRORS[reading], error_ends(rows), room=1.03)
    return alt.Y(f"{field}:Q", title=ERRORS[reading], scale=_around(rows, 0.2 if reading == "train" else 1.0))


def _around(rows: Sequence[Row], least: float) -> alt.Scale:
    """Return a scale around all marks and bars, at least `least` points long."""
    low, high = error_ends(rows)
    margin = max(0.06 * (high - low), (least - (high - low)) / 2)
    return alt.Scale(domain=[max(0, low - margin), high + margin], nice=True, zero=False)


def _looks(series: Sequence[str], sources: Sequence[str]) -> Looks:
    """Return the looks of everything drawn: the series, the seeds as grey circles, and published figures."""
    orange, blue, *rest, grey = OKABE_ITO
    first, last = len(series), len(series) + len(sources)
    colours, shapes = (list(islice(cycle(one), last)) for one in ([blue, orange, *rest, *rest], SHAPES))
    return Looks(
        [*series, SEEDS, *sources],
        [*colours[:first], grey, *colours[first:]],
        [*shapes[:first], "circle", *shapes[first:]],
    )


def _strip_axis(places: Sequence[str]) -> alt.Axis:
    """Return the axis of a small panel: labels that are too long for it have a line for each word, or are left out."""
    style = alt.Axis(labelAngle=0, labelFontSize=10.5, grid=False, labelOverlap="greedy", labelSeparation=5)
    if len(places) == 1 or sum(map(len, places)) <= STRIP_LETTERS:
        return style
    style.labelExpr, style.labelOverlap = "split(datum.label, ' ')", False
    words = sum(max(map(len, place.split(" "))) for place in places)
    style.labels = len(places) <= STRIP_PLACES and words <= STRIP_LETTERS
    return style


def _strip_panel(name: str, strip: Strip, title: str, groups: Sequence[Group]) -> Panel:
    rows = strip_rows(groups, strip.axis.place, strip.axis.series, strip.beside)
    places = list(dict.fromkeys(row["place"] for row in rows))
    series = list(dict.fromkeys(map(strip.axis.series, strip.groups)))
    values = [row[name] for row in rows for name in ("error", "low", "high", "theirs") if name in row]
    margin = max(0.08 * (max(values) - min(values)), 0.2)
    scale = alt.Scale(domain=[max(0, min(values) - margin), max(values) + margin], nice=True, zero=False)
    y, low, theirs = (
        alt.Y(f"{field}:Q", title=None, scale=scale, axis=alt.Axis(tickCount=4, labelFontSize=10, grid=True))
        for field in ("error", "low", "theirs")
    )
    x = alt.X("place:N", title=None, sort=places, axis=_strip_axis(places))
    key = alt.Legend(orient="top", columns=1, labelFontSize=10.5, symbolSize=45) if len(series) > 1 else None
    colours = alt.Scale(domain=series, range=[OKABE_ITO[at] for at in (1, 0, 2, 3, 4, 5, 6)][: len(series)])
    base = rows_of(name).encode(x=x)
    ours = base.transform_filter("isValid(datum.error)").encode(color=alt.Color("series:N", scale=colours, legend=key))
    bars = ours.transform_filter("isValid(datum.low)").mark_rule(strokeWidth=1.4)
    published = base.transform_filter("isValid(datum.theirs)").mark_point(
        shape="diamond", size=45, color="#9a9a9a", opacity=0.8, filled=True
    )
    layers = [
        published.encode(y=theirs, tooltip=tips({"source": "source:N", "published, %": "theirs:Q"})),
        *([ours.mark_line(strokeWidth=1.3, opacity=0.6).encode(y=y)] if strip.axis.title else []),
        bars.encode(y=low, y2=alt.Y2("high:Q")),
        ours.mark_point(filled=True, size=42, opacity=1).encode(
            y=y, tooltip=tips({"at": "place:N", "test error, %": "error:Q|.2f", "seeds": "n:Q"})
        ),
    ]
    return panel(title, layers, {name: rows}, STRIP_HEIGHT)
