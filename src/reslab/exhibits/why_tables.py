"""What `reslab diagnose` measured as single figures of a network, as tables: curvature, noise scale, train-test gap."""

from collections.abc import Sequence

from reslab.analysis.groups import Group
from reslab.analysis.measured import figure_of, full_test_error, gap_off
from reslab.exhibits.blocks import Table, in_rows, table_of
from reslab.exhibits.captions import titled
from reslab.exhibits.wording import Label, evenly, points, settings, span


def curvature_table(key: str, groups: Sequence[Group], label: Label) -> Table | None:
    """Return the largest eigenvalue of the Hessian beside what the rate allows; None where it was not measured."""
    found = [group for group in groups if figure_of(group, "curvature", "largest").n]
    largest, limits, rates = (
        [figure_of(group, "curvature", name).mean for group in found] for name in ("largest", "stability_limit", "rate")
    )
    columns = {
        "Runs": [label(group) for group in found],
        "Seeds measured": [str(figure_of(group, "curvature", "largest").n) for group in found],
        "Largest eigenvalue": evenly(largest),
        "Stability limit": evenly(limits),
        "Last rate": settings(rates),
    }
    return table_of(key, titled("curvature"), in_rows(columns))


def noise_table(key: str, groups: Sequence[Group], label: Label) -> Table | None:
    """Return the gradient noise scale beside the batch size; None where it was not measured."""
    every = [[figure_of(group, "noise-scale", name) for name in ("noise_scale", "at_least")] for group in groups]
    found = [(group, *pair) for group, pair in zip(groups, every, strict=True) if any(one.n for one in pair)]
    columns = {
        "Runs": [label(group) for group, *_ in found],
        "Batch size": [str(group.recipe.batch_size) for group, *_ in found],
        "Seeds measured": [str(max(scale.n, least.n)) for _, scale, least in found],
        "Noise scale (images)": evenly([scale.mean for _, scale, _ in found]),
        "At least (images)": evenly([least.mean for *_, least in found]),
    }
    return table_of(key, titled("noise"), in_rows(columns))


def gap_table(key: str, groups: Sequence[Group], label: Label) -> Table | None:
    """Return errors of the final weights on training images as they are and on all test images; None without any."""
    rows = []
    for group in groups:
        train, test = figure_of(group, "gap", "train_error"), full_test_error(group)
        images = figure_of(group, "gap", "num_train")
        if train.mean is not None and test.mean is not None:
            rows.append(
                {
                    "Runs": label(group),
                    "Seeds measured": str(train.n),
                    "Training images": span(*(f"{end:,.0f}" for end in (images.low, images.high) if end)) or None,
                    "Training error (%)": points(train.mean),
                    "Test error (%)": points(test.mean),
                    "Gap (points)": points(test.mean - train.mean),
                }
            )
    return table_of(key, titled("gap", off=max(map(gap_off, groups), default=0.0)), rows)
