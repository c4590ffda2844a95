"""What a chapter is made from: the groups that a study asked, what they show beside each other, and its answers."""

from collections.abc import Sequence
from dataclasses import dataclass

from reslab.analysis.comparisons import Compared
from reslab.analysis.groups import Group
from reslab.analysis.verdicts import Verdict
from reslab.exhibits.wording import Label, points, signed, span
from reslab.studies.sentences import by_dataset, placed
from reslab.studies.study import Study
from reslab.studies.words import Words

Groups = Sequence[Group]
Pairs = list[tuple[Group, Group]]
"""Comparisons to be made: each (what with, what)."""


@dataclass(frozen=True, slots=True)
class Clause:
    """A part of an answer: what is said, and the verdicts that it is said of, which are of one kind."""

    words: str
    verdicts: tuple[Verdict, ...] = ()

    @property
    def size(self) -> str:
        """The difference, or the range of them, in points: without sign where resolved, for the words have it."""
        return self._range([one.difference.value for one in self.verdicts])

    @property
    def interval(self) -> str:
        """The interval of the difference; "" where it has none, or where there are several."""
        ends = self.verdicts[0].ends if len(self.verdicts) == 1 else None
        return "" if ends is None else self._range(ends)

    @property
    def level(self) -> str:
        """The level of the interval."""
        return "90%" if all(one.kind == "equal" for one in self.verdicts) else "95%"

    @property
    def sentence(self) -> str:
        """The words with size and interval."""
        known = f", {self.level} interval {self.interval}" if self.interval else ""
        return f"{self.words} ({self.size} points{known})" if self.verdicts else self.words

    def _range(self, values: Sequence[float]) -> str:
        if all(one.resolved for one in self.verdicts):
            sizes = sorted(map(abs, values))
            return span(points(sizes[0]), points(sizes[-1])) if sizes else ""
        return span(signed(min(values)), signed(max(values)))


@dataclass(frozen=True, slots=True)
class Answer:
    """What was found in one place, as on a data set, in a dozen words."""

    where: str
    clauses: tuple[Clause, ...]

    @property
    def words(self) -> str:
        """What was found, without sizes."""
        return "; ".join(one.words for one in self.clauses)

    @property
    def sizes(self) -> str:
        """The size of each clause, with its interval if it rests on one verdict, as a cell of a table."""
        cells = [one for one in self.clauses if one.verdicts]
        return "; ".join(f"{one.size} ({one.interval})" if one.interval else one.size for one in cells)

    @property
    def sentence(self) -> str:
        """What was found, with sizes and intervals."""
        return f"{self.where}: {'; '.join(one.sentence for one in self.clauses)}."

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        """Those that it rests on."""
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
    """What a chapter is made from: the groups asked, those with a result, and what was compared.

    `label` names a group among those of its data set, `full` among all, `short` by what is varied alone.
    """

    study: Study
    groups: Groups
    compared: Sequence[Compared]
    label: Label
    short: Label
    words: Words
    ordered: bool = True
    """Whether what is varied has an order, from less to more."""
    answers: Sequence[Answer] = ()

    @property
    def done(self) -> list[Group]:
        """The groups with a result."""
        return [group for group in self.groups if group.has_result]

    @property
    def full(self) -> Label:
        """Names a group among all of them."""
        return placed(self.groups, self.label)

    def listed(self, compared: Sequence[Compared]) -> str:
        """List what was compared with a base, by data set where there are several."""
        return by_dataset([one.second for one in compared], self.label, self.done)
