"""Small multiples: the last-epoch error of each study against what it varied, on one sheet."""

from collections.abc import Sequence
from dataclasses import dataclass

import altair as alt

from reslab.analysis.groups import Group, by_dataset
from reslab.analysis.places import Mark, strip_rows
from reslab.exhibits.blocks import Figure, Panel
from reslab.exhibits.captions import titled
from reslab.exhibits.factor_figures import Axis
from reslab.exhibits.style import OKABE_ITO, panel, rows_of, tips, unchecked
from reslab.exhibits.wording import dataset_name

HEIGHT = 46
COLUMNS = 6
MOST_PLACES = 8
"""Labels that a small panel has room for."""


@dataclass(frozen=True, slots=True)
class Strip:
    """One study: what its groups vary in a word or two, where each stands along it, and published figures there."""

    title: str
    groups: Sequence[Group]
    axis: Axis
    beside: Sequence[Mark] = ()


@unchecked
def overview_figure(key: str, strips: Sequence[Strip]) -> Figure | None:
    """Return a small panel for each study and data set with a finished run; None where there is none."""
    panels = tuple(
        _strip_panel(f"{key}/{at}/{dataset}", strip, f"{strip.title}, {dataset_name(dataset)}", own)
        for at, strip in enumerate(strips)
        for dataset, own in by_dataset([group for group in strip.groups if group.has_result])
    )
    published = any(strip.beside for strip in strips)
    return Figure(key, *titled("overview", published=published), panels, COLUMNS) if panels else None


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
    labelled = len(places) == 1 or (len(places) <= MOST_PLACES and sum(map(len, places)) <= 30)
    x = alt.X("place:N", title=None, sort=places).axis(
        labelAngle=0, labelFontSize=10.5, grid=False, labelOverlap="greedy", labelSeparation=5, labels=labelled
    )
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
        ours.mark_line(strokeWidth=1.3, opacity=0.6).encode(y=y),
        bars.encode(y=low, y2=alt.Y2("high:Q")),
        ours.mark_point(filled=True, size=42, opacity=1).encode(
            y=y, tooltip=tips({"at": "place:N", "test error, %": "error:Q|.2f", "seeds": "n:Q"})
        ),
    ]
    return panel(title, layers, {name: rows}, HEIGHT)
