"""What `reslab diagnose` measured by layer and around the weights, as charts: responses, gradients, loss surface."""

from collections.abc import Sequence
from typing import Any

import altair as alt
import polars as pl

from reslab.analysis.curves import short
from reslab.analysis.diagnoses import moment_order
from reslab.analysis.groups import Group, by_dataset
from reslab.analysis.measured import first_surface, moments_of, seeds_measured
from reslab.exhibits.blocks import Figure, Panel, Row
from reslab.exhibits.captions import titled
from reslab.exhibits.style import VIRIDIS, Looks, log_y, marked_line, panel, rows_of, tips, unchecked
from reslab.exhibits.wording import Label, dataset_name, listing

MOST_SURFACES = 4
MOST_MOMENTS = 4
"""Panels of a data set at most."""

_Panels = dict[str, list[Row]]
"""The rows of the panels of one data set, by what their titles say beside it."""


@unchecked
def responses_figure(key: str, groups: Sequence[Group], label: Label, *, ordered: bool = False) -> Figure | None:
    """Return the counterpart of the paper's figure 7, layer by layer; None where no responses were measured."""
    having = [group for group in groups if "final" in group.diagnoses.moments("responses")]
    if not having:
        return None
    drawn = {dataset: {"": _layer_rows(own, label, "responses", "final")} for dataset, own in by_dataset(having)}
    panels, zeros = _layer_panels(key, drawn, "Standard deviation", Looks.of(map(label, having), ordered=ordered))
    seeds = seeds_measured(having, "responses", ["final"])
    return Figure(key, *titled("responses", seeds=seeds, zeros=zeros), panels)


@unchecked
def gradients_figure(key: str, groups: Sequence[Group], label: Label, *, ordered: bool = False) -> Figure | None:
    """Return the gradient norm of each layer at the moments measured; None where no gradients were measured.

    There are `MOST_MOMENTS` panels a data set at most, on one axis: the first and last moments, others spread between.
    """
    having = [group for group in groups if group.diagnoses.moments("gradients")]
    if not having:
        return None
    measured = {dataset: moments_of(own, "gradients") for dataset, own in by_dataset(having)}
    shown = {dataset: _spread(moments, MOST_MOMENTS) for dataset, moments in measured.items()}
    drawn = {
        dataset: {moment: _layer_rows(own, label, "gradients", moment) for moment in shown[dataset]}
        for dataset, own in by_dataset(having)
    }
    panels, zeros = _layer_panels(key, drawn, "Gradient norm", Looks.of(map(label, having), ordered=ordered))
    said = {moment for moments in shown.values() for moment in moments}
    when = moment_words(sorted(said, key=moment_order))
    seeds, thinned = seeds_measured(having, "gradients"), shown != measured
    return Figure(key, *titled("gradients", when=when, seeds=seeds, thinned=thinned, zeros=zeros), panels)


@unchecked
def surface_figure(key: str, groups: Sequence[Group], label: Label) -> Figure | None:
    """Return the loss around the weights of one run of each group, four at most; None where none was measured."""
    have = [group for group in groups if group.diagnoses.points.height][:MOST_SURFACES]
    drawn = [(group, first_surface(group)) for group in have]
    every = [value for _, points in drawn for value in points["loss"].drop_nulls().to_list() if value > 0]
    if not every:
        return None
    scale = alt.Scale(type="log", domain=[min(every), max(every)], range=list(VIRIDIS), clamp=True)
    panels = tuple(
        _surface_panel(f"{key}/{place}", label(group), points, scale) for place, (group, points) in enumerate(drawn)
    )
    return Figure(key, *titled("surface"), panels)


def moment_words(moments: Sequence[str]) -> str:
    """Return some moments in words: before training, after epochs 1 and 81, and at the end."""
    epochs = [moment.removeprefix("epoch ") for moment in moments if moment.startswith("epoch ")]
    parts = ["before training"] if "initial" in moments else []
    parts += [f"after epoch{'s' if len(epochs) > 1 else ''} {listing(epochs)}"] if epochs else []
    parts += ["at the end"] if "final" in moments else []
    return listing(parts) if len(epochs) < 2 or len(parts) < 2 else ", ".join([*parts[:-1], f"and {parts[-1]}"])


