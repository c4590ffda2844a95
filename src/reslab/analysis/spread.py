"""What seeds vary by, shared across the groups of a study: empirical Bayes on their variances (pure).

Two or three seeds tell little of their own spread.  Groups of a study spread alike, more or less, so each can lean on
the others: its variance becomes a weighted mean of its own and the pooled one, with more degrees of freedom.  How much
weight the pooled one gets is estimated from how much the variances of the groups differ (Smyth 2004, "Linear models and
empirical Bayes methods for assessing differential expression in microarray experiments", section 6.2).  The pooled
variance is the mean, where Smyth takes one from the logarithms: with two seeds its intervals cover better.

Variances are compared in units of a binomial draw's, error x (1 - error) / images, so that errors of 8% and 40%, of ten
classes and a hundred, have comparable spreads.  `bench/spread.py` measures coverage, false verdicts and power.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from scipy.special import fdtrc, polygamma, psi

FEWEST_GROUPS = 3
"""Groups with a spread of their own from which on it is shared; two say too little of how much they differ."""

OUTLIER_LEVEL = 0.02
"""Chance, for all groups of a study together, of setting apart one that spreads like the others."""

LEAST_FREEDOM = 4.0
"""Degrees of freedom from which on variances that are drawn from an inverse chi-squared have a variance themselves."""


@dataclass(frozen=True, slots=True)
class Spread:
    """The variance of one seed, and the degrees of freedom it is known with."""

    variance: float
    freedom: float


@dataclass(frozen=True, slots=True)
class Own:
    """What a group's own seeds say: their variance, above 0, and `freedom` = seeds - 1; `unit` is a binomial draw's."""

    variance: float
    freedom: int
    unit: float = 1.0

    @property
    def relative(self) -> float:
        """The variance in units of the binomial one."""
        return self.variance / self.unit


@dataclass(frozen=True, slots=True)
class Prior:
    """What groups have in common: the pooled variance in units of the binomial one, and how much it is worth.

    `freedom` is its worth in degrees of freedom, infinite where the groups differ by no more than chance; `basis` is
    the sum of the groups' own, more than which nobody's spread can be known with.
    """

    scale: float
    freedom: float
    basis: float

    def moderate(self, own: Own) -> Spread:
        """Return the variance of one of these groups, drawn towards the pooled one."""
        worth = min(self.freedom, self.basis - own.freedom)
        variance = (worth * self.scale * own.unit + own.freedom * own.variance) / (worth + own.freedom)
        return Spread(variance, worth + own.freedom)

    def assume(self, unit: float) -> Spread:
        """Return the variance that a group with a single seed has if it spreads like these."""
        return Spread(self.scale * unit, min(self.freedom, self.basis))


def share(groups: Sequence[Own], prior: Prior | None, apart: frozenset[int]) -> list[Spread]:
    """Return the groups' variances, moderated by what they have in common, but those set apart keep their own."""
    return [
        Spread(own.variance, own.freedom) if prior is None or place in apart else prior.moderate(own)
        for place, own in enumerate(groups)
    ]


def common(groups: Sequence[Own]) -> tuple[Prior | None, frozenset[int]]:
    """Return what the groups have in common, None where they are too few, and which of them are set apart.

    Set apart is a group that varies far more than all others, as one does on the edge of divergence.
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
    """Return whether a group, the widest of so many, varies more than it would by chance if it were like the others.

    Spreads that differ so much that they have no variance of their own (`LEAST_FREEDOM`) are not believed to: anything
    would be like them, and their mean would be that of the widest.
    """
    freedom = min(max(others.freedom, LEAST_FREEDOM), others.basis)
    return float(fdtrc(own.freedom, freedom, own.relative / others.scale)) * num_groups < OUTLIER_LEVEL


def fit(groups: Sequence[Own]) -> Prior:
    """Pool the variances of one or more groups, and estimate how much the pooled one is worth to each.

    That is from the variance of the logarithms, beyond what chance gives them (Smyth 2004, section 6.2).
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
