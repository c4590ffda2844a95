"""What the optimiser met along the training, as charts: effective rate, sharpness and noise scale at kept epochs."""

from collections.abc import Sequence

from reslab.analysis.curves import short, stretch, telling
from reslab.analysis.groups import Group, by_dataset
from reslab.analysis.measured import along, effective_rates, has_effective_rates
from reslab.analysis.thinning import thinned
from reslab.exhibits.blocks import Figure, Panel, Row
from reslab.exhibits.captions import titled
from reslab.exhibits.style import Looks, epoch_axis, log_y, marked_line, panel, rows_of, tips, unchecked
from reslab.exhibits.wording import Label, dataset_name


@unchecked
def effective_rate_figure(key: str, groups: Sequence[Group], label: Label, *, ordered: bool = False) -> Figure | None:
    """Return effective rates against the epoch, means over the seeds; None unless two have it."""
    recorded = [group for group in groups if group.has_result and has_effective_rates(group)]
    if len(recorded) < 2:
        return None
    drawn = telling(recorded, label)
    length, looks, panels = stretch(drawn), Looks.of(map(label, drawn), ordered=ordered), []
    for dataset, own in by_dataset(drawn):
        rows: list[Row] = []
        for group in own:
            epochs, means = effective_rates(group).select("epoch", "mean").get_columns()
            rows += [
                {"label": label(group), "epoch": epochs[at], "value": short(means[at])}
                for at in thinned(epochs.to_list(), [means.to_list()], length)
            ]
        name = f"{key}/{dataset}"
        line = rows_of(name).mark_line(strokeWidth=1.6)
        line = line.encode(
            x=epoch_axis(max(row["epoch"] for row in rows)),
            y=log_y("value", "Effective rate", [row["value"] for row in rows]),
            color=looks.colour([*map(label, own)]),
            tooltip=tips({"runs": "label:N", "epoch": "epoch:Q", "value": "value:Q|.3~g"}),
        )
        panels.append(panel(dataset_name(dataset), [line], {name: rows}))
    return Figure(key, *titled("effective"), tuple(panels))


@unchecked
def sharpness_figure(key: str, groups: Sequence[Group], label: Label, *, ordered: bool = False) -> Figure | None:
    """Return the largest eigenvalue at the epochs measured beside what the rate then in force allows.

    None where it was measured at the end alone.
    """
    panels = _along(key, groups, label, ("curvature", "largest", "stability_limit"), "Largest eigenvalue", ordered)
    negative = any(row.get("value", 1) <= 0 for panel in panels for rows in panel.datasets.values() for row in rows)
    return Figure(key, *titled("sharpness", negative=negative), panels) if panels else None


@unchecked
def noise_figure(key: str, groups: Sequence[Group], label: Label, *, ordered: bool = False) -> Figure | None:
    """Return the gradient noise scale at the epochs measured beside the batch size; None where of the end alone."""
    panels = _along(key, groups, label, ("noise-scale", "noise_scale", "batch_size"), "Noise scale (images)", ordered)
    return Figure(key, *titled("noise-along"), panels) if panels else None


def _along(
    key: str, groups: Sequence[Group], label: Label, what: tuple[str, str, str], unit: str, ordered: bool
) -> tuple[Panel, ...]:
    """Return a panel a data set of a diagnostic's quantity and its limit; none where it was measured at one moment."""
    diagnostic, quantity, limit = what
    found = {id(group): along(group, diagnostic, (quantity, limit)) for group in groups}
    shown = [group for group in groups if sum(quantity in values for values in found[id(group)].values()) > 1]
    looks, panels = Looks.of(map(label, shown), ordered=ordered), []
    for dataset, own in by_dataset(shown):
        rows: list[Row] = [
            {"label": label(group), "epoch": epoch}
            | {name: short(values[of]) for name, of in (("value", quantity), ("limit", limit)) if of in values}
            for group in own
            for epoch, values in found[id(group)].items()
        ]
        values = [row[name] for row in rows for name in ("value", "limit") if row.get(name, 0) > 0]
        name, here = f"{key}/{dataset}", list(dict.fromkeys(map(label, own)))
        base = rows_of(name).encode(x=epoch_axis(max(row["epoch"] for row in rows)), color=looks.colour(here))
        measured = base.transform_filter("datum.value > 0").encode(y=log_y("value", unit, values, room=1.15))
        limits = base.transform_filter("datum.limit > 0").encode(y=log_y("limit", unit, values, room=1.15))
        dashed = limits.mark_line(strokeDash=[5, 4], strokeWidth=1.2, interpolate="step-before")
        shown_tips = {"runs": "label:N", "epoch": "epoch:Q", "value": "value:Q|.3~g", "limit": "limit:Q|.3~g"}
        layers = [dashed, *marked_line(measured, looks.shape(here), shown_tips)]
        panels.append(panel(dataset_name(dataset), layers, {name: rows}))
    return tuple(panels)
