"""What a chapter is made from: the groups that a study asked, what they show beside each other, and its answers."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from reslab.analysis.comparisons import Compared
from reslab.analysis.groups import Group
from reslab.analysis.verdicts import Verdict
from reslab.exhibits.sizes import size
from reslab.exhibits.wording import Label, interval, interval_ends, number, opened, signed
from reslab.studies.sentences import placed
from reslab.studies.study import Study
from reslab.studies.words import Words

Groups = Sequence[Group]
Pairs = list[tuple[Group, Group]]
"""Comparisons to be made: each (what with, what)."""


@dataclass(frozen=True, slots=True)
class Effect:
    """One difference behind an answer: of `what`, such as "8 vs 16 epochs", from an error of `first` percent."""

    what: str
    verdict: Verdict
    first: float
    seeds: tuple[int, ...]
    """Of what it is the difference, and from what; not of published runs."""

    @property
    def value(self) -> float:
        """The size, without its sign."""
        return abs(self.verdict.difference.value)

    @property
    def bound(self) -> float:
        """The end of the interval that is farther from zero; infinite where there is no interval."""
        ends = interval_ends(self.verdict.difference, self.verdict.level, self.first)
        return math.inf if ends is None else max(map(abs, ends))


@dataclass(frozen=True, slots=True)
class Answer:
    """What was found in one place, as on a data set: in a dozen words, with the effects behind it."""

    where: str
    words: str
    effects: tuple[Effect, ...] = ()

    @property
    def shown(self) -> tuple[Effect, ...]:
        """The effect that says most: the largest that is resolved; all of them where none is, but all have bounds."""
        resolved = [one for one in self.effects if one.verdict.resolved]
        if not resolved and all(math.isfinite(one.bound) for one in self.effects):
            return self.effects
        return (max(resolved or self.effects, key=lambda one: one.value),)

    @property
    def size(self) -> str:
        """How large it is, for a table's cell; "" where nothing is compared."""
        if len(self.shown) != 1:
            return f"all within ±{self._within}" if self.shown else ""
        (one,) = self.shown
        known = interval(one.verdict.difference, one.verdict.level, one.first)
        return f"{one.what}: {signed(one.verdict.difference.value)}{f' ({known})' if known else ''}"

    @property
    def sentence(self) -> str:
        """The answer with its size."""
        parts = [f"{self.where}: {self.words}."]
        if len(self.shown) > 1:
            parts.append(f"All differences are within ±{self._within} points.")
        for one in self.shown if len(self.shown) == 1 else ():
            parts.append(f"{f'{opened(one.what)}: ' if len(self.effects) > 1 else ''}{size(one.verdict, one.first)}.")
        return "  ".join(parts)

    @property
    def seeds(self) -> str:
        """How many seeds its size is of, on both sides where they differ."""
        counts = dict.fromkeys(count for one in self.shown for count in one.seeds)
        if len(self.shown) > 1 and len(counts) > 1:
            return f"{min(counts)} to {max(counts)}"
        return " vs ".join(map(str, counts))

    @property
    def _within(self) -> str:
        return number(math.ceil(10 * max(one.bound for one in self.shown)) / 10)


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
