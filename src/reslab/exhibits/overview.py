"""Small multiples: the last-epoch error of each study against what it varied, on one sheet."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import altair as alt

from reslab.analysis.groups import Group, datasets_of, on_dataset
from reslab.exhibits.blocks import Figure, Panel, Row
from reslab.exhibits.factor_figures import Mark, mean_row
from reslab.exhibits.style import OKABE_ITO, panel, unchecked
from reslab.exhibits.wording import dataset_name, listing

HEIGHT = 46
COLUMNS = 6
MOST_PLACES = 8
"""Labels that a small panel has room for."""


@dataclass(frozen=True, slots=True)
class Strip:
    """One study: what its groups vary in a word or two, where each stands along it, and published figures there."""

    title: str
    groups: Sequence[Group]
    place: Callable[[Group], str]
    series: Callable[[Group], str]
    beside: Sequence[Mark] = ()


@unchecked
def overview_figure(key: str, strips: Sequence[Strip]) -> Figure | None:
    """Return a small panel for each study and data set with a finished run; None where there is none."""
    panels = [
        _strip_panel(f"{key}/{at}/{dataset}", strip, dataset)
        for at, strip in enumerate(strips)
        for dataset in datasets_of([group for group in strip.groups if group.has_result])
    ]
    if not panels:
        return None
    known = list(dict.fromkeys(mark.source for strip in strips for mark in strip.beside))
    theirs = f"  Grey marks are published errors ({listing(known)})." if known else ""
    caption = (
        "Test error of the last epoch (%) against what each study varied, means over the seeds with one standard "
        f"deviation where there are several.{theirs}  Each panel has its own scale."
    )
    return Figure(key, "All studies at a glance", caption, tuple(panels), COLUMNS)


def _strip_panel(name: str, strip: Strip, dataset: str) -> Panel:
    groups = [group for group in on_dataset(strip.groups, dataset) if group.has_result]
    places = list(dict.fromkeys(map(strip.place, groups)))
    series = list(dict.fromkeys(strip.series(group) for group in strip.groups))
    marks = [mark for mark in strip.beside if (mark.dataset, mark.place) in {(dataset, place) for place in places}]
    rows: list[Row] = [
        {"place": strip.place(group), "series": strip.series(group), **mean_row(group, "test_error")}
        for group in groups
    ]
    rows += [{"place": mark.place, "theirs": mark.error, "source": mark.source} for mark in marks]
    values = [row[name] for row in rows for name in ("error", "low", "high", "theirs") if name in row]
    margin = max(0.08 * (max(values) - min(values)), 0.2)
    scale = alt.Scale(domain=[max(0, min(values) - margin), max(values) + margin], nice=True, zero=False)
    axis = alt.Axis(tickCount=4, labelFontSize=10, grid=True)
    hidden = len(places) > MOST_PLACES or sum(map(len, places)) > 30
    x = alt.X("place:N", title=None, sort=places).axis(
        labelAngle=0,
        labelFontSize=10.5,
        grid=False,
        labelOverlap="greedy",
        labelSeparation=5,
        labels=not hidden or len(places) == 1,
    )
    base = alt.Chart(alt.NamedData(name=name)).encode(x=x)
    theirs = base.transform_filter("isValid(datum.theirs)").mark_point(
        shape="diamond", size=45, color="#9a9a9a", opacity=0.8, filled=True
    )
    looks = alt.Scale(domain=series, range=[OKABE_ITO[at] for at in (1, 0, 2, 3, 4, 5, 6)][: len(series)])
    key = alt.Legend(orient="top", columns=1, labelFontSize=10.5, symbolSize=45) if len(series) > 1 else None
    ours = base.transform_filter("isValid(datum.error)").encode(color=alt.Color("series:N", scale=looks, legend=key))
    y = alt.Y("error:Q", title=None, scale=scale, axis=axis)
    tips = [alt.Tooltip("place:N", title="at"), alt.Tooltip("error:Q", title="test error, %", format=".2f"), "n:Q"]
    layers = [
        theirs.encode(
            y=alt.Y("theirs:Q", title=None, scale=scale, axis=axis),
            tooltip=["source:N", alt.Tooltip("theirs:Q", title="published, %")],
        ),
        ours.mark_line(strokeWidth=1.3, opacity=0.6).encode(y=y),
        ours.transform_filter("isValid(datum.low)")
        .mark_rule(strokeWidth=1.4)
        .encode(y=alt.Y("low:Q", title=None, scale=scale, axis=axis), y2=alt.Y2("high:Q")),
        ours.mark_point(filled=True, size=42, opacity=1).encode(y=y, tooltip=tips),
    ]
    return panel(f"{strip.title}, {dataset_name(dataset)}", layers, {name: rows}, HEIGHT)
