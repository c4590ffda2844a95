"""Differences of errors in words: always with their size, and with what their uncertainty supports."""

from reslab.analysis.verdicts import Verdict
from reslab.exhibits.captions import text
from reslab.exhibits.wording import interval, signed

NOT_SIGNIFICANT = "not significant"
"""What a difference is that is shown neither to be there nor to be small."""


def size(verdict: Verdict) -> str:
    """Return a difference with its interval, or the number of seeds that leaves it without one."""
    return f"{signed(verdict.difference.value)} points ({_certainty(verdict)})"


def verdict_words(verdict: Verdict) -> str:
    """Return a difference with what it supports after correction for how many are compared (see `size`)."""
    return _said("verdict.words", verdict, certainty=_certainty(verdict))


def kind_words(verdict: Verdict) -> str:
    """Return a verdict in the words of a table's cell."""
    return _said("verdict.cell", verdict)


def seeds_needed(verdict: Verdict) -> str:
    """Return between how many seeds would detect a difference of this size, by what their spread may be."""
    fewest, most = verdict.seeds_range or (verdict.seeds, verdict.seeds)
    if fewest is None:
        return "over 1,000"
    return f"{fewest:,}" if fewest == most else f"{fewest:,} to {'over 1,000' if most is None else f'{most:,}'}"


def _certainty(verdict: Verdict) -> str:
    """Return the interval of a difference, or the number of seeds that leaves it without one.

    An interval that rests on the spread of other runs, of a single seed, comes with that number, too.
    """
    found, known = verdict.difference, interval(verdict.ends)
    alike = found.n_first == found.n_second or (found.published and found.n_first == 1)
    seeds = f"n = {found.n_second}" if alike else f"n = {found.n_first} and {found.n_second}"
    if known is None:
        return seeds
    return f"{f'{seeds}, ' if found.assumed else ''}{'90%' if verdict.kind == 'equal' else '95%'} interval {known}"


def _said(name: str, verdict: Verdict, **values: object) -> str:
    return text(name, verdict=verdict, value=verdict.difference.value, needed=seeds_needed(verdict), **values)
