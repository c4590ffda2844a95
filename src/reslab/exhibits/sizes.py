"""Differences of errors in words: always with their size, and with what their uncertainty supports."""

from reslab.analysis.differences import Difference
from reslab.analysis.verdicts import EQUAL_LEVEL, Verdict
from reslab.exhibits.wording import interval, number, signed

NOT_RESOLVED = "not resolved"
"""What a difference is that is shown neither to be there nor to be small."""


def size(found: Difference, first: float | None = None) -> str:
    """Return a difference with its interval, or the number of seeds that leaves it without one.

    `first` is the error (%) that it is a difference to, which bounds the interval.
    """
    return f"{signed(found.value)} points ({certainty(found, first)})"


def certainty(found: Difference, first: float | None = None) -> str:
    """Return the interval of a difference, or the number of seeds that leaves it without one.

    An interval that rests on the spread of other runs, of a single seed, comes with that number, too.
    """
    known = interval(found, first=first)
    if known is None:
        return seeds(found)
    return f"{f'{seeds(found)}, ' if found.assumed else ''}95% interval {known}"


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
            narrow = interval(found, EQUAL_LEVEL, first)
            return f"equal within {margin} points ({signed(found.value)}; 90% interval {narrow})"
        case "open":
            corrected = " once corrected for the number of comparisons" if found.resolved else ""
            known = f"{certainty(found, first)}{_more(verdict)}"
            return f"{signed(found.value)} points, {NOT_RESOLVED}{corrected} ({known})"
        case _:
            small = f", shown to be under {margin} points" if verdict.within else ""
            return f"{size(found, first)}{small}"


def _more(verdict: Verdict) -> str:
    """Return how many seeds would detect a difference of this size, and between which numbers the spread leaves it."""
    if not verdict.seeds:
        return ""
    fewest, most = verdict.seeds_range or (verdict.seeds, verdict.seeds)
    reach = f" ({fewest:,} to {'over 1,000' if most is None else f'{most:,}'})" if fewest != most else ""
    return f"; about {verdict.seeds:,}{reach} seeds each would detect this size with 80% power"


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
            return f"{NOT_RESOLVED} ({f'{verdict.seeds:,}' if verdict.seeds else 'over 1,000'} seeds)"
