"""Recompute the intervals, p-values and verdicts of a report from the errors of its runs, with NumPy and SciPy alone.

Called by recompute_words.py.  Written from the method, not from ResLab's code.  The variance of seeds, in units of a
binomial draw's, is pooled over the recipes that a study compares, and each recipe's own is shrunk towards it (Smyth
2004, section 6.2), except that of an outlier.  Fewer than three recipes with a spread lean on those of the report at
their learning rates.  A single seed is given the pooled variance.  Intervals are Welch's; p is corrected over a study
by Holm's method.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import optimize, special, stats

LEVEL, MARGIN, POWER = 0.05, 0.5, 0.8
FEWEST, STANDS_OUT, LEAST_WORTH, PAIRED_FROM = 3, 0.02, 4, 5


@dataclass(frozen=True)
class Errors:
    """Last-epoch test errors (%) of the runs of one recipe, and the number of test images."""

    recipe: str
    values: tuple[float, ...]
    images: int
    rate: float

    @property
    def mean(self) -> float:
        return float(np.mean(self.values))

    @property
    def unit(self) -> float:
        """The variance of a binomial draw of the images, one more of them right and one wrong."""
        wrong = (self.mean / 100 * self.images + 1) / (self.images + 2)
        return 100**2 * wrong * (1 - wrong) / self.images

    @property
    def freedom(self) -> int:
        return len(self.values) - 1

    @property
    def ratio(self) -> float:
        """The variance of the seeds, at least one image squared, in those units."""
        return max(float(np.var(self.values, ddof=1)), (100 / self.images) ** 2) / self.unit


@dataclass(frozen=True)
class Pooled:
    """A variance in binomial units, the degrees of freedom it is worth to each recipe, and those of its estimate."""

    ratio: float
    worth: float
    basis: float


@dataclass(frozen=True)
class Found:
    """A difference (points), with its standard error, degrees of freedom and the variances of a seed on both sides.

    `published` is the published error that it is measured from, if any; that is known exactly.
    """

    value: float
    error: float
    freedom: float
    variances: tuple[float, float]
    published: float | None = None

    @property
    def sd(self) -> float:
        return math.sqrt(sum(self.variances) / 2)

    @property
    def p(self) -> float:
        return float(2 * stats.t.sf(abs(self.value) / self.error, self.freedom))

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Return the ends, within what two errors from 0 to 100% allow."""
        low, high = stats.t.interval(level, self.freedom, loc=self.value, scale=self.error)
        least, most = (-100.0, 100.0) if self.published is None else (-self.published, 100 - self.published)
        return max(float(low), least), min(float(high), most)

    def level(self, p: float) -> float:
        """Return the level of the interval shown: 95%, corrected as p is; 90% if the two are equal."""
        return 1 - (2 * LEVEL if self.verdict(p) == "equal" else LEVEL * self.p / p)

    def verdict(self, p: float) -> str:
        """Return what a corrected p shows."""
        low, high = self.interval(1 - 2 * LEVEL)
        if p < LEVEL:
            return "lower" if self.value < 0 else "higher"
        return "equal" if low > -MARGIN and high < MARGIN else "not significant"

    def seeds(self, num_compared: int, sd: float | None = None) -> int:
        """Return how many seeds of each would detect this size with 80% power, at Bonferroni's level."""
        size = abs(self.value) / (self.sd if sd is None else sd)
        for n in range(2, 1001):
            freedom = (n - 1) * sum(self.variances) ** 2 / sum(one**2 for one in self.variances)
            critical = stats.t.isf(LEVEL / num_compared / 2, freedom)
            if stats.nct.sf(critical, freedom, size * math.sqrt(n / 2)) >= POWER:
                return n
        return 1001

    def seeds_range(self, num_compared: int) -> tuple[int, int]:
        """Return the same at both ends of the 80% interval of the spread."""
        ends = [self.sd * math.sqrt(self.freedom / stats.chi2.ppf(tail, self.freedom)) for tail in (0.9, 0.1)]
        return self.seeds(num_compared, ends[0]), self.seeds(num_compared, ends[1])


def compare(pairs: Sequence[tuple[Errors, Errors]], report: Sequence[Errors]) -> list[Found]:
    """Compare the first of each pair with the second; `report` are all recipes."""
    groups = {one for pair in pairs for one in pair}
    pooled, lent, apart = _pooled(groups, report)
    known = {one: _spread(one, pooled, lent, apart) for one in groups}
    found = []
    for pair in pairs:
        if min(len(one.values) for one in pair) >= PAIRED_FROM:
            raise NotImplementedError("seeds are compared in pairs, which this program does not know")
        sides = [known[one] for one in pair]
        parts = np.array([variance / len(one.values) for (variance, _, _), one in zip(sides, pair, strict=True)])
        freedom = parts.sum() ** 2 / sum(part**2 / of for part, (_, of, _) in zip(parts, sides, strict=True))
        one, other = (variance for variance, _, _ in sides)
        second, first = pair
        error, freedom = math.sqrt(parts.sum()), min(freedom, *(basis for _, _, basis in sides))
        found.append(Found(second.mean - first.mean, error, float(freedom), (one, other)))
    return found


