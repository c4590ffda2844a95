"""What `reslab diagnose` measured as single figures of a network, as tables: curvature, noise scale, train-test gap."""

from collections.abc import Sequence

import polars as pl

from reslab.analysis.groups import Group
from reslab.analysis.summary import Summary, summarise
from reslab.exhibits.blocks import Table, table_of
from reslab.exhibits.wording import Label, evenly, points, settings


def curvature_table(key: str, groups: Sequence[Group], label: Label) -> Table | None:
    """Return the largest eigenvalue of the Hessian beside what the rate allows; None where it was not measured."""
    quantities = ("largest", "stability_limit", "rate")
    found = [(group, [figure_of(group, "curvature", quantity) for quantity in quantities]) for group in groups]
    found = [(group, figures) for group, figures in found if figures[0].n]
    if not found:
        return None
    caption = (
        "Largest eigenvalue of the Hessian of the training loss at the end, next to the curvature above which gradient "
        "descent at the last rate runs away (Cohen et al. 2021): 2 (1 + momentum) / rate, another figure where the "
        "momentum is Nesterov's.  Training in small batches settles below it, so that a value far below is no sign of "
        "a rate that is too small."
    )
    largest, limit, rate = ([figures[place].mean for _, figures in found] for place in range(3))
    columns: dict[str, Sequence[str | None]] = {
        "Seeds measured": [str(figures[0].n) for _, figures in found],
        "Largest eigenvalue": evenly(largest),
        "Stability limit": evenly(limit),
        "Last rate": settings(rate),
    }
    return table_of(key, "Curvature and rate", caption, ("Runs", [label(group) for group, _ in found]), columns)


def noise_table(key: str, groups: Sequence[Group], label: Label) -> Table | None:
    """Return the gradient noise scale beside the batch size; None where it was not measured."""
    found = [
        (group, [figure_of(group, "noise-scale", name) for name in ("noise_scale", "at_least")]) for group in groups
    ]
    found = [(group, figures) for group, figures in found if any(one.n for one in figures)]
    if not found:
        return None
    caption = (
        "Gradient noise scale of the trained networks, in images: a batch much smaller than this averages little of "
        "the noise away, one much larger wastes images (McCandlish et al. 2018).  Where the gradient is lost in its "
        "noise, as it often is at the end of a training, there is only a lower bound."
    )
    scale, least = (evenly([figures[place].mean for _, figures in found]) for place in range(2))
    columns: dict[str, Sequence[str | None]] = {
        "Batch size": [str(group.recipe.batch_size) for group, _ in found],
        "Seeds measured": [str(max(one.n for one in figures)) for _, figures in found],
        "Noise scale (images)": scale,
        "At least (images)": least,
    }
    return table_of(key, "Noise scale and batch size", caption, ("Runs", [label(group) for group, _ in found]), columns)


def gap_table(key: str, groups: Sequence[Group], label: Label) -> Table | None:
    """Return errors of the final weights on training images as they are and on all test images; None without any."""
    rows = []
    for group in groups:
        train, test = figure_of(group, "gap", "train_error"), _full_test_error(group)
        if train.mean is not None and test.mean is not None:
            errors = points(train.mean), points(test.mean), points(test.mean - train.mean)
            rows.append((label(group), str(train.n), *errors))
    if not rows:
        return None
    names, *cells = zip(*rows, strict=True)
    heads = ("Seeds measured", "Training error (%)", "Test error (%)", "Gap (points)")
    caption = (
        "Errors of the final weights on a sample of the training images, without augmentation, and on all test images, "
        "of the same seeds, and the gap between them.  The sample may be a point or two off all training images."
    )
    columns = dict(zip(heads, cells, strict=True))
    return table_of(key, "Train-test gap of the final weights", caption, ("Runs", names), columns)


def _full_test_error(group: Group) -> Summary:
    """Summarise the recorded test errors of the runs whose gap was measured."""
    figures = group.diagnoses.figures
    measured = figures.filter((pl.col("diagnostic") == "gap") & pl.col("value").is_not_null())["run_id"].unique()
    return summarise(group.finished.filter(pl.col("run_id").is_in(measured.to_list()))["test_error"].to_list())


def figure_of(group: Group, diagnostic: str, quantity: str) -> Summary:
    """Summarise one measured figure over a group's runs."""
    return summarise(group.diagnoses.values(diagnostic, quantity))
