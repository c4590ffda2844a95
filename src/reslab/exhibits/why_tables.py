"""What `reslab diagnose` measured as single figures of a network, as tables: curvature, noise scale, train-test gap."""

from collections.abc import Sequence

from reslab.analysis.differences import sampling_reach
from reslab.analysis.groups import Group
from reslab.analysis.measured import figure_of, full_test_error
from reslab.exhibits.blocks import Table, table_of
from reslab.exhibits.captions import titled
from reslab.exhibits.wording import Label, evenly, points, settings


def curvature_table(key: str, groups: Sequence[Group], label: Label) -> Table | None:
    """Return the largest eigenvalue of the Hessian beside what the rate allows; None where it was not measured."""
    found = [group for group in groups if figure_of(group, "curvature", "largest").n]
    largest, limits, rates = (
        [figure_of(group, "curvature", name).mean for group in found] for name in ("largest", "stability_limit", "rate")
    )
    rows = [
        {
            "Runs": label(group),
            "Seeds measured": str(figure_of(group, "curvature", "largest").n),
            "Largest eigenvalue": eigenvalue,
            "Stability limit": limit,
            "Last rate": rate,
        }
        for group, eigenvalue, limit, rate in zip(found, evenly(largest), evenly(limits), settings(rates), strict=True)
    ]
    return table_of(key, titled("curvature"), rows)


def noise_table(key: str, groups: Sequence[Group], label: Label) -> Table | None:
    """Return the gradient noise scale beside the batch size; None where it was not measured."""
    figures = [
        (group, figure_of(group, "noise-scale", "noise_scale"), figure_of(group, "noise-scale", "at_least"))
        for group in groups
    ]
    found = [one for one in figures if one[1].n or one[2].n]
    scales, bounds = evenly([scale.mean for _, scale, _ in found]), evenly([least.mean for *_, least in found])
    rows = [
        {
            "Runs": label(group),
            "Batch size": str(group.recipe.batch_size),
            "Seeds measured": str(max(scale.n, least.n)),
            "Noise scale (images)": shown,
            "At least (images)": bound,
        }
        for (group, scale, least), shown, bound in zip(found, scales, bounds, strict=True)
    ]
    return table_of(key, titled("noise"), rows)


def gap_table(key: str, groups: Sequence[Group], label: Label) -> Table | None:
    """Return errors of the final weights on training images as they are and on all test images; None without any."""
    found = [
        (group, figure_of(group, "gap", "train_error"), full_test_error(group), figure_of(group, "gap", "num_train"))
        for group in groups
    ]
    rows = [
        {
            "Runs": label(group),
            "Seeds measured": str(train.n),
            "Training images": " to ".join(dict.fromkeys(f"{end:,.0f}" for end in (images.low, images.high) if end))
            or None,
            "Training error (%)": points(train.mean),
            "Test error (%)": points(test.mean),
            "Gap (points)": points(test.mean - train.mean),
        }
        for group, train, test, images in found
        if train.mean is not None and test.mean is not None
    ]
    off = max(
        (
            sampling_reach(train.mean, int(images.low), group.number("num_train") or int(images.low))
            for group, train, _, images in found
            if train.mean is not None and images.low
        ),
        default=0.0,
    )
    return table_of(key, titled("gap", off=off), rows)
