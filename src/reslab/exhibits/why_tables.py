"""Single figures of networks as tables: sizes, and what `reslab diagnose` measured, as curvature and noise scale."""

from collections.abc import Sequence

from reslab.analysis.groups import Group
from reslab.analysis.measured import figure_of, full_test_error, gap_off
from reslab.exhibits.blocks import Table, in_rows, table_of
from reslab.exhibits.captions import titled
from reslab.exhibits.wording import Label, evenly, points, settings, span, whole


def size_table(key: str, groups: Sequence[Group], label: Label) -> Table | None:
    """Return parameters and multiply-adds of the networks; None before a finished run."""
    rows = [
        {
            "Network": label(group),
            "Parameters": whole(group.number("parameters")),
            "Multiply-adds (millions)": f"{adds / 1e6:.2f}",
        }
        for group in groups
        if (adds := group.number("multiply_adds")) is not None
    ]
    return table_of(key, titled("sizes"), rows)


def curvature_table(key: str, groups: Sequence[Group], label: Label) -> Table | None:
    """Return the largest eigenvalue of the Hessian beside what the rate allows; None where it was not measured."""
    found = [group for group in groups if figure_of(group, "curvature", "largest").n]
    largest, limits, rates = (
        [figure_of(group, "curvature", name).mean for group in found] for name in ("largest", "stability_limit", "rate")
    )
    rows = in_rows(
        {
            "Runs": [label(group) for group in found],
            "Seeds measured": [str(figure_of(group, "curvature", "largest").n) for group in found],
            "Largest eigenvalue": evenly(largest),
            "Stability limit": evenly(limits),
            "Last rate": settings(rates),
        }
    )
    return table_of(key, titled("curvature"), rows)


def noise_table(key: str, groups: Sequence[Group], label: Label) -> Table | None:
    """Return the gradient noise scale beside the batch size; None where it was not measured."""
    known = ("noise_scale", "at_least")
    found = [group for group in groups if any(figure_of(group, "noise-scale", name).n for name in known)]
    scales, bounds = ([figure_of(group, "noise-scale", name) for group in found] for name in known)
    rows = in_rows(
        {
            "Runs": [label(group) for group in found],
            "Batch size": [str(group.recipe.batch_size) for group in found],
            "Seeds measured": [str(max(scale.n, bound.n)) for scale, bound in zip(scales, bounds, strict=True)],
            "Noise scale (images)": evenly([scale.mean for scale in scales]),
            "At least (images)": evenly([bound.mean for bound in bounds]),
        }
    )
    return table_of(key, titled("noise"), rows)


def gap_table(key: str, groups: Sequence[Group]) -> Table | None:
    """Return errors of the final weights on training images as they are and on all test images; None without any."""
    rows = []
    for group in groups:
        train, test = figure_of(group, "gap", "train_error"), full_test_error(group)
        images = figure_of(group, "gap", "num_train")
        if train.mean is not None and test.mean is not None:
            rows.append(
                {
                    "Runs": group.label,
                    "Seeds measured": str(train.n),
                    "Training images": span(*(f"{end:,.0f}" for end in (images.low, images.high) if end)) or None,
                    "Training error (%)": points(train.mean),
                    "Test error (%)": points(test.mean),
                    "Gap (points)": points(test.mean - train.mean),
                }
            )
    return table_of(key, titled("gap", off=max(map(gap_off, groups), default=0.0)), rows)