def _layer_rows(groups: Sequence[Group], label: Label, diagnostic: str, moment: str) -> list[Row]:
    rows: list[Row] = []
    for group in groups:
        pairs = group.diagnoses.by_layer(diagnostic, moment).select("layer", "value").rows()
        marked = set(range(len(pairs) - 1, -1, -max(1, len(pairs) // 8)))
        rows += [
            {"label": label(group), "layer": layer, "value": short(value)} | ({"marked": 1} if at in marked else {})
            for at, (layer, value) in enumerate(pairs)
        ]
    return rows


def _layer_panels(key: str, drawn: dict[str, _Panels], unit: str, looks: Looks) -> tuple[tuple[Panel, ...], bool]:
    """Return the panels of a figure, with one axis for those of a data set, and whether values of zero have no place.

    All have one kind of axis: logarithmic where the values on any data set are spread out.
    """
    known = {dataset: [row["value"] for rows in panels.values() for row in rows] for dataset, panels in drawn.items()}
    above = {dataset: [value for value in values if value > 0] for dataset, values in known.items()}
    logarithmic = any(max(values) > 8 * min(values) for values in above.values() if values)
    found = []
    for dataset, panels in drawn.items():
        values = above[dataset] or [1.0]
        labels = [name for name in looks.labels if any(row["label"] == name for own in panels.values() for row in own)]
        linear = alt.Y("value:Q", title=unit, scale=alt.Scale(domain=[0, max(values)], nice=True))
        y = log_y("value", unit, values) if logarithmic else linear
        for moment, rows in panels.items():
            name = "/".join([key, dataset, *([moment.replace(" ", "-")] if moment else [])])
            title = ", ".join([dataset_name(dataset), *([moment_words([moment])] if moment else [])])
            shown = [row for row in rows if row["value"] > 0 or not logarithmic]
            x = alt.X("layer:Q", title="Layer", axis=alt.Axis(grid=False, format="d"))
            base = rows_of(name).encode(x=x, y=y, color=looks.colour(labels))
            shown_tips = {"runs": "label:N", "layer": "layer:Q", "value": "value:Q|.3~g"}
            layers = marked_line(base, looks.shape(labels), shown_tips, "datum.marked")
            found.append(panel(title, layers, {name: shown}))
    return tuple(found), logarithmic and any(value <= 0 for values in known.values() for value in values)


def _surface_panel(name: str, title: str, points: pl.DataFrame, scale: alt.Scale) -> Panel:
    steps = sorted(set(points["first"].to_list()))
    half = (steps[1] - steps[0]) / 2
    over = 1.03 * half  # so that no hairlines show between the rectangles
    rows: list[Row] = [
        {
            "x": round(second - half, 4),
            "x2": round(second + over, 4),
            "y": round(first - half, 4),
            "y2": round(first + over, 4),
            "loss": short(loss),
            "error": round(error, 2),
        }
        for first, second, loss, error in points.select("first", "second", "loss", "error").rows()
        if loss is not None
    ]
    along: dict[str, Any] = {
        "axis": alt.Axis(tickCount=5, grid=False),
        "scale": alt.Scale(nice=False, zero=False),
    }
    cells = rows_of(name).mark_rect()
    cells = cells.encode(
        x=alt.X("x:Q", title="Step along the first direction", **along),
        x2="x2:Q",
        y=alt.Y("y:Q", title="Along the second", **along),
        y2="y2:Q",
        color=alt.Color("loss:Q", scale=scale, legend=alt.Legend(orient="right", title="loss", format=".3~g")),
        tooltip=tips({"loss": "loss:Q|.3~g", "error, %": "error:Q"}),
    )
    return panel(title, [cells], {name: rows})


def _spread(moments: list[str], most: int) -> list[str]:
    """Return so many at most, the first and the last among them, the others spread evenly between."""
    if len(moments) <= most:
        return moments
    return [moments[round(place * (len(moments) - 1) / (most - 1))] for place in range(most)]
