"""What a chapter is made from: the groups that a study asked, and what they show beside each other."""

from collections.abc import Sequence
from dataclasses import dataclass

from reslab.analysis.comparisons import Compared
from reslab.analysis.groups import Group
from reslab.exhibits.wording import Label
from reslab.studies.sentences import placed
from reslab.studies.study import Study
from reslab.studies.words import Words

Groups = Sequence[Group]
Pairs = list[tuple[Group, Group]]
"""Comparisons to be made: each (what with, what)."""


@dataclass(frozen=True, slots=True)
class Findings:
    """What a chapter is made from: the groups asked, those with a result, and what was compared.

    `label` names a group among those of its data set, `full` among all, `short` by what is varied alone.
    """

    study: Study
    groups: Sequence[Group]
    compared: Sequence[Compared]
    label: Label
    short: Label
    words: Words

    @property
    def done(self) -> list[Group]:
        """The groups with a result."""
        return [group for group in self.groups if group.has_result]

    @property
    def full(self) -> Label:
        """Names a group among all of them."""
        return placed(self.groups, self.label)
