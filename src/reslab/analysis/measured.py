"""What was measured of groups, as numbers: figures of `reslab diagnose` at the end and along the training (pure)."""

import math
import statistics
from collections.abc import Sequence
from itertools import pairwise

import polars as pl

from reslab.analysis.curves import short
from reslab.analysis.diagnoses import moment_order
from reslab.analysis.differences import sampling_reach
from reslab.analysis.groups import Group, Label, Row
from reslab.analysis.summary import Summary, mean_curve, summarise
from reslab.analysis.thinning import thinned
from reslab.recipe import Recipe, vary

APART = 1.5
"""Times that rates must differ for their effective rates to be compared."""


def figure_of(group: Group, diagnostic: str, quantity: str) -> Summary:
    """Summarise one measured figure of the trained networks over a group's runs."""
    return summarise(group.diagnoses.values(diagnostic, quantity))


def along(group: Group, diagnostic: str, quantities: Sequence[str]) -> dict[int, dict[str, float]]:
    """Return figures by epoch, means over the runs (see `Diagnoses.along`)."""
    last = max((epoch for epoch in group.finished["epochs"].to_list() if epoch is not None), default=0)
    return group.diagnoses.along(diagnostic, quantities, last)


def along_rows(groups: Sequence[Group], label: Label, diagnostic: str, quantity: str, limit: str) -> list[Row]:
    """Return label, epoch, and as far as they are known the quantity (`value`) and its `limit`, a row an epoch."""
    return [
        {"label": label(group), "epoch": epoch}
        | {name: short(values[of]) for name, of in (("value", quantity), ("limit", limit)) if of in values}
        for group in groups
        for epoch, values in along(group, diagnostic, (quantity, limit)).items()
    ]


def full_test_error(group: Group) -> Summary:
    """Summarise the recorded test errors of the runs whose gap was measured."""
    figures = group.diagnoses.figures
    measured = figures.filter((pl.col("diagnostic") == "gap") & pl.col("value").is_not_null())["run_id"].unique()
    return summarise(group.finished.filter(pl.col("run_id").is_in(measured.to_list()))["test_error"].to_list())


def gap_off(group: Group) -> float:
    """Return by how many points the training error of the gap may be off that on all images (95%)."""
    train, images = figure_of(group, "gap", "train_error"), figure_of(group, "gap", "num_train")
    if train.mean is None or not images.low:
        return 0.0
    return sampling_reach(train.mean, int(images.low), group.number("num_train") or int(images.low))


def effective_rates(group: Group) -> pl.DataFrame:
    """Return epoch and mean of rate / ((1 - momentum) norm²) over the runs of the curves, where both were recorded.

    With SGD the steps along a constant gradient add up to rate / (1 - momentum); other optimisers' rates stand alone.
    """

    def compute() -> pl.DataFrame:
        summed = 1 - group.recipe.momentum if group.recipe.optimiser == "sgd" else 1.0
        epochs = group.drawn_epochs.filter((pl.col("weight_norm") > 0) & (pl.col("rate") > 0))
        effective = pl.col("rate") / (summed * pl.col("weight_norm") ** 2)
        return mean_curve(epochs.with_columns(effective=effective), "effective")

    return group.once("effective rates", compute)


def rate_rows(groups: Sequence[Group], label: Label, length: int) -> list[Row]:
    """Return label, epoch and effective rate (`value`), a row an epoch; thinned (see `thinning.thinned`)."""
    rows = []
    for group in groups:
        epochs, means = (column.to_list() for column in effective_rates(group).select("epoch", "mean").get_columns())
        kept = thinned(epochs, [means], length)
        rows += [{"label": label(group), "epoch": epochs[at], "value": short(means[at])} for at in kept]
    return rows


def has_effective_rates(group: Group) -> bool:
    """Return whether each epoch has one: runs begun by earlier versions have a norm of their last epochs at most."""
    return effective_rates(group).height == group.drawn_epochs["epoch"].n_unique()


def moments_of(groups: Sequence[Group], diagnostic: str) -> list[str]:
    """Return the moments at which any of the groups' runs was measured, the earliest first."""
    return sorted({moment for group in groups for moment in group.diagnoses.moments(diagnostic)}, key=moment_order)


def some_moments(groups: Sequence[Group], diagnostic: str, most: int) -> list[str]:
    """Return so many of the moments at most, the first and the last among them, the others spread evenly between."""
    moments = moments_of(groups, diagnostic)
    if len(moments) <= most:
        return moments
    return [moments[round(place * (len(moments) - 1) / (most - 1))] for place in range(most)]


