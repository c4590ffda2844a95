"""What `reslab diagnose` measured by layer and around the weights, as charts: responses, gradients, loss surface."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt
import polars as pl

from reslab.analysis.diagnoses import moment_order
from reslab.analysis.groups import Group, datasets_of, on_dataset
from reslab.exhibits.blocks import Figure, Panel, Row
from reslab.exhibits.style import VIRIDIS, colour_of, log_y, panel, shape_of, unchecked
from reslab.exhibits.wording import Label, dataset_name, listing, seeds_behind

MOST_SURFACES = 4
MOST_MOMENTS = 4
"""Panels of a data set at most."""


@dataclass(frozen=True, slots=True)
class Looks:
    """The labels of a whole figure, and whether they are of ordered settings."""

    every: list[str]
    ordered: bool


_FIVE = alt.Axis(tickCount=5, grid=False)


@unchecked
def responses_figure(key: str, groups: Sequence[Group], label: Label, *, ordered: bool = False) -> Figure | None:
    """Return the counterpart of the paper's figure 7, layer by layer; None where no responses were measured."""
    having = _having(groups, "responses", "final")
    if not having:
        return None
    looks = Looks(_labels(having, label), ordered)
    drawn = [_layer_rows(own, label, "responses", "final") for _, own in having]
    axis = _axis_for("Standard deviation", [[rows] for rows in drawn])
    panels = [
        _layer_panel(f"{key}/{dataset}", dataset_name(dataset), [*map(label, own)], looks, *axis([rows]))
        for (dataset, own), rows in zip(having, drawn, strict=True)
    ]
    caption = (
        "Standard deviation of the responses of each 3x3 layer of the trained networks, after batch norm and before "
        f"addition or ReLU, on training images ({_behind(groups, 'responses', 'final')}); the form of the paper's "
        "figure 7.  In a residual network it says how much a layer changes what passes through it."
    )
    return Figure(key, "Layer responses", caption, tuple(panels))


@unchecked
def gradients_figure(key: str, groups: Sequence[Group], label: Label, *, ordered: bool = False) -> Figure | None:
    """Return the gradient norm of each layer at the moments measured; None where no gradients were measured.

    There are `MOST_MOMENTS` panels a data set at most, on one axis: the first and last moments, others spread between.
    """
    having = _having(groups, "gradients")
    if not having:
        return None
    looks = Looks(_labels(having, label), ordered)
    shown = {dataset: _spread(moments_of(own, "gradients"), MOST_MOMENTS) for dataset, own in having}
    left_out = any(len(shown[dataset]) < len(moments_of(own, "gradients")) for dataset, own in having)
    said = list(dict.fromkeys(moment for moments in shown.values() for moment in moments))
    drawn = {
        dataset: [_layer_rows(own, label, "gradients", moment) for moment in shown[dataset]] for dataset, own in having
    }
    axis = _axis_for("Gradient norm", list(drawn.values()))
    panels: list[Panel] = []
    for dataset, own in having:
        y, *of_moments = axis(drawn[dataset])
        panels += [
            _layer_panel(
                f"{key}/{dataset}/{moment.replace(' ', '-')}",
                f"{dataset_name(dataset)}, {moment_words([moment])}",
                [*map(label, own)],
                looks,
                y,
                rows,
            )
            for moment, rows in zip(shown[dataset], of_moments, strict=True)
        ]
    when = moment_words(sorted(said, key=moment_order))
    thinned = "  Not every epoch that was measured is drawn." if left_out else ""
    caption = (
        f"Norm of the gradient of the loss by each layer's weights, from the first layer to the last, {when} "
        f"({_behind(groups, 'gradients')}); one axis for the panels of a data set.{thinned}  Gradients that vanish "
        "on their way back would fall by orders of magnitude towards the first layer."
    )
    return Figure(key, "Gradient norms by layer", caption, tuple(panels))


@unchecked
def surface_figure(key: str, groups: Sequence[Group], label: Label) -> Figure | None:
    """Return the loss around the weights of one run of each group, four at most; None where none was measured."""
    have = [group for group in groups if group.diagnoses.points.height][:MOST_SURFACES]
    if not have:
        return None
    drawn = [(group, _one_surface(group)) for group in have]
    every = [value for _, points in drawn for value in points["loss"].drop_nulls().to_list() if value > 0]
    if not every:
        return None
    scale = alt.Scale(type="log", domain=[min(every), max(every)], range=list(VIRIDIS), clamp=True)
    panels = tuple(
        _surface_panel(f"{key}/{place}", label(group), points, scale) for place, (group, points) in enumerate(drawn)
    )
    caption = (
        "Loss (mean nats, logarithmic colours, one scale for all panels) on a plane around the trained weights of one "
        "run each, along two random directions whose filters are as long as the network's own; the middle is the "
        "trained network (the method of Li et al. 2018).  Blank where the loss is not finite.  Two directions of very "
        "many: a comparison of networks measured alike, not a map."
    )
    return Figure(key, "Loss surfaces", caption, panels)


