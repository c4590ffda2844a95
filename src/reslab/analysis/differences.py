"""Differences between means over few seeds, and whether they can be resolved (pure)."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from scipy.special import ndtri, stdtrit

from reslab.analysis.spread import Spread
from reslab.analysis.summary import Summary, summarise

PAIRS_NEEDED = 5
"""Least number of seeds for a paired comparison.  With fewer, the degrees of freedom that pairing loses (two instead of
four, for three seeds) cost more than correlated seeds could gain; the unpaired interval then errs on the side of
caution."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Second minus first; `margin` is half the 95% interval, None where the spread is unknown.

    `sd` is the standard deviation of one seed: averaged over both sides, or that of the pairs' differences where
    `paired`; `sds` has each side's, None where unknown or paired.  `freedom` is the interval's degrees of freedom.
    `shared`: the spread was moderated by that of other groups.  `assumed`: a single seed was given theirs.  `sources`
    are the ids of the recipes whose seeds gave it.  `start` is the first error (%), over the pairs where `paired`;
    None where these are not errors.  `published`: the first error is a published one.
    """

    value: float
    margin: float | None
    n_first: int
    n_second: int
    sd: float | None = None
    freedom: float = 0.0
    paired: bool = False
    shared: bool = False
    assumed: bool = False
    sources: tuple[str, ...] = ()
    sds: tuple[float, float] | None = None
    start: float | None = None
    published: bool = False

    @property
    def resolved(self) -> bool:
        """Whether the 95% interval excludes zero."""
        return self.margin is not None and abs(self.value) > self.margin

    @property
    def error(self) -> float | None:
        """Standard error of the value."""
        return None if self.margin is None else self.margin / _quantile(self.freedom)

    def reach(self, level: float) -> float | None:
        """Return half the interval of this level; None where the spread is unknown."""
        return None if self.error is None else _quantile(self.freedom, level) * self.error

    @property
    def seeds(self) -> tuple[int, ...]:
        """How many seeds each side has, published runs left out."""
        return (self.n_second,) if self.published else (self.n_second, self.n_first)

    def ends(self, level: float = 0.95) -> tuple[float, float] | None:
        """Return the ends of the interval of this level, clipped to `bounds`; None where the spread is unknown."""
        reach = self.reach(level)
        if reach is None:
            return None
        low, high = self.value - reach, self.value + reach
        return (low, high) if self.bounds is None else (max(low, self.bounds[0]), min(high, self.bounds[1]))

    @property
    def bounds(self) -> tuple[float, float] | None:
        """Limits that the difference of two errors must lie within; None where these are not errors.

        A published first error is taken as exact.  A measured one may itself be off, so all that is known is that both
        are between 0 and 100%.
        """
        if self.start is None:
            return None
        return (-self.start, 100 - self.start) if self.published else (-100.0, 100.0)

    def cut(self, level: float = 0.95) -> tuple[bool, bool]:
        """Return whether the unclipped interval of this level reaches below `bounds`, and above them."""
        reach = self.reach(level)
        if reach is None or self.bounds is None:
            return False, False
        return self.value - reach < self.bounds[0], self.value + reach > self.bounds[1]


def difference(first: Summary, second: Summary, resolution: float = 0.0) -> Difference | None:
    """Compare two means by Welch's interval, each with the spread of its own seeds; None where one has no value.

    A spread pooled over both would find differences too often where one varies far more than the other, as at a rate
    on the edge of divergence.  `resolution` is the smallest step between values (one image of the test set, in
    percent): see `own_variance`.
    """
    return with_spreads(first, second, [own_spread(side, resolution) for side in (first, second)])


def with_spreads(
    first: Summary, second: Summary, spreads: Sequence[Spread | None], basis: float = math.inf
) -> Difference | None:
    """Compare two means as `difference` does, with spreads that may come from elsewhere.

    `basis` is the degrees of freedom that the spreads were estimated from; the interval cannot have more.
    """
    if first.mean is None or second.mean is None:
        return None
    value, counts = second.mean - first.mean, (first.n, second.n)
    known = [spread for spread in spreads if spread is not None]
    if len(known) < 2:
        return Difference(value, None, *counts, start=first.mean)
    parts = [spread.variance / n for spread, n in zip(known, counts, strict=True)]
    freedom = min(_welch(parts, [spread.freedom for spread in known]), basis)
    sd = math.sqrt(sum(spread.variance for spread in known) / 2)
    sds = math.sqrt(known[0].variance), math.sqrt(known[1].variance)
    return Difference(
        value, _quantile(freedom) * math.sqrt(sum(parts)), *counts, sd, freedom, sds=sds, start=first.mean
    )


def own_spread(side: Summary, resolution: float = 0.0) -> Spread | None:
    """Return the spread of a group's own seeds; None where it has a single one."""
    return None if side.sd is None else Spread(own_variance(side.sd, resolution), side.n - 1)


