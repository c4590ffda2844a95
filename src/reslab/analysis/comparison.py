"""Differences of means over few seeds, and whether they can be resolved (pure)."""

import math
from dataclasses import dataclass

from scipy.special import stdtrit

from reslab.analysis.summary import Summary


@dataclass(frozen=True, slots=True)
class Difference:
    """Second minus first; `margin` is half the 95% interval, None where the spread is unknown."""

    value: float
    margin: float | None
    n_first: int
    n_second: int

    @property
    def resolved(self) -> bool:
        """Whether the 95% interval leaves out zero."""
        return self.margin is not None and abs(self.value) > self.margin


def difference(first: Summary, second: Summary, resolution: float = 0.0) -> Difference | None:
    """Compare two means by Student's interval with a pooled standard deviation; None where one has no value.

    `resolution` is the step in which the values can differ (one image of the test set, in percent): where all
    seeds agree by chance, their spread counts as that of rounding to this step.
    """
    if first.mean is None or second.mean is None:
        return None
    value = second.mean - first.mean
    freedom = first.n + second.n - 2
    if first.sd is None or second.sd is None:
        return Difference(value, None, first.n, second.n)
    variance = ((first.n - 1) * first.sd**2 + (second.n - 1) * second.sd**2) / freedom
    error = math.sqrt(max(variance, resolution**2 / 12) * (1 / first.n + 1 / second.n))
    return Difference(value, _quantile(freedom) * error, first.n, second.n)


def from_single(published: float, measured: Summary, resolution: float = 0.0) -> Difference | None:
    """Compare measured runs with one published run: the interval is that of one more run of ours, 95%.

    The published run's own spread is unknown and is taken to be that of the measured ones.
    """
    if measured.mean is None:
        return None
    value = measured.mean - published
    if measured.sd is None:
        return Difference(value, None, 1, measured.n)
    spread = math.sqrt(max(measured.sd**2, resolution**2 / 12) * (1 + 1 / measured.n))
    return Difference(value, _quantile(measured.n - 1) * spread, 1, measured.n)


def _quantile(freedom: int) -> float:
    return float(stdtrit(freedom, 0.975))
