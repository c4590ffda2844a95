"""Verdicts on differences: lower, higher, equal within a margin, or open, corrected for their number (pure)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from scipy.special import chdtri, nctdtr, stdtr, stdtrit

from reslab.analysis.differences import Difference

LEVEL = 0.05
"""Accepted chance of a false verdict; for "lower" and "higher", over all comparisons of a study together."""

MARGIN = 0.5
"""Points within which two errors count as equal: less than a third of what the paper's ResNet-56 gains over its
ResNet-20, and about the least that three seeds of the usual spread (0.15 points) can be expected to show."""

EQUAL_LEVEL = 1 - 2 * LEVEL
"""Level of the interval that must lie within the margin for two errors to be equal."""

SPREAD_LEVEL = 0.8
"""Level of the interval for the spread behind `Verdict.seeds_range`."""

POWER = 0.8
MOST_SEEDS = 1000

Kind = Literal["lower", "higher", "equal", "open", "unknown"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a difference supports.

    `kind` is "lower" or "higher" (resolved after correction), "equal" (within `margin`), "open" (neither can be
    shown), or "unknown" (a single seed).  `p` and the `adjusted` p are two-sided, None where unknown; `within` says
    whether the difference is shown to be smaller than the margin, which a resolved one can be, too.  `seeds` per
    group would resolve a difference of this size with a power of 80%; None where resolved, equal, unknown, or above
    1,000.  `seeds_range` has the fewest and the most over the 80% interval of the spread, the most None above 1,000.
    """

    kind: Kind
    difference: Difference
    margin: float
    p: float | None = None
    adjusted: float | None = None
    within: bool = False
    seeds: int | None = None
    seeds_range: tuple[int, int | None] | None = None

    @property
    def resolved(self) -> bool:
        """Whether a direction is shown."""
        return self.kind in ("lower", "higher")

    @property
    def level(self) -> float:
        """Level of the interval that agrees with the verdict.

        It is 95%, corrected as p is: the interval excludes zero only where a direction is shown.  For "equal" it is
        90%, at which the interval lies within the margin (see `equal_within`).
        """
        if self.kind == "equal":
            return EQUAL_LEVEL
        return 1 - LEVEL * (self.p / self.adjusted if self.p and self.adjusted else 1)

    @property
    def ends(self) -> tuple[float, float] | None:
        """The ends of the interval that agrees with the verdict, None where the spread is unknown."""
        return self.difference.ends(self.level)


def judge(differences: Sequence[Difference], margin: float = MARGIN) -> list[Verdict]:
    """Return a verdict for each of the comparisons of a study, corrected for their number by Holm's method."""
    known = [one for one in differences if one.margin is not None]
    adjusted = dict(zip(map(id, known), holm([p_value(one) for one in known]), strict=True))
    return [_verdict(one, adjusted.get(id(one)), margin, len(known)) for one in differences]


def p_value(found: Difference) -> float:
    """Return the two-sided p of the t-test for no difference; the spread must be known."""
    error = found.error
    assert error is not None
    if error == 0:
        return 1.0 if found.value == 0 else 0.0
    return float(2 * stdtr(found.freedom, -abs(found.value) / error))


def equal_within(found: Difference, margin: float) -> bool:
    """Return whether two one-sided 5% tests (TOST) show that the difference is smaller than the margin.

    Equivalently, its 90% interval lies within the margin.
    """
    reach = found.reach(EQUAL_LEVEL)
    return reach is not None and abs(found.value) + reach < margin


def holm(values: Sequence[float]) -> list[float]:
    """Return p-values adjusted by Holm's step-down method, which controls the family-wise error rate."""
    order = sorted(range(len(values)), key=lambda place: values[place])
    adjusted, highest = [0.0] * len(values), 0.0
    for rank, place in enumerate(order):
        highest = max(highest, min(1.0, (len(values) - rank) * values[place]))
        adjusted[place] = highest
    return adjusted


def seeds_range(found: Difference, num_compared: int = 1) -> tuple[int, int | None] | None:
    """Return `seeds_to_resolve` at both ends of the 80% interval of the spread."""
    if found.sd is None or found.freedom <= 0:
        return None
    tails = [(1 - SPREAD_LEVEL) / 2, (1 + SPREAD_LEVEL) / 2]
    least, most = (
        replace(found, sd=found.sd * math.sqrt(found.freedom / float(chdtri(found.freedom, tail)))) for tail in tails
    )
    fewest = seeds_to_resolve(least, num_compared)
    return None if fewest is None else (fewest, seeds_to_resolve(most, num_compared))


def seeds_to_resolve(found: Difference, num_compared: int = 1) -> int | None:
    """Return how many seeds per group would show a difference of this size; None where above 1,000 or unknowable.

    They give a power of 80% for this size and spread, at the level of 5% divided by the number of comparisons, the
    strictest that Holm's method can require of any of them.
    """
    if found.sd is None or found.value == 0:
        return None
    size = math.inf if found.sd == 0 else abs(found.value) / found.sd

    # Welch's degrees of freedom for n of each, as a share of those for equal spreads.
    first, second = (sd**2 for sd in found.sds or (1.0, 1.0))
    alike = (first + second) ** 2 / (2 * (first**2 + second**2)) if first + second else 1.0

    def enough(n: int) -> bool:
        return _power(size, n, LEVEL / num_compared, alike, paired=found.paired) >= POWER

    if not enough(MOST_SEEDS):
        return None
    low, high = 1, MOST_SEEDS
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def _power(size: float, n: int, level: float, alike: float, *, paired: bool) -> float:
    if n < 2:
        return 0.0
    freedom, shift = (n - 1, size * math.sqrt(n)) if paired else (alike * (2 * n - 2), size * math.sqrt(n / 2))
    if shift > 30:  # certain, and beyond the range of nctdtr
        return 1.0
    return 1 - float(nctdtr(freedom, shift, stdtrit(freedom, 1 - level / 2)))


def _verdict(found: Difference, adjusted: float | None, margin: float, num_compared: int) -> Verdict:
    if adjusted is None:
        return Verdict("unknown", found, margin)
    p, within = p_value(found), equal_within(found, margin)
    if adjusted < LEVEL:
        return Verdict("lower" if found.value < 0 else "higher", found, margin, p, adjusted, within)
    if within:
        return Verdict("equal", found, margin, p, adjusted, within)
    seeds = seeds_to_resolve(found, num_compared)
    return Verdict("open", found, margin, p, adjusted, within, seeds, seeds_range(found, num_compared))
