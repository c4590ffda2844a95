"""Differences of errors in words, always with their size and with what their uncertainty supports."""

from reslab.analysis.verdicts import Verdict
from reslab.exhibits.captions import text
from reslab.exhibits.wording import interval, signed

NOT_SIGNIFICANT = "not significant"
"""Words for a difference that is shown neither to exist nor to be small."""


def size(verdict: Verdict) -> str:
    """Return a difference with its interval, or with the number of seeds where these are too few for one."""
    return f"{signed(verdict.difference.value)} points ({_certainty(verdict)})"


def verdict_words(verdict: Verdict) -> str:
    """Return a difference with its verdict, corrected for the number of comparisons (see `size`)."""
    return _said("verdict.words", verdict, certainty=_certainty(verdict))


def kind_words(verdict: Verdict) -> str:
    """Return a verdict in words for a table's cell."""
    return _said("verdict.cell", verdict)


def seeds_needed(verdict: Verdict) -> str:
    """Return how many seeds would detect a difference of this size, as a range over what the spread may be."""
    fewest, most = verdict.seeds_range or (verdict.seeds, verdict.seeds)
    if fewest is None:
        return "over 1,000"
    return f"{fewest:,}" if fewest == most else f"{fewest:,} to {'over 1,000' if most is None else f'{most:,}'}"


def _certainty(verdict: Verdict) -> str:
    """Return the interval of a difference, or the number of seeds where these are too few for one.

    An interval for a single seed, which assumes the spread of other runs, comes with the number of seeds, too.
    """
    found, known = verdict.difference, interval(verdict.ends)
    alike = found.n_first == found.n_second or (found.published and found.n_first == 1)
    seeds = f"n = {found.n_second}" if alike else f"n = {found.n_first} and {found.n_second}"
    if known is None:
        return seeds
    return f"{f'{seeds}, ' if found.assumed else ''}{'90%' if verdict.kind == 'equal' else '95%'} interval {known}"


def _said(name: str, verdict: Verdict, **values: object) -> str:
    return text(name, verdict=verdict, value=verdict.difference.value, needed=seeds_needed(verdict), **values)