def moments_of(groups: Sequence[Group], diagnostic: str) -> list[str]:
    """Return the moments at which any of the groups' runs was measured, the earliest first."""
    return sorted({moment for group in groups for moment in group.diagnoses.moments(diagnostic)}, key=moment_order)


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
        found = group.diagnoses.by_layer(diagnostic, moment)
        pairs = found.select("layer", "value").rows()
        marked = set(range(len(pairs) - 1, -1, -max(1, len(pairs) // 8)))
        rows += [
            {"label": label(group), "layer": layer, "value": float(f"{value:.4g}")}
            | ({"marked": 1} if place in marked else {})
            for place, (layer, value) in enumerate(pairs)
        ]
    return rows


def _axis_for(unit: str, figure: list[list[list[Row]]]) -> Callable[[list[list[Row]]], tuple[Any, ...]]:
    """Return what gives the panels of a data set their axis, and the rows that it has room for.

    All panels of the `figure`, given by data set, have one kind of axis: logarithmic where those of any are spread out.
    """
    known = [[value for rows in panels for value in _positive(rows)] for panels in figure]
    logarithmic = any(max(values) > 8 * min(values) for values in known if values)

    def axis(panels: list[list[Row]]) -> tuple[Any, ...]:
        values = [value for rows in panels for value in _positive(rows)] or [1.0]
        if logarithmic:
            return log_y("value", unit, values), *([row for row in rows if row["value"] > 0] for rows in panels)
        return alt.Y("value:Q", title=unit, scale=alt.Scale(domain=[0, max(values)], nice=True)), *panels

    return axis


def _positive(rows: list[Row]) -> list[float]:
    return [row["value"] for row in rows if row["value"] > 0]


def _layer_panel(name: str, title: str, labels: list[str], looks: Looks, y: alt.Y, rows: list[Row]) -> Panel:
    base = alt.Chart(alt.NamedData(name=name)).encode(
        x=alt.X("layer:Q", title="Layer", axis=alt.Axis(grid=False, format="d")),
        y=y,
        color=colour_of(labels, looks.every, ordered=looks.ordered),
    )
    tooltip = [alt.Tooltip("label:N", title="runs"), "layer:Q", alt.Tooltip("value:Q", format=".3~g")]
    chart = alt.layer(
        base.mark_line(strokeWidth=1.4),
        base.transform_filter("datum.marked")
        .mark_point(filled=True, size=45, opacity=1)
        .encode(shape=shape_of(labels, looks.every), tooltip=tooltip),
    )
    return panel(title, chart, {name: rows})


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
            "loss": float(f"{loss:.4g}"),
            "error": round(error, 2),
        }
        for first, second, loss, error in points.select("first", "second", "loss", "error").rows()
        if loss is not None
    ]
    chart = (
        alt.Chart(alt.NamedData(name=name))
        .mark_rect()
        .encode(
            x=alt.X("x:Q", title="Step along the first direction", axis=_FIVE, scale=alt.Scale(nice=False, zero=False)),
            x2="x2:Q",
            y=alt.Y("y:Q", title="Along the second", axis=_FIVE, scale=alt.Scale(nice=False, zero=False)),
            y2="y2:Q",
            color=alt.Color("loss:Q", scale=scale, legend=alt.Legend(orient="right", title="loss", format=".3~g")),
            tooltip=[alt.Tooltip("loss:Q", format=".3~g"), alt.Tooltip("error:Q", title="error, %")],
        )
    )
    return panel(title, chart, {name: rows})


def _one_surface(group: Group) -> pl.DataFrame:
    """Return the points of the first run that has a surface: two surfaces cannot be averaged."""
    points = group.diagnoses.points
    return points.filter(pl.col("run_id") == min(points["run_id"].to_list()))


def _spread(moments: list[str], most: int) -> list[str]:
    """Return so many at most, the first and the last among them, the others spread evenly between."""
    if len(moments) <= most:
        return moments
    return [moments[round(place * (len(moments) - 1) / (most - 1))] for place in range(most)]


def _having(groups: Sequence[Group], diagnostic: str, moment: str | None = None) -> list[tuple[str, list[Group]]]:
    """Return by data set the groups on which a diagnostic by layer was measured, at that moment or (None) at any."""
    have = [
        group
        for group in groups
        if (moments := group.diagnoses.moments(diagnostic)) and (moment is None or moment in moments)
    ]
    return [(dataset, on_dataset(have, dataset)) for dataset in datasets_of(have)]


def _labels(having: Sequence[tuple[str, list[Group]]], label: Label) -> list[str]:
    """Return the labels of all panels together, so that a network looks the same in each."""
    return list(dict.fromkeys(label(group) for _, own in having for group in own))


def _behind(groups: Sequence[Group], diagnostic: str, moment: str | None = None) -> str:
    """Return how many seeds stand behind each mean, at that moment or (None) at any."""
    counts = [
        max(group.diagnoses.by_layer(diagnostic, one)["n"].to_list(), default=0)
        for group in groups
        for one in group.diagnoses.moments(diagnostic)
        if moment in (None, one)
    ]
    return f"{seeds_behind(counts)} each"
