"""Charts of what `reslab diagnose` measured by layer, around the weights and during the training."""

from collections.abc import Sequence
from typing import Any

import altair as alt

from reslab.analysis.curves import stretch, telling
from reslab.analysis.diagnoses import moment_order
from reslab.analysis.groups import Group, Row, by_dataset
from reslab.analysis.layers import layer_rows, moments_of, rows_by_moment, seeds_measured
from reslab.analysis.measured import along, along_rows, has_effective_rates, rate_rows
from reslab.analysis.surfaces import first_surface, surface_rows
from reslab.exhibits.blocks import Figure, Panel
from reslab.exhibits.captions import titled
from reslab.exhibits.style import VIRIDIS, Looks, epoch_axis, log_y, panel, rows_of, tips, unchecked
from reslab.exhibits.wording import Label, dataset_name, listing

MOST_SURFACES = 4
MOST_MOMENTS = 4
"""Most panels of a data set."""


@unchecked
def responses_figure(key: str, groups: Sequence[Group], label: Label, *, ordered: bool = False) -> Figure | None:
    """Return the counterpart of the paper's figure 7, layer by layer; None where no responses were measured."""
    having = [group for group in groups if "final" in group.diagnoses.moments("responses")]
    drawn = {dataset: {"": layer_rows(own, label, "responses", "final")} for dataset, own in by_dataset(having)}
    panels, zeros = _layer_panels(key, drawn, "Standard deviation", Looks.of(map(label, having), ordered=ordered))
    seeds = seeds_measured(having, "responses", ["final"])
    return Figure(key, *titled("responses", seeds=seeds, zeros=zeros), panels) if panels else None


@unchecked
def gradients_figure(key: str, groups: Sequence[Group], label: Label, *, ordered: bool = False) -> Figure | None:
    """Return the gradient norm of each layer at the moments measured; None where no gradients were measured.

    Each data set has at most `MOST_MOMENTS` panels, on one axis: the first and last moments, and others between.
    """
    having = [group for group in groups if group.diagnoses.moments("gradients")]
    if not having:
        return None
    drawn = rows_by_moment(having, label, "gradients", MOST_MOMENTS)
    panels, zeros = _layer_panels(key, drawn, "Gradient norm", Looks.of(map(label, having), ordered=ordered))
    said = {moment for by_moment in drawn.values() for moment in by_moment}
    words = titled(
        "gradients",
        when=moment_words(sorted(said, key=moment_order)),
        seeds=seeds_measured(having, "gradients"),
        thinned=any(len(moments_of(own, "gradients")) > MOST_MOMENTS for _, own in by_dataset(having)),
        zeros=zeros,
    )
    return Figure(key, *words, panels)


@unchecked
def surface_figure(key: str, groups: Sequence[Group], label: Label) -> Figure | None:
    """Return the loss around the weights of one run of each group, four at most; None where none was measured."""
    have = [group for group in groups if group.diagnoses.points.height][:MOST_SURFACES]
    drawn = [(label(group), first_surface(group)) for group in have]
    every = [value for _, points in drawn for value in points["loss"].drop_nulls().to_list() if value > 0]
    if not every:
        return None
    scale = alt.Scale(type="log", domain=[min(every), max(every)], range=list(VIRIDIS), clamp=True)
    panels = tuple(
        _surface_panel(f"{key}/{place}", title, surface_rows(points), scale)
        for place, (title, points) in enumerate(drawn)
    )
    return Figure(key, *titled("surface"), panels)


@unchecked
def effective_rate_figure(key: str, groups: Sequence[Group], label: Label, *, ordered: bool = False) -> Figure | None:
    """Return effective rates against the epoch, means over the seeds; None for fewer than two groups with them."""
    recorded = [group for group in groups if group.has_result and has_effective_rates(group)]
    if len(recorded) < 2:
        return None
    drawn = telling(recorded, label)
    looks, panels = Looks.of(map(label, drawn), ordered=ordered), []
    for dataset, own in by_dataset(drawn):
        rows, name = rate_rows(own, label, stretch(drawn)), f"{key}/{dataset}"
        line = rows_of(name).mark_line(strokeWidth=1.6)
        line = line.encode(
            x=epoch_axis(rows),
            y=log_y("value", "Effective rate", [row["value"] for row in rows]),
            color=looks.colour(rows),
            tooltip=tips({"runs": "label:N", "epoch": "epoch:Q", "value": "value:Q|.3~g"}),
        )
        panels.append(panel(dataset_name(dataset), [line], {name: rows}))
    return Figure(key, *titled("effective"), tuple(panels))


@unchecked
def sharpness_figure(key: str, groups: Sequence[Group], label: Label, *, ordered: bool = False) -> Figure | None:
    """Return the largest eigenvalue at the epochs measured beside the stability limit at the rate then in force.

    None where it was measured only at the end.
    """
    panels = _along(key, groups, label, ("curvature", "largest", "stability_limit"), "Largest eigenvalue", ordered)
    negative = any(row.get("value", 1) <= 0 for panel in panels for rows in panel.datasets.values() for row in rows)
    return Figure(key, *titled("sharpness", negative=negative), panels) if panels else None


