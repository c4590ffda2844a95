"""What the optimiser met along the training, as charts: effective rate, sharpness and noise scale at kept epochs."""

from collections.abc import Sequence

import altair as alt
import polars as pl

from reslab.analysis.groups import Group, datasets_of, on_dataset
from reslab.analysis.summary import mean_curve
from reslab.exhibits.blocks import Figure, Panel, Row
from reslab.exhibits.curve_rows import drawn_every, telling
from reslab.exhibits.style import colour_of, epoch_axis, log_y, panel, shape_of, unchecked
from reslab.exhibits.wording import Label, dataset_name


@unchecked
def effective_rate_figure(key: str, groups: Sequence[Group], label: Label, *, ordered: bool = False) -> Figure | None:
    """Return rate / (norm of the weights)² against the epoch, means over the seeds; None unless two have it."""
    recorded = [group for group in groups if group.has_result and _recorded_throughout(group)]
    if len(recorded) < 2:
        return None
    drawn = telling(recorded, label)
    curves, stride = [(group, effective_rates(group)) for group in drawn], drawn_every(drawn) if drawn else 1
    if not curves:
        return None
    labels = list(dict.fromkeys(label(group) for group, _ in curves))
    panels = []
    for dataset in datasets_of([group for group, _ in curves]):
        own = [(label(group), curve) for group, curve in curves if group.recipe.dataset == dataset]
        rows: list[Row] = [
            {"label": name, "epoch": epoch, "value": float(f"{value:.4g}")}
            for name, curve in own
            for epoch, value in curve.select("epoch", "mean").rows()
            if epoch % stride == 0 or epoch in (1, curve["epoch"].max())
        ]
        name = f"{key}/{dataset}"
        chart = (
            alt.Chart(alt.NamedData(name=name))
            .mark_line(strokeWidth=1.6)
            .encode(
                x=epoch_axis(max(row["epoch"] for row in rows)),
                y=log_y("value", "Rate / norm²", [row["value"] for row in rows]),
                color=colour_of([one for one, _ in own], labels, ordered=ordered),
                tooltip=[alt.Tooltip("label:N", title="runs"), "epoch:Q", alt.Tooltip("value:Q", format=".3~g")],
            )
        )
        panels.append(panel(dataset_name(dataset), chart, {name: rows}))
    caption = (
        "Effective rate: learning rate over the squared norm of all convolutions' weights, at the end of each epoch; "
        "logarithmic axis.  Batch norm makes a layer's output independent of the length of its weights, so that a step "
        "turns them by the less the longer they are: equal effective rates are equal speeds of learning."
    )
    return Figure(key, "Effective learning rate", caption, tuple(panels))


def effective_rates(group: Group) -> pl.DataFrame:
    """Return epoch and mean of rate / norm² over the runs that curves are drawn from, where both were recorded."""
    epochs = group.drawn_epochs.filter((pl.col("weight_norm") > 0) & (pl.col("rate") > 0))
    return mean_curve(epochs.with_columns(effective=pl.col("rate") / pl.col("weight_norm") ** 2), "effective")


def _recorded_throughout(group: Group) -> bool:
    """Say whether each epoch has a norm: runs begun by earlier versions have it of their last epochs at most."""
    return effective_rates(group).height == group.drawn_epochs["epoch"].n_unique()


@unchecked
def sharpness_figure(key: str, groups: Sequence[Group], label: Label, *, ordered: bool = False) -> Figure | None:
    """Return the largest eigenvalue at the epochs measured beside what the rate then in force allows.

    None where it was measured at the end alone.
    """
    caption = (
        "Largest eigenvalue of the Hessian of the training loss along the training (marks), and the curvature above "
        "which gradient descent at the rate then in force runs away (dashed; 2 (1 + momentum) / rate, less with "
        "Nesterov's momentum); logarithmic axis."
    )
    panels = _along(key, groups, label, ("curvature", "largest", "stability_limit"), "Largest eigenvalue", ordered)
    return Figure(key, "Curvature along the training", caption, panels) if panels else None


@unchecked
def noise_figure(key: str, groups: Sequence[Group], label: Label, *, ordered: bool = False) -> Figure | None:
    """Return the gradient noise scale at the epochs measured beside the batch size; None where of the end alone."""
    caption = (
        "Gradient noise scale along the training (marks), and the batch size (dashed), in images; logarithmic axis.  "
        "Where the gradient is lost in its noise the scale is not known, and no mark is drawn."
    )
    panels = _along(key, groups, label, ("noise-scale", "noise_scale", "batch_size"), "Noise scale (images)", ordered)
    return Figure(key, "Noise scale along the training", caption, panels) if panels else None


def _along(
    key: str, groups: Sequence[Group], label: Label, what: tuple[str, str, str], unit: str, ordered: bool
) -> tuple[Panel, ...]:
    """Return a panel a data set of a diagnostic's quantity and its limit; none where it was measured at one moment."""
    diagnostic, quantity, limit = what
    found = {id(group): group.diagnoses.along(diagnostic, (quantity, limit), last_epoch(group)) for group in groups}
    shown = [group for group in groups if sum(quantity in values for values in found[id(group)].values()) > 1]
    labels = list(dict.fromkeys(map(label, shown)))
    panels = []
    for dataset in datasets_of(shown):
        own = on_dataset(shown, dataset)
        rows: list[Row] = [
            {"label": label(group), "epoch": epoch}
            | {name: float(f"{values[of]:.4g}") for name, of in (("value", quantity), ("limit", limit)) if of in values}
            for group in own
            for epoch, values in found[id(group)].items()
        ]
        values = [row[name] for row in rows for name in ("value", "limit") if row.get(name, 0) > 0]
        name, here = f"{key}/{dataset}", list(dict.fromkeys(map(label, own)))
        base = alt.Chart(alt.NamedData(name=name)).encode(
            x=epoch_axis(max(row["epoch"] for row in rows)), color=colour_of(here, labels, ordered=ordered)
        )
        measured = base.transform_filter("datum.value > 0").encode(y=log_y("value", unit, values, room=1.15))
        limits = base.transform_filter("datum.limit > 0").encode(y=log_y("limit", unit, values, room=1.15))
        tooltip = [
            alt.Tooltip("label:N", title="runs"),
            "epoch:Q",
            alt.Tooltip("value:Q", format=".3~g"),
            alt.Tooltip("limit:Q", format=".3~g"),
        ]
        chart = alt.layer(
            limits.mark_line(strokeDash=[5, 4], strokeWidth=1.2, interpolate="step-before"),
            measured.mark_line(strokeWidth=1.4),
            measured.mark_point(filled=True, size=60, opacity=1).encode(shape=shape_of(here, labels), tooltip=tooltip),
        )
        panels.append(panel(dataset_name(dataset), chart, {name: rows}))
    return tuple(panels)


def last_epoch(group: Group) -> int:
    """Return the epochs of a group's finished runs."""
    return max((epoch for epoch in group.finished["epochs"].to_list() if epoch is not None), default=0)
