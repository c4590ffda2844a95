"""Whether deeper residual networks respond less in each layer, as those of the paper's figure 7 do (pure)."""

import statistics
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Literal

import numpy as np

from reslab.analysis.groups import Group

MARGIN = 0.1
"""Share of a mean response by which another must be lower to count as less."""

MOST = 0.75
"""Share of the places along the depth at which a deeper network must respond less."""


def inner_responses(group: Group) -> list[float]:
    """Return the responses of all layers but the last, which feeds the linear layer alone; [] where not measured."""
    values: list[float] = group.diagnoses.by_layer("responses")["value"].to_list()
    return values[:-1]


def responding_less(by_depth: Mapping[int, Sequence[float]]) -> Literal["less", "alike", "otherwise"] | None:
    """Return how responses change with depth; None for fewer than two depths.

    "less": each network's mean is below the next shallower one's and at most of the places along its depth its layers
    respond less, and the deepest's mean is lower than the shallowest's by a tenth or more.  "alike": all means are
    within a tenth.
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
    """Return at which share of its layers the deeper network is below the shallower, at the same part of its depth."""
    places = np.linspace(0, 1, len(deeper))
    other = np.interp(places, np.linspace(0, 1, len(shallower)), shallower)
    return float(np.mean(np.asarray(deeper) < other))
