"""Diagnostics by layer, and whether deeper networks respond less, as in the paper's figure 7 (pure)."""

import statistics
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Literal

import numpy as np

from reslab.analysis.curves import short
from reslab.analysis.diagnoses import moment_order
from reslab.analysis.groups import Group, Label, Row, by_dataset

MARGIN = 0.1
"""Fraction by which a mean response must be lower than another to count as less."""

MOST = 0.75
"""Share of its layers at which a deeper network must respond less."""


def moments_of(groups: Sequence[Group], diagnostic: str) -> list[str]:
    """Return the moments at which any of the groups' runs was measured, earliest first."""
    return sorted({moment for group in groups for moment in group.diagnoses.moments(diagnostic)}, key=moment_order)


def some_moments(groups: Sequence[Group], diagnostic: str, most: int) -> list[str]:
    """Return at most `most` of the moments: the first, the last, and others spaced evenly between."""
    moments = moments_of(groups, diagnostic)
    if len(moments) <= most:
        return moments
    return [moments[round(place * (len(moments) - 1) / (most - 1))] for place in range(most)]


def layer_rows(groups: Sequence[Group], label: Label, diagnostic: str, moment: str) -> list[Row]:
    """Return label, layer and value, a row per layer; the last and about seven more carry a mark (`marked`)."""
    rows: list[Row] = []
    for group in groups:
        pairs = group.diagnoses.by_layer(diagnostic, moment).select("layer", "value").rows()
        marked = range(len(pairs) - 1, -1, -max(1, len(pairs) // 8))
        rows += [
            {"label": label(group), "layer": layer, "value": short(value)} | ({"marked": 1} if at in marked else {})
            for at, (layer, value) in enumerate(pairs)
        ]
    return rows


def rows_by_moment(
    groups: Sequence[Group], label: Label, diagnostic: str, most: int
) -> dict[str, dict[str, list[Row]]]:
    """Return the rows of `layer_rows` by data set and moment, at most `most` moments (see `some_moments`)."""
    return {
        dataset: {moment: layer_rows(own, label, diagnostic, moment) for moment in some_moments(own, diagnostic, most)}
        for dataset, own in by_dataset(groups)
    }


def seeds_measured(groups: Sequence[Group], diagnostic: str, moments: Sequence[str] | None = None) -> list[int]:
    """Return how many seeds are behind each group's means by layer, at each of these moments (None: at all)."""
    return [
        max(group.diagnoses.by_layer(diagnostic, moment)["n"].to_list(), default=0)
        for group in groups
        for moment in moments or group.diagnoses.moments(diagnostic)
    ]


def inner_responses(group: Group) -> list[float]:
    """Return the responses of all layers but the last, which feeds the linear layer alone; [] where not measured."""
    values: list[float] = group.diagnoses.by_layer("responses")["value"].to_list()
    return values[:-1]


def responding_less(by_depth: Mapping[int, Sequence[float]]) -> Literal["less", "alike", "otherwise"] | None:
    """Return how responses change with depth; None for fewer than two depths.

    "less": each network's mean is below that of the next shallower, most of its layers respond less than the
    shallower's at the same relative depth, and the deepest's mean is below the shallowest's by a tenth or more.
    "alike": all means are within a tenth of the highest.
    """
    ordered = [by_depth[depth] for depth in sorted(by_depth) if by_depth[depth]]
    if len(ordered) < 2:
        return None
    means = [statistics.fmean(values) for values in ordered]
    falls = all(after < before for before, after in pairwise(means))
    along = all(_share_below(deeper, shallower) >= MOST for shallower, deeper in pairwise(ordered))
    if falls and along and means[-1] <= (1 - MARGIN) * means[0]:
        return "less"
    return "alike" if min(means) > (1 - MARGIN) * max(means) else "otherwise"


def _share_below(deeper: Sequence[float], shallower: Sequence[float]) -> float:
    """Return the share of the deeper network's layers that are below the shallower's at the same relative depth."""
    places = np.linspace(0, 1, len(deeper))
    other = np.interp(places, np.linspace(0, 1, len(shallower)), shallower)
    return float(np.mean(np.asarray(deeper) < other))
