"""What a chapter is made from: a study's groups, their comparisons, and the answers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from reslab.analysis.comparable import is_full
from reslab.analysis.comparisons import Compared
from reslab.analysis.groups import Group
from reslab.analysis.verdicts import Verdict
from reslab.exhibits.wording import Label, signed, span
from reslab.studies.sentences import by_dataset, placed
from reslab.studies.study import Study
from reslab.studies.words import Words

MOST_SIZES = 2
"""Most differences that a clause lists one by one."""

Groups = Sequence[Group]
Pairs = list[tuple[Group, Group]]
"""Comparisons to be made, as (base, what is compared with it)."""


@dataclass(frozen=True, slots=True)
class Clause:
    """A part of an answer: its words, and the verdicts behind them, all of one kind."""

    words: str
    verdicts: tuple[Verdict, ...] = ()

    @property
    def sizes(self) -> str:
        """The differences in points with their intervals, as a cell of a table; the range if there are many."""

        def told(size: str, ends: str, level: str) -> str:
            marked = ends if level == "95%" else f"{ends}, {level}"
            return f"{size} ({marked})".replace(" ", "\N{NO-BREAK SPACE}")

        return self._sizes(told)

    @property
    def sentence(self) -> str:
        """The words with sizes and intervals."""
        sizes = self._sizes(lambda size, ends, level: f"{size} points, {level} interval {ends}")
        unit = " points" if sizes and "points" not in sizes else ""
        return f"{self.words} ({sizes}{unit})" if sizes else self.words

    def _sizes(self, told: Callable[[str, str, str], str]) -> str:
        """Return the differences, each formatted by `told` from its size, its interval and the interval's level.

        Resolved ones have no sign: the words give the direction.
        """
        resolved = all(one.resolved for one in self.verdicts)

        def written(value: float) -> str:
            return signed(abs(value)).removeprefix("+") if resolved else signed(value)

        values = sorted((one.difference.value for one in self.verdicts), key=abs if resolved else None)
        if len(values) > MOST_SIZES:
            return f"estimates {span(written(values[0]), written(values[-1]))}"
        parts = []
        for one in self.verdicts:
            size, level = written(one.difference.value), "90%" if one.kind == "equal" else "95%"
            ends = one.ends and sorted(one.ends, key=abs if resolved else None)
            parts.append(told(size, span(*map(written, ends)), level) if ends else size)
        return "; ".join(parts)


@dataclass(frozen=True, slots=True)
class Answer:
    """What was found in one place, such as a data set, in a dozen words."""

    where: str
    clauses: tuple[Clause, ...]

    @property
    def words(self) -> str:
        """What was found, without sizes."""
        return "; ".join(one.words for one in self.clauses)

    @property
    def sizes(self) -> str:
        """The sizes of all clauses, as a cell of a table."""
        return "; ".join(one.sizes for one in self.clauses if one.verdicts)

    @property
    def sentence(self) -> str:
        """What was found, with sizes and intervals."""
        return f"{self.where}: {'; '.join(one.sentence for one in self.clauses)}."

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        """The verdicts behind the answer."""
        return tuple(verdict for one in self.clauses for verdict in one.verdicts)

    @property
    def seeds(self) -> str:
        """How many seeds each setting has: "3", "1 or 2"."""
        counts = sorted({count for one in self.verdicts for count in one.difference.seeds})
        if not counts:
            return ""
        low, high = counts[0], counts[-1]
        return str(low) if low == high else f"{low} {'or' if high == low + 1 else 'to'} {high}"


@dataclass(frozen=True, slots=True)
class Findings:
    """What a chapter is made from: a study's groups, their comparisons, and the answers.

    `label` names a group among those on its data set, `full` among all, `short` only by what is varied.
    """

    study: Study
    groups: Groups
    compared: Sequence[Compared]
    label: Label
    short: Label
    words: Words
    ordered: bool = True
    """Whether what is varied is ordered, from less to more."""
    answers: Sequence[Answer] = ()
    across: Sequence[Compared] = ()
    """Comparisons between data sets."""

    @property
    def done(self) -> list[Group]:
        """The groups with a result."""
        return [group for group in self.groups if group.has_result]

    @property
    def in_full(self) -> bool:
        """Whether any group trained as long as the paper's networks: such studies come first in a report."""
        return any(map(is_full, self.done))

    @property
    def bases(self) -> list[Group]:
        """The groups that others are compared with, each once."""
        return list({one.first.label: one.first for one in self.compared}.values())

    @property
    def full(self) -> Label:
        """Names a group among all of them."""
        return placed(self.groups, self.label)

    def listed(self, compared: Sequence[Compared]) -> str:
        """List the groups compared with a base, by data set where there are several."""
        return by_dataset(list({one.second.label: one.second for one in compared}.values()), self.label, self.done)
