"""Figures that `reslab diagnose` measured for groups, at the end and during the training (pure)."""

from collections.abc import Sequence

import polars as pl

from reslab.analysis.curves import short
from reslab.analysis.differences import sampling_reach
from reslab.analysis.groups import Group, Label, Row
from reslab.analysis.summary import Summary, mean_curve, summarise
from reslab.analysis.thinning import thinned
from reslab.recipe import Recipe, vary

APART = 1.5
"""Ratio above which rates differ enough to compare their effective rates, and curvatures count as different."""


def figure_of(group: Group, diagnostic: str, quantity: str) -> Summary:
    """Summarise one measured figure of the trained networks over a group's runs."""
    return summarise(group.diagnoses.values(diagnostic, quantity))


def along(group: Group, diagnostic: str, quantities: Sequence[str]) -> dict[int, dict[str, float]]:
    """Return figures by epoch, averaged over the runs (see `Diagnoses.along`)."""
    last = max((epoch for epoch in group.finished["epochs"].to_list() if epoch is not None), default=0)
    return group.diagnoses.along(diagnostic, quantities, last)


def along_rows(groups: Sequence[Group], label: Label, diagnostic: str, quantity: str, limit: str) -> list[Row]:
    """Return label, epoch, and where known the quantity (`value`) and its `limit`, a row per group and epoch."""
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
    """Return by how many points the gap's training error, on a sample, may be off that on all images (95%)."""
    train, images = figure_of(group, "gap", "train_error"), figure_of(group, "gap", "num_train")
    if train.mean is None or not images.low:
        return 0.0
    return sampling_reach(train.mean, int(images.low), group.number("num_train") or int(images.low))


def effective_rates(group: Group) -> pl.DataFrame:
    """Return epoch and mean of rate / ((1 - momentum) norm²) over the drawn runs, where both were recorded.

    With SGD, steps along a constant gradient add up to rate / (1 - momentum); other optimisers use the rate alone.
    """

    def compute() -> pl.DataFrame:
        summed = 1 - group.recipe.momentum if group.recipe.optimiser == "sgd" else 1.0
        epochs = group.drawn_epochs.filter((pl.col("weight_norm") > 0) & (pl.col("rate") > 0))
        effective = pl.col("rate") / (summed * pl.col("weight_norm") ** 2)
        return mean_curve(epochs.with_columns(effective=effective), "effective")

    return group.once("effective rates", compute)


def rate_rows(groups: Sequence[Group], label: Label, length: int) -> list[Row]:
    """Return label, epoch and effective rate (`value`), a row per epoch; thinned (see `thinning.thinned`)."""
    rows = []
    for group in groups:
        epochs, means = (column.to_list() for column in effective_rates(group).select("epoch", "mean").get_columns())
        kept = thinned(epochs, [means], length)
        rows += [{"label": label(group), "epoch": epochs[at], "value": short(means[at])} for at in kept]
    return rows


def has_effective_rates(group: Group) -> bool:
    """Return whether each epoch has an effective rate: runs begun by earlier versions may lack earlier norms."""
    return effective_rates(group).height == group.drawn_epochs["epoch"].n_unique()


def rates_apart(groups: Sequence[Group]) -> tuple[float, float] | None:
    """Return the ratio of the largest to the smallest last rate of groups, and of the effective ones.

    None where the rates differ by no more than `APART`, or no effective rate is known.
    """
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
    """Return the largest eigenvalue at the end as a fraction of the stability limit; None where not measured."""
    largest, limit = (figure_of(group, "curvature", quantity).mean for quantity in ("largest", "stability_limit"))
    return largest / limit if largest is not None and limit else None


def shares_along(group: Group) -> dict[int, float]:
    """Return `share_of_limit` by epoch, with the limit at the rate then in force; {} for a single epoch."""
    course = along(group, "curvature", ("largest", "stability_limit"))
    return {
        epoch: values["largest"] / values["stability_limit"]
        for epoch, values in course.items()
        if len(course) > 1 and values.get("largest") is not None and values.get("stability_limit")
    }


def flatter(groups: Sequence[Group]) -> list[tuple[Group, Group]]:
    """Return, for each recipe but for its rate, the group with the lowest rate and the one with the least curvature.

    [] unless the second's curvature is clearly less for all recipes.
    """
    lines: dict[Recipe, dict[float, Group]] = {}
    for group in groups:
        if figure_of(group, "curvature", "largest").mean is not None:
            lines.setdefault(vary(group.recipe, learning_rate=1.0), {})[group.recipe.learning_rate] = group
    ends = [(line[min(line)], min(line.values(), key=_largest)) for line in lines.values()]
    return ends if all(_largest(low) > APART * _largest(least) for low, least in ends) else []


def _largest(group: Group) -> float:
    return figure_of(group, "curvature", "largest").mean or 0.0


def noise_known(group: Group) -> bool:
    """Return whether the gradient noise scale at the end, or a lower bound on it, was measured."""
    return any(figure_of(group, "noise-scale", name).n for name in ("noise_scale", "at_least"))


def above_batch(group: Group) -> bool:
    """Return whether the gradient noise scale at the end, or its lower bound, is above the batch size."""
    scale, least = (figure_of(group, "noise-scale", name).mean for name in ("noise_scale", "at_least"))
    return (least or 0.0 if scale is None else scale) > group.recipe.batch_size
