"""What was measured of groups, as numbers: figures of `reslab diagnose` at the end and along the training (pure)."""

import math
import statistics
from collections.abc import Sequence

import polars as pl

from reslab.analysis.diagnoses import moment_order
from reslab.analysis.groups import Group
from reslab.analysis.summary import Summary, mean_curve, summarise


def figure_of(group: Group, diagnostic: str, quantity: str) -> Summary:
    """Summarise one measured figure of the trained networks over a group's runs."""
    return summarise(group.diagnoses.values(diagnostic, quantity))


def along(group: Group, diagnostic: str, quantities: Sequence[str]) -> dict[int, dict[str, float]]:
    """Return figures by epoch, means over the runs (see `Diagnoses.along`)."""
    last = max((epoch for epoch in group.finished["epochs"].to_list() if epoch is not None), default=0)
    return group.diagnoses.along(diagnostic, quantities, last)


def full_test_error(group: Group) -> Summary:
    """Summarise the recorded test errors of the runs whose gap was measured."""
    figures = group.diagnoses.figures
    measured = figures.filter((pl.col("diagnostic") == "gap") & pl.col("value").is_not_null())["run_id"].unique()
    return summarise(group.finished.filter(pl.col("run_id").is_in(measured.to_list()))["test_error"].to_list())


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


def has_effective_rates(group: Group) -> bool:
    """Return whether each epoch has one: runs begun by earlier versions have a norm of their last epochs at most."""
    return effective_rates(group).height == group.drawn_epochs["epoch"].n_unique()


def moments_of(groups: Sequence[Group], diagnostic: str) -> list[str]:
    """Return the moments at which any of the groups' runs was measured, the earliest first."""
    return sorted({moment for group in groups for moment in group.diagnoses.moments(diagnostic)}, key=moment_order)


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


def rise(group: Group) -> float | None:
    """Return the median loss half a step from the middle of the first surface, above that in the middle."""
    rows = [(math.hypot(a, b), loss) for a, b, loss in first_surface(group).select("first", "second", "loss").rows()]
    middle = next((loss for distance, loss in rows if distance < 1e-9), None)
    around = [loss for distance, loss in rows if 0.35 <= distance <= 0.65 and loss is not None]
    return statistics.median(around) - middle if middle is not None and around else None
