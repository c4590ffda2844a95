"""The spread of seeds, shared across the groups of a study: empirical Bayes on their variances (pure).

Two or three seeds say little about their own spread.  Groups of a study have roughly similar spreads, so each can
borrow from the others: its variance becomes a weighted mean of its own and the pooled one, with more degrees of
freedom.  The weight of the pooled one is estimated from how much the groups' variances differ (Smyth 2004, "Linear
models and empirical Bayes methods for assessing differential expression in microarray experiments", section 6.2).  The
pooled variance is the mean, where Smyth takes one from the logarithms: with two seeds its intervals cover better.

Variances are compared in units of the binomial variance, error x (1 - error) / images, so that errors of 8% and 40%, of
ten classes and a hundred, have comparable spreads.  `bench/spread.py` measures coverage, false verdicts and power.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from scipy.special import fdtrc, polygamma, psi

FEWEST_GROUPS = 3
"""Least number of groups with their own spread for it to be shared; two say too little about how spreads differ."""

OUTLIER_LEVEL = 0.02
"""Chance, over all groups of a study, of setting apart a group whose spread is like the others'."""

LEAST_FREEDOM = 4.0
"""Degrees of freedom above which an inverse chi-squared distribution has a finite variance."""


@dataclass(frozen=True, slots=True)
class Spread:
    """The variance of one seed, and the degrees of freedom of its estimate."""

    variance: float
    freedom: float


@dataclass(frozen=True, slots=True)
class Own:
    """A group's own variance of seeds, above 0, with `freedom` = seeds - 1; `unit` is the binomial variance."""

    variance: float
    freedom: int
    unit: float = 1.0

    @property
    def relative(self) -> float:
        """The variance in units of the binomial one."""
        return self.variance / self.unit


@dataclass(frozen=True, slots=True)
class Prior:
    """The variance that groups share: the pooled one in units of the binomial variance, and its weight.

    `freedom` is its weight in degrees of freedom, infinite where the groups differ by no more than chance; `basis` is
    the sum of the groups' own degrees of freedom, which no estimate can exceed.
    """

    scale: float
    freedom: float
    basis: float

    def moderate(self, own: Own) -> Spread:
        """Return the variance of one of these groups, shrunk towards the pooled one."""
        worth = min(self.freedom, self.basis - own.freedom)
        variance = (worth * self.scale * own.unit + own.freedom * own.variance) / (worth + own.freedom)
        return Spread(variance, worth + own.freedom)

    def assume(self, unit: float) -> Spread:
        """Return the variance for a group with a single seed, assuming that it varies like these."""
        return Spread(self.scale * unit, min(self.freedom, self.basis))


def share(groups: Sequence[Own], prior: Prior | None, apart: frozenset[int]) -> list[Spread]:
    """Return the groups' variances, moderated by the prior; those set apart keep their own."""
    return [
        Spread(own.variance, own.freedom) if prior is None or place in apart else prior.moderate(own)
        for place, own in enumerate(groups)
    ]


def common(groups: Sequence[Own]) -> tuple[Prior | None, frozenset[int]]:
    """Return the groups' prior, None where they are too few, and the places of those set apart.

    A group is set apart where it varies far more than all others, as at the edge of divergence.
    """
    apart: set[int] = set()
    while len(groups) - len(apart) >= FEWEST_GROUPS:
        kept = [place for place in range(len(groups)) if place not in apart]
        worst = max(kept, key=lambda place: groups[place].relative)
        if not stands_out(groups[worst], fit([groups[place] for place in kept if place != worst]), len(groups)):
            return fit([groups[place] for place in kept]), frozenset(apart)
        apart.add(worst)
    return None, frozenset(apart)


def stands_out(own: Own, others: Prior, num_groups: int) -> bool:
    """Return whether a group, the widest of `num_groups`, varies more than chance allows if it were like the others.

    The others' degrees of freedom are taken as `LEAST_FREEDOM` at least: below that, their variances would differ so
    much that nothing could stand out, and the widest would dominate their mean.
    """
    freedom = min(max(others.freedom, LEAST_FREEDOM), others.basis)
    return float(fdtrc(own.freedom, freedom, own.relative / others.scale)) * num_groups < OUTLIER_LEVEL


def fit(groups: Sequence[Own]) -> Prior:
    """Pool the variances of one or more groups, and estimate the weight of the pooled one.

    The weight comes from the variance of the logarithms in excess of chance (Smyth 2004, section 6.2).
    """
    basis = float(sum(own.freedom for own in groups))
    pooled = math.fsum(own.freedom * own.relative for own in groups) / basis
    if len(groups) < 2:
        return Prior(pooled, math.inf, basis)
    logs = [math.log(own.relative) - float(psi(own.freedom / 2)) + math.log(own.freedom / 2) for own in groups]
    mean = math.fsum(logs) / len(logs)
    by_chance = math.fsum(float(polygamma(1, own.freedom / 2)) for own in groups) / len(groups)
    excess = math.fsum((one - mean) ** 2 for one in logs) / (len(logs) - 1) - by_chance
    return Prior(pooled, 2 * inverse_trigamma(excess) if excess > 0 else math.inf, basis)


def inverse_trigamma(value: float) -> float:
    """Return x > 0 with trigamma(x) = value > 0, by Newton's method on 1 / trigamma (Smyth 2004, appendix)."""
    if value > 1e7:
        return 1 / math.sqrt(value)
    if value < 1e-6:
        return 1 / value
    x = 0.5 + 1 / value
    for _ in range(50):
        trigamma = float(polygamma(1, x))
        step = trigamma * (1 - trigamma / value) / float(polygamma(2, x))
        x += step
        if -step < 1e-8 * x:
            break
    return x