def layer_rows(groups: Sequence[Group], label: Label, diagnostic: str, moment: str) -> list[Row]:
    """Return label, layer and value, a row a layer; the last and about seven more carry a mark (`marked`)."""
    rows: list[Row] = []
    for group in groups:
        pairs = group.diagnoses.by_layer(diagnostic, moment).select("layer", "value").rows()
        marked = range(len(pairs) - 1, -1, -max(1, len(pairs) // 8))
        rows += [
            {"label": label(group), "layer": layer, "value": short(value)} | ({"marked": 1} if at in marked else {})
            for at, (layer, value) in enumerate(pairs)
        ]
    return rows


def seeds_measured(groups: Sequence[Group], diagnostic: str, moments: Sequence[str] | None = None) -> list[int]:
    """Return how many seeds are behind the means by layer of each group, at these moments or (None) at each."""
    return [
        max(group.diagnoses.by_layer(diagnostic, moment)["n"].to_list(), default=0)
        for group in groups
        for moment in moments or group.diagnoses.moments(diagnostic)
    ]


def first_surface(group: Group) -> pl.DataFrame:
    """Return the points of the first run that has a loss surface: two surfaces cannot be averaged."""
    points = group.diagnoses.points
    return points.filter(pl.col("run_id") == points["run_id"].min())


def surface_rows(points: pl.DataFrame) -> list[Row]:
    """Return the sides (x, y, to x2, y2), loss and error (%) of a rectangle around each point whose loss is finite."""
    steps = sorted(set(points["first"].to_list()))
    half = (steps[1] - steps[0]) / 2
    over = 1.03 * half  # so that no hairlines show between the rectangles
    return [
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


def rise(group: Group) -> float | None:
    """Return the median loss half a step from the middle of the first surface, above that in the middle."""
    rows = [(math.hypot(a, b), loss) for a, b, loss in first_surface(group).select("first", "second", "loss").rows()]
    middle = next((loss for distance, loss in rows if distance < 1e-9), None)
    around = [loss for distance, loss in rows if 0.35 <= distance <= 0.65 and loss is not None]
    return statistics.median(around) - middle if middle is not None and around else None


def rates_apart(groups: Sequence[Group]) -> tuple[float, float] | None:
    """Return how many times the last rates of groups differ, and the effective ones; None where rates hardly do."""
    ends = [
        (group.curve("rate")["mean"][-1], curve["mean"][-1])
        for group in groups
        if (curve := effective_rates(group)).height
    ]
    if not ends:
        return None
    rates, effective = zip(*ends, strict=True)
    times = max(rates) / min(rates)
    return (times, max(effective) / min(effective)) if times > APART else None


def share_of_limit(group: Group) -> float | None:
    """Return the largest eigenvalue at the end as a share of the stability limit; None where not measured."""
    largest, limit = (figure_of(group, "curvature", quantity).mean for quantity in ("largest", "stability_limit"))
    return largest / limit if largest is not None and limit else None


def shares_along(group: Group) -> dict[int, float]:
    """Return that share by epoch, of the limit of the rate then in force; nothing where one epoch alone has it."""
    course = along(group, "curvature", ("largest", "stability_limit"))
    return {
        epoch: values["largest"] / values["stability_limit"]
        for epoch, values in course.items()
        if len(course) > 1 and values.get("largest") is not None and values.get("stability_limit")
    }


def flatter(groups: Sequence[Group]) -> bool:
    """Return whether three rates or more of each recipe end the less curved, the higher the rate."""
    lines: dict[Recipe, dict[float, float]] = {}
    for group in groups:
        largest, recipe = figure_of(group, "curvature", "largest").mean, group.recipe
        if largest is not None:
            lines.setdefault(vary(recipe, learning_rate=1.0), {})[recipe.learning_rate] = largest
    ordered = [[line[rate] for rate in sorted(line)] for line in lines.values()]
    return all(len(line) > 2 and all(low > high for low, high in pairwise(line)) for line in ordered)


def above_batch(group: Group) -> bool:
    """Return whether the gradient noise scale at the end, or what it is at least, is above the batch size."""
    scale, least = (figure_of(group, "noise-scale", name).mean for name in ("noise_scale", "at_least"))
    return (least or 0.0 if scale is None else scale) > group.recipe.batch_size


def telling_surfaces(groups: Sequence[Group], most: int) -> list[Group]:
    """Return the groups whose surfaces say most: of each data set the deepest of each family; all up to `most`."""
    have = [group for group in groups if group.diagnoses.points.height]
    deepest: dict[tuple[str, str], Group] = {}
    for group in sorted(have, key=lambda group: group.recipe.depth):
        deepest[group.recipe.dataset, group.recipe.family] = group
    chosen = [group for group in have if any(group is one for one in deepest.values())]
    return have if len(have) <= most or len(chosen) < 2 else chosen
