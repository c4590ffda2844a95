"""What a chapter is made from: the groups that a study asked, what they show beside each other, and its answers."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from reslab.analysis.comparisons import Compared
from reslab.analysis.groups import Group
from reslab.analysis.verdicts import Verdict
from reslab.exhibits.wording import Label, points, signed, span
from reslab.studies.sentences import placed
from reslab.studies.study import Study
from reslab.studies.words import Words

Groups = Sequence[Group]
Pairs = list[tuple[Group, Group]]
"""Comparisons to be made: each (what with, what)."""

EQUAL = " (90%)"
"""What marks the interval of settings that are equal among those of 95%."""


@dataclass(frozen=True, slots=True)
class Effect:
    """One difference behind an answer, from an error of `first` percent."""

    verdict: Verdict
    first: float
    seeds: tuple[int, ...]
    """Of what it is the difference, and from what; not of published runs."""

    @classmethod
    def of(cls, one: Compared) -> "Effect":
        """Return the effect of a comparison, which must have a verdict on the test error."""
        first = one.first.last_epoch("test_error").mean
        assert one.test is not None
        assert first is not None
        found = one.test.difference
        return cls(one.test, first, (found.n_second, found.n_first))

    @property
    def value(self) -> float:
        """The difference in points."""
        return self.verdict.difference.value


@dataclass(frozen=True, slots=True)
class Answer:
    """What was found in one place, as on a data set: in a dozen words, with the effects behind each part of them."""

    where: str
    words: str
    parts: tuple[tuple[Effect, ...], ...] = ()
    """The effects of which the words give a size or a verdict, in the order of the words."""

    @property
    def effects(self) -> tuple[Effect, ...]:
        """All effects."""
        return tuple(itertools.chain(*self.parts))

    @property
    def intervals(self) -> str:
        """The interval of each part, around all of its effects, as its size is told; "" where none has one."""
        return "; ".join(filter(None, map(_interval, self.parts)))

    @property
    def sentence(self) -> str:
        """The answer with its intervals."""
        known, level = self.intervals, "95%"
        if all(one.verdict.kind == "equal" for one in self.effects):
            known, level = known.replace(EQUAL, ""), "90%"
        told = f" ({level} interval{'s' if '; ' in known else ''}: {known})" if known else ""
        return f"{self.where}: {self.words}{told}."

    @property
    def seeds(self) -> str:
        """How many seeds each setting has: "3", "1 or 2"."""
        counts = sorted({count for one in self.effects for count in one.seeds})
        if not counts:
            return ""
        low, high = counts[0], counts[-1]
        return str(low) if low == high else f"{low} {'or' if high == low + 1 else 'to'} {high}"


def amount(effects: Sequence[Effect]) -> str:
    """Return how large differences are: "3.09 points", "2.77 to 23.62 points"; signed where no direction is shown."""
    if all(one.verdict.resolved for one in effects):
        sizes = sorted(abs(one.value) for one in effects)
        return f"{span(points(sizes[0]), points(sizes[-1]))} points"
    sizes = sorted(one.value for one in effects)
    return f"{span(signed(sizes[0]), signed(sizes[-1]))} points"


def _interval(effects: Sequence[Effect]) -> str:
    """Return the interval around all effects; without signs where resolved, for the words say which is better."""
    found = [one.verdict.difference.ends(one.verdict.level, one.first) for one in effects]
    ends = [end for one in found if one is not None for end in one]
    if not ends or None in found:
        return ""
    if all(one.verdict.resolved for one in effects):
        ends = [abs(end) for end in ends]
        return f"{points(min(ends))} to {points(max(ends))}"
    level = EQUAL if all(one.verdict.kind == "equal" for one in effects) else ""
    return f"{signed(min(ends))} to {signed(max(ends))}{level}"


@dataclass(frozen=True, slots=True)
class Findings:
    """What a chapter is made from: the groups asked, those with a result, and what was compared.

    `label` names a group among those of its data set, `full` among all, `short` by what is varied alone.
    """

    study: Study
    groups: Groups
    compared: Sequence[Compared]
    label: Label
    short: Label
    words: Words
    answers: Sequence[Answer] = ()

    @property
    def done(self) -> list[Group]:
        """The groups with a result."""
        return [group for group in self.groups if group.has_result]

    @property
    def full(self) -> Label:
        """Names a group among all of them."""
        return placed(self.groups, self.label)