def own_variance(sd: float, resolution: float) -> float:
    """Return the variance of seeds, at least `resolution` (one image, in percent) squared.

    Seeds that agree to the last image do so by chance: in two groups of two seeds each, both pairs would agree one
    time in twenty if the spread were 1.25 images.
    """
    return max(sd, resolution) ** 2


def _welch(parts: Sequence[float], freedoms: Sequence[float]) -> float:
    """Return the Welch-Satterthwaite degrees of freedom from the variances of both means."""
    total = sum(parts)
    if total == 0:
        return sum(freedoms)
    return 1 / sum((part / total) ** 2 / freedom for part, freedom in zip(parts, freedoms, strict=True))


def paired_difference(
    first: Mapping[int, float], second: Mapping[int, float], resolution: float = 0.0
) -> Difference | None:
    """Compare values by seed, over the seeds that both have, by Student's interval for their differences.

    None where they share no seed.  For `resolution` see `difference`; a difference of two values is rounded twice.
    """
    seeds = sorted(first.keys() & second.keys())
    found, start = summarise(second[seed] - first[seed] for seed in seeds), summarise(map(first.get, seeds)).mean
    if found.mean is None:
        return None
    if found.sd is None:
        return Difference(found.mean, None, found.n, found.n, paired=True, start=start)
    sd = math.sqrt(max(found.sd**2, 2 * resolution**2))
    freedom = found.n - 1
    margin = _quantile(freedom) * sd / math.sqrt(found.n)
    return Difference(found.mean, margin, found.n, found.n, sd, freedom, paired=True, start=start)


def from_single(published: float, measured: Summary, spread: Spread | None = None) -> Difference | None:
    """Compare measured runs with one published run, by the 95% interval for one more run of ours.

    The published run's spread is unknown; that of the measured runs is used, or the one given.
    """
    if measured.mean is None:
        return None
    value, known = measured.mean - published, spread or own_spread(measured)
    if known is None:
        return Difference(value, None, 1, measured.n, start=published, published=True)
    sd = math.sqrt(known.variance)
    margin = _quantile(known.freedom) * sd * math.sqrt(1 + 1 / measured.n)
    return Difference(value, margin, 1, measured.n, sd, known.freedom, start=published, published=True)


def by_images_alone(first: float, second: float, images: int) -> float:
    """Return by how many points networks with these errors (%) may differ, at 95%, by the draw of test images alone.

    This is the normal approximation for independent binomial counts, which is cautious: networks tend to fail on the
    same images.  It is not a test of a difference, since it leaves out the spread of seeds.
    """
    return float(ndtri(0.975)) * math.sqrt((first * (100 - first) + second * (100 - second)) / images)


def sampling_reach(error: float, images: int, of: int) -> float:
    """Return by how many points the error (%) on a random sample may be off the error on all images, at 95%.

    This is the distance to the farther end of Wilson's interval, narrowed as the sample nears the whole; 0 for the
    whole.
    """
    if images >= of:
        return 0.0
    z, p = float(ndtri(0.975)), error / 100
    middle = (p + z * z / (2 * images)) / (1 + z * z / images)
    half = z * math.sqrt(p * (1 - p) / images + (z / (2 * images)) ** 2) / (1 + z * z / images)
    return 100 * (abs(middle - p) + half) * math.sqrt(1 - images / of)


def _quantile(freedom: float, level: float = 0.95) -> float:
    return float(stdtrit(freedom, 0.5 + level / 2))
