"""Numbers and names as readers expect them: units, signs, lists and usual names."""

import math
from collections.abc import Iterable, Sequence
from typing import Literal

from reslab.analysis.groups import Group
from reslab.analysis.groups import Label as Label  # noqa: PLC0414 (these are offered here, too)
from reslab.analysis.summary import Summary
from reslab.naming import dataset_name as dataset_name  # noqa: PLC0414
from reslab.naming import network_name as network_name  # noqa: PLC0414
from reslab.naming import number as number  # noqa: PLC0414

Reading = Literal["train", "test"]
"""One of the two errors of a network."""

ERRORS: dict[Reading, str] = {"train": "Training error (%)", "test": "Test error (%)"}
"""The title of an axis for either."""

MINUS = "\N{MINUS SIGN}"

_NUMERALS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")


def points(value: float | None) -> str | None:
    """Return an error, or a difference of errors, with two decimals; None stays None."""
    return None if value is None else _minus(f"{value:z.2f}")


def spread(summary: Summary) -> str | None:
    """Return mean ± standard deviation, as far as known."""
    if summary.mean is None:
        return None
    return f"{summary.mean:.2f}" if summary.sd is None else f"{summary.mean:.2f} ± {summary.sd:.2f}"


def with_n(summary: Summary) -> str | None:
    """Return mean ± standard deviation with the number of seeds."""
    text = spread(summary)
    return None if text is None else f"{text} (n = {summary.n})"


def signed(value: float) -> str:
    """Return a difference with two decimals and a sign, unless it rounds to zero."""
    text = points(value) or ""
    return text if text.startswith(MINUS) or text == points(0) else f"+{text}"


def interval(ends: tuple[float, float] | None) -> str | None:
    """Return the interval of a difference from its ends; None, for an unknown one, stays None."""
    return None if ends is None else f"{signed(ends[0])} to {signed(ends[1])}"


def of_asked(group: Group) -> str:
    """Return how many runs of a group have finished, with the total where some have not: "3", "2 of 3"."""
    done, asked = group.num_finished, len(group.seeds)
    return str(done) if done == asked else f"{done} of {asked}"


def of_seeds(some: int, group: Group) -> str:
    """Return `some` of a group's seeds in words, as in "2 of 3 seeds"."""
    asked = len(group.seeds)
    return f"{some} of {asked} seed{'s' * (asked != 1)}"


def whole(value: int | None) -> str | None:
    """Return a count with thousands separators; None stays None."""
    return None if value is None else f"{value:,}"


def evenly(values: Sequence[float | None]) -> list[str | None]:
    """Return a column's figures with equal decimals, four at most: enough for two digits of the smallest."""
    sizes = [abs(value) for value in values if value]
    decimals = min(4, max(0, 1 - math.floor(math.log10(min(sizes))))) if sizes else 0
    return [None if value is None else _minus(f"{value:,.{decimals}f}") for value in values]


def settings(values: Sequence[float | None]) -> list[str | None]:
    """Return a column's settings with equal decimals, as many as the longest needs: 0.10, 0.05."""
    decimals = max((len(number(value).partition(".")[2]) for value in values if value is not None), default=0)
    return [None if value is None else _minus(f"{value:,.{decimals}f}") for value in values]


def percent(value: float) -> str:
    """Return a fraction in percent."""
    return f"{100 * value:.3g}%"


def span(*ends: str | None) -> str:
    """Return a range in words, "3.2 to 4.1"; a single end where both read the same, "" where none is known."""
    return " to ".join(dict.fromkeys(end for end in ends if end is not None))


def listing(items: Iterable[str]) -> str:
    """Return a list in words: a, b and c; or, where an item contains a comma: a, b; and c."""
    words = list(items)
    if len(words) < 2:
        return "".join(words)
    comma, last = ("; ", "; and ") if any(", " in word for word in words) else (", ", " and ")
    return last.join([comma.join(words[:-1]), words[-1]])


def numeral(number_of: int) -> str:
    """Return a small number in words, a larger one in digits: three, 18."""
    return _NUMERALS[number_of] if 0 <= number_of < len(_NUMERALS) else f"{number_of:,}"


def counted(number_of: int, noun: str, plural: str | None = None) -> str:
    """Return a small number in words with its noun: three seeds, one run, 18 runs."""
    name = noun if number_of == 1 else plural or f"{noun}s"
    return f"{numeral(number_of)} {name}"


def that_do(number_of: int, one: str, more: str) -> str:
    """Return how many do something: none shows, one shows, two show."""
    return f"{'none' if number_of == 0 else numeral(number_of)} {one if number_of < 2 else more}"


def seeds_named(seeds: Sequence[int]) -> str:
    """Return which seeds: seed 0, seeds 0 and 1."""
    return f"seed{'s' if len(seeds) != 1 else ''} {listing(map(str, seeds))}"


def of_length(length: float, unit: str) -> str:
    """Return a length of training in words: 164 epochs, 1 epoch, 64,000 iterations."""
    return f"{number(round(length, 2))} {unit.removesuffix('s') if length == 1 else unit}"


def seeds_behind(counts: Sequence[int]) -> str:
    """Return how many seeds are behind some means: three seeds, one to three seeds."""
    low, high = min(counts), max(counts)
    if low == high:
        return counted(high, "seed")
    return f"{numeral(low)} {'or' if high == low + 1 else 'to'} {counted(high, 'seed')}"


def over_seeds(groups: Sequence[Group]) -> str:
    """Return what the errors in a table are: means and standard deviations, or of one seed each."""
    if any(group.num_finished > 1 for group in groups):
        return "mean ± sample standard deviation over the finished seeds"
    return "of one seed each"


def p_words(value: float | None) -> str | None:
    """Return a p-value to the digits that matter, without rounding one below 5% up to it; None stays None."""
    if value is None:
        return None
    if 0.0495 <= value < 0.05:
        return f"{min(value, 0.0499):.4f}"
    return "< 0.001" if value < 0.001 else f"{value:.3f}" if value < 0.1 else f"{value:.2f}"


def uncapitalised(text: str) -> str:
    """Return a title without its capital, for use within a sentence."""
    return text[:1].lower() + text[1:]


def opened(text: str) -> str:
    """Return a text with a capital at its start."""
    return text[:1].upper() + text[1:]


def _minus(text: str) -> str:
    return text.replace("-", MINUS)