def against_single(ours: Errors, groups: Sequence[Errors], published: float, report: Sequence[Errors]) -> Found:
    """Compare a mean with one published run, which is assumed to vary as ours do: one more draw."""
    variance, freedom, _ = _spread(ours, *_pooled(set(groups), report))
    error = math.sqrt(variance * (1 + 1 / len(ours.values)))
    return Found(ours.mean - published, error, freedom, (variance, variance), published)


def corrected(found: Sequence[Found]) -> list[tuple[Found, float]]:
    """Return each difference with its p, corrected for their number."""
    return list(zip(found, holm([one.p for one in found]), strict=True))


def holm(values: Sequence[float]) -> list[float]:
    """Return p corrected for their number, step by step from the smallest."""
    order = np.argsort(values)
    scaled = np.minimum(1, np.asarray(values)[order] * np.arange(len(values), 0, -1))
    corrected = np.empty(len(values))
    corrected[order] = np.maximum.accumulate(scaled)
    return [float(one) for one in corrected]


def _pooled(groups: set[Errors], report: Sequence[Errors]) -> tuple[Pooled | None, Pooled, set[Errors]]:
    """Return the variance that these groups lean on, that of single seeds, and the outlying groups."""
    own = [one for one in groups if one.freedom]
    rates = {one.rate for one in groups}
    several = [one for one in report if one.freedom and one.rate in rates] or [one for one in report if one.freedom]
    pooled, apart = _common(own)
    if pooled is None:
        pooled, _ = _common(several)
        apart = {one for one in own if pooled is not None and _chance(one, pooled) * len(own) < STANDS_OUT}
    return pooled, pooled or _fit(several), apart


def _spread(one: Errors, pooled: Pooled | None, lent: Pooled, apart: set[Errors]) -> tuple[float, float, float]:
    """Return the variance of a seed (points²), its degrees of freedom, and the most that a comparison may have."""
    if not one.freedom:
        return lent.ratio * one.unit, min(lent.worth, lent.basis), lent.basis
    if pooled is None or one in apart:
        return one.ratio * one.unit, one.freedom, math.inf
    worth = min(pooled.worth, pooled.basis - one.freedom)
    ratio = np.average([pooled.ratio, one.ratio], weights=[worth, one.freedom])
    return float(ratio) * one.unit, worth + one.freedom, pooled.basis


def _common(groups: Sequence[Errors]) -> tuple[Pooled | None, set[Errors]]:
    """Pool groups without outliers, the widest first; None where fewer than three are left."""
    kept, apart = sorted(groups, key=lambda one: one.ratio), set[Errors]()
    while len(kept) >= FEWEST:
        if _chance(kept[-1], _fit(kept[:-1])) * len(groups) >= STANDS_OUT:
            return _fit(kept), apart
        apart.add(kept.pop())
    return None, apart


def _chance(one: Errors, others: Pooled) -> float:
    return float(stats.f.sf(one.ratio / others.ratio, one.freedom, min(max(others.worth, LEAST_WORTH), others.basis)))


def _fit(groups: Sequence[Errors]) -> Pooled:
    freedoms, ratios = (np.array([getattr(one, name) for one in groups], float) for name in ("freedom", "ratio"))
    ratio, basis = float(np.average(ratios, weights=freedoms)), float(freedoms.sum())
    if len(groups) < 2:
        return Pooled(ratio, math.inf, basis)
    logs = np.log(ratios) - special.digamma(freedoms / 2) + np.log(freedoms / 2)
    excess = float(logs.var(ddof=1) - special.polygamma(1, freedoms / 2).mean())
    if excess <= 0:
        return Pooled(ratio, math.inf, basis)
    half = optimize.brentq(lambda x: float(special.polygamma(1, x)) - excess, 1e-6, 1e9)
    return Pooled(ratio, 2 * half, basis)


SIZE = re.compile(
    r"(?<![\d.])(?P<value>[-+]\d+\.\d\d|0\.00)(?: points)?[^()\n]*"
    r"\((?:n = [\d and]+, )?(?:9[05]% interval )?(?P<low>[-+]\d+\.\d\d|0\.00) to (?P<high>[-+]\d+\.\d\d|0\.00)"
    r"(?:; about (?P<seeds>[\d,]+)(?: \((?P<fewest>[\d,]+) to (?P<most>over 1,000|[\d,]+)\))?)?"
)
"""A difference with its interval, as in sentences and the opening's cells, and the seeds that would detect it."""


def sizes(text: str) -> list[dict[str, str]]:
    """Return the sizes in a text: each part as it is shown."""
    found = [match.groupdict() for match in SIZE.finditer(text.replace("\N{MINUS SIGN}", "-"))]
    return [{name: shown for name, shown in one.items() if shown} for one in found]


def of_size(found: Found, p: float, num_compared: int) -> dict[str, float]:
    """Return what the parts of a size should show."""
    low, high = found.interval(found.level(p))
    fewest, most = found.seeds_range(num_compared)
    seeds = found.seeds(num_compared)
    return {"value": found.value, "low": low, "high": high, "seeds": seeds, "fewest": fewest, "most": most}
