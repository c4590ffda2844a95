"""Tables of single figures of networks: sizes, and what `reslab diagnose` measured, e.g. curvature and noise scale."""

from collections.abc import Sequence

from reslab.analysis.groups import Group
from reslab.analysis.measured import figure_of, full_test_error, gap_off, noise_known
from reslab.exhibits.blocks import Table, in_rows, table_of
from reslab.exhibits.captions import titled
from reslab.exhibits.wording import Label, evenly, points, settings, span, whole


def size_table(key: str, groups: Sequence[Group], label: Label) -> Table | None:
    """Return the networks' parameters and multiply-adds; None before a finished run."""
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


def curvature_table(key: str, groups: Sequence[Group]) -> Table | None:
    """Return the largest eigenvalue of the Hessian beside the stability limit; None where not measured."""
    found = [group for group in groups if figure_of(group, "curvature", "largest").n]
    largest, limits, rates = (
        [figure_of(group, "curvature", name).mean for group in found] for name in ("largest", "stability_limit", "rate")
    )
    seeds = [figure_of(group, "curvature", "largest").n for group in found]
    rows = in_rows(
        {
            "Runs": [group.label for group in found],
            "Seeds measured": _seeds(seeds),
            "Largest eigenvalue": evenly(largest),
            "Stability limit": evenly(limits),
            "Last rate": settings(rates),
        }
    )
    return table_of(key, titled("curvature", single=set(seeds) == {1}), rows)


def noise_table(key: str, groups: Sequence[Group]) -> Table | None:
    """Return the gradient noise scale beside the batch size; None where not measured."""
    found = [group for group in groups if noise_known(group)]
    scales, bounds = (
        [figure_of(group, "noise-scale", name) for group in found] for name in ("noise_scale", "at_least")
    )
    seeds = [max(scale.n, bound.n) for scale, bound in zip(scales, bounds, strict=True)]
    rows = in_rows(
        {
            "Runs": [group.label for group in found],
            "Batch size": [str(group.recipe.batch_size) for group in found],
            "Seeds measured": _seeds(seeds),
            "Noise scale (images)": evenly([scale.mean for scale in scales]),
            "At least (images)": evenly([bound.mean for bound in bounds]),
        }
    )
    return table_of(key, titled("noise", single=set(seeds) == {1}), rows)


def gap_table(key: str, groups: Sequence[Group]) -> Table | None:
    """Return errors of the final weights on unaugmented training images and on all test images; None without any."""
    known = ((group, figure_of(group, "gap", "train_error"), full_test_error(group)) for group in groups)
    found = [(group, train, test) for group, train, test in known if train.mean is not None and test.mean is not None]
    seeds = [train.n for _, train, _ in found]
    samples = [_sample(group) for group, *_ in found]
    sample = samples[0] if len(set(samples)) == 1 else None
    rows = [
        {
            "Runs": group.label,
            "Seeds measured": shown,
            "Training images": None if sample else images,
            "Training error (%)": points(train.mean),
            "Test error (%)": points(test.mean),
            "Gap (points)": points((test.mean or 0.0) - (train.mean or 0.0)),
        }
        for (group, train, test), shown, images in zip(found, _seeds(seeds), samples, strict=True)
    ]
    words = titled(
        "gap", off=max(map(gap_off, groups), default=0.0), single=set(seeds) == {1}, images=sample if rows else None
    )
    return table_of(key, words, rows)


def _seeds(counts: Sequence[int]) -> list[str | None]:
    """Return how many seeds were measured, as cells; None where all are 1, which the caption says."""
    return [None if set(counts) == {1} else str(count) for count in counts]


def _sample(group: Group) -> str | None:
    """Return how many training images the errors of the final weights were measured on."""
    images = figure_of(group, "gap", "num_train")
    return span(*(f"{end:,.0f}" for end in (images.low, images.high) if end)) or None
