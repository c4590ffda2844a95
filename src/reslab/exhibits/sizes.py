"""Differences of errors in words: always with their size, and with what their uncertainty supports."""

from reslab.analysis.differences import Difference
from reslab.analysis.verdicts import Verdict
from reslab.exhibits.wording import interval, number, signed

NOT_RESOLVED = "not resolved"
"""What a difference is that is shown neither to be there nor to be small."""


def size(verdict: Verdict, first: float | None = None) -> str:
    """Return a difference with its interval, or the number of seeds that leaves it without one.

    `first` is the error (%) that it is a difference to, which bounds the interval.
    """
    return f"{signed(verdict.difference.value)} points ({certainty(verdict, first)})"


def certainty(verdict: Verdict, first: float | None = None) -> str:
    """Return the interval of a difference, or the number of seeds that leaves it without one.

    An interval that rests on the spread of other runs, of a single seed, comes with that number, too.
    """
    found, known = verdict.difference, interval(verdict.difference, verdict.level, first)
    if known is None:
        return seeds(found)
    level = "90%" if verdict.kind == "equal" else "95%"
    return f"{f'{seeds(found)}, ' if found.assumed else ''}{level} interval {known}"


def seeds(found: Difference) -> str:
    """Return how many seeds a difference is of, on both sides where they differ."""
    if found.n_first in (1, found.n_second):
        return f"n = {found.n_second}"
    return f"n = {found.n_first} and {found.n_second}"


def verdict_words(verdict: Verdict, first: float | None = None) -> str:
    """Return a difference with what it supports after correction for how many are compared (see `size`)."""
    found, margin = verdict.difference, number(verdict.margin)
    match verdict.kind:
        case "equal":
            return f"equal within {margin} points ({signed(found.value)}; {certainty(verdict, first)})"
        case "open":
            return f"{signed(found.value)} points, {NOT_RESOLVED} ({certainty(verdict, first)}{_more(verdict)})"
        case _:
            small = f", shown to be under {margin} points" if verdict.within else ""
            return f"{size(verdict, first)}{small}"


def _more(verdict: Verdict) -> str:
    """Return how many seeds would detect a difference of this size."""
    if not verdict.seeds:
        return ""
    known = seeds_needed(verdict)
    reach = f" ({known})" if " to " in known else ""
    return f"; about {verdict.seeds:,}{reach} seeds each would detect this size with 80% power"


def seeds_needed(verdict: Verdict) -> str:
    """Return between how many seeds would detect a difference of this size, by what their spread may be."""
    if not verdict.seeds:
        return "over 1,000"
    fewest, most = verdict.seeds_range or (verdict.seeds, verdict.seeds)
    return f"{fewest:,}" if fewest == most else f"{fewest:,} to {'over 1,000' if most is None else f'{most:,}'}"


def kind_words(verdict: Verdict) -> str:
    """Return a verdict in the words of a table's cell."""
    match verdict.kind:
        case "lower" | "higher":
            return f"{verdict.kind}, by less than {number(verdict.margin)} points" if verdict.within else verdict.kind
        case "equal":
            return f"equal within {number(verdict.margin)} points"
        case "unknown":
            return "one seed, not tested"
        case "open":
            return f"{NOT_RESOLVED} ({seeds_needed(verdict)} seeds)"