@unchecked
def noise_figure(key: str, groups: Sequence[Group], label: Label, *, ordered: bool = False) -> Figure | None:
    """Return the gradient noise scale at the epochs measured beside the batch size; None where only at the end."""
    panels = _along(key, groups, label, ("noise-scale", "noise_scale", "batch_size"), "Noise scale (images)", ordered)
    return Figure(key, *titled("noise-along"), panels) if panels else None


def moment_words(moments: Sequence[str]) -> str:
    """Return some moments in words: before training, after epochs 1 and 81, and at the end."""
    epochs = [moment.removeprefix("epoch ") for moment in moments if moment.startswith("epoch ")]
    parts = ["before training"] if "initial" in moments else []
    parts += [f"after epoch{'s' if len(epochs) > 1 else ''} {listing(epochs)}"] if epochs else []
    parts += ["at the end"] if "final" in moments else []
    return listing(parts) if len(epochs) < 2 or len(parts) < 2 else ", ".join([*parts[:-1], f"and {parts[-1]}"])


def _layer_panels(
    key: str, drawn: dict[str, dict[str, list[Row]]], unit: str, looks: Looks
) -> tuple[tuple[Panel, ...], bool]:
    """Return the panels for rows by data set and moment, and whether zeros are left out because axes are logarithmic.

    Panels of a data set share an axis.  Axes are logarithmic on all data sets where values on any vary widely.
    """
    rows_on = {dataset: [row for rows in moments.values() for row in rows] for dataset, moments in drawn.items()}
    above = {dataset: [row["value"] for row in rows if row["value"] > 0] for dataset, rows in rows_on.items()}
    logarithmic = any(max(values) > 8 * min(values) for values in above.values() if values)
    x = alt.X("layer:Q", title="Layer", axis=alt.Axis(grid=False, format="d"))
    panels = []
    for dataset, moments in drawn.items():
        values, every = above[dataset] or [1.0], rows_on[dataset]
        linear = alt.Y("value:Q", title=unit, scale=alt.Scale(domain=[0, max(values)], nice=True))
        y = log_y("value", unit, values) if logarithmic else linear
        for moment, rows in moments.items():
            shown = [row for row in rows if row["value"] > 0 or not logarithmic]
            name = "/".join(filter(None, [key, dataset, moment.replace(" ", "-")]))
            base = rows_of(name).encode(x=x, y=y, color=looks.colour(every))
            tipped = {"runs": "label:N", "layer": "layer:Q", "value": "value:Q|.3~g"}
            layers = _marked_line(base, looks.shape(every), tipped, "datum.marked")
            title = ", ".join(filter(None, [dataset_name(dataset), moment_words([moment])]))
            panels.append(panel(title, layers, {name: shown}))
    zeros = any(row["value"] <= 0 for rows in rows_on.values() for row in rows)
    return tuple(panels), logarithmic and zeros


def _along(
    key: str, groups: Sequence[Group], label: Label, what: tuple[str, str, str], unit: str, ordered: bool
) -> tuple[Panel, ...]:
    """Return a panel per data set of a diagnostic's quantity and limit, for groups measured at two moments or more."""
    diagnostic, quantity, _ = what
    shown = [group for group in groups if len(along(group, diagnostic, [quantity])) > 1]
    looks, panels = Looks.of(map(label, shown), ordered=ordered), []
    for dataset, own in by_dataset(shown):
        rows, name = along_rows(own, label, *what), f"{key}/{dataset}"
        values = [row[field] for row in rows for field in ("value", "limit") if row.get(field, 0) > 0]
        base = rows_of(name).encode(x=epoch_axis(rows), color=looks.colour(rows))
        measured = base.transform_filter("datum.value > 0").encode(y=log_y("value", unit, values, room=1.15))
        limits = base.transform_filter("datum.limit > 0").encode(y=log_y("limit", unit, values, room=1.15))
        dashed = limits.mark_line(strokeDash=[5, 4], strokeWidth=1.2, interpolate="step-before")
        tipped = {"runs": "label:N", "epoch": "epoch:Q", "value": "value:Q|.3~g", "limit": "limit:Q|.3~g"}
        layers = [dashed, *_marked_line(measured, looks.shape(rows), tipped)]
        panels.append(panel(dataset_name(dataset), layers, {name: rows}))
    return tuple(panels)


def _marked_line(base: alt.Chart, shape: alt.Shape, shown: dict[str, str], where: str = "true") -> list[alt.Chart]:
    """Return the layers of lines with marks `where` an expression holds, and the marks' tooltips."""
    marks = base.transform_filter(where).mark_point(filled=True, size=50, opacity=1)
    return [base.mark_line(strokeWidth=1.4), marks.encode(shape=shape, tooltip=tips(shown))]


def _surface_panel(name: str, title: str, rows: list[Row], scale: alt.Scale) -> Panel:
    sides: dict[str, Any] = {"axis": alt.Axis(tickCount=5, grid=False), "scale": alt.Scale(nice=False, zero=False)}
    cells = rows_of(name).mark_rect()
    cells = cells.encode(
        x=alt.X("x:Q", title="Step along the first direction", **sides),
        x2="x2:Q",
        y=alt.Y("y:Q", title="Along the second", **sides),
        y2="y2:Q",
        color=alt.Color("loss:Q", scale=scale, legend=alt.Legend(orient="right", title="loss", format=".3~g")),
        tooltip=tips({"loss": "loss:Q|.3~g", "error, %": "error:Q"}),
    )
    return panel(title, [cells], {name: rows})
