"""Answers as values: what was found in one place, in a few words, with the sizes that they rest on."""

from collections.abc import Sequence
from dataclasses import dataclass

from reslab.analysis.comparisons import Compared
from reslab.analysis.differences import Difference
from reslab.analysis.groups import Group
from reslab.analysis.verdicts import MARGIN, Verdict
from reslab.exhibits.sizes import size, verdict_words
from reslab.exhibits.wording import (
    Label,
    counted,
    dataset_name,
    interval,
    listing,
    network_name,
    number,
    signed,
    spread,
)
from reslab.studies.findings import Findings
from reslab.studies.reasons import untested

MOST_NAMED = 4
"""Settings that an answer names one by one."""


@dataclass(frozen=True, slots=True)
class Effect:
    """One difference behind an answer: the error of `what`, and how it stands to that of `other`."""

    what: str
    error: str
    other: str
    """What it is compared with."""
    others: str
    """The error of that, or nothing where its name says it."""
    difference: Difference
    verdict: Verdict | None = None
    first: float | None = None
    """Error of the other, in percent."""

    @classmethod
    def of(cls, one: Compared, label: Label) -> "Effect":
        """Return the effect of a comparison, which must have a verdict on the test error."""
        assert one.test is not None
        mean = one.first.last_epoch("test_error").mean
        error = f"{spread(one.second.last_epoch('test_error'))}%"
        others = f" ({spread(one.first.last_epoch('test_error'))}%)"
        return cls(label(one.second), error, label(one.first), others, one.test.difference, one.test, mean)

    @property
    def brief(self) -> str:
        """The effect for a table's cell: how much, with its interval where it has one."""
        known = interval(self.difference, first=self.first)
        return f"{self.what} {signed(self.difference.value)}{f' ({known})' if known else ''}"

    @property
    def whole(self) -> str:
        """The effect for a sentence: the error, too, and what is shown."""
        found = size(self.difference, self.first) if self.verdict is None else verdict_words(self.verdict, self.first)
        return f"{self.what} {self.error}, {found}"


@dataclass(frozen=True, slots=True)
class Answer:
    """What was found in one place, as on a data set: in a dozen words or fewer, with the effects behind it."""

    where: str
    words: str
    effects: tuple[Effect, ...] = ()
    with_sizes: str = ""
    """The answer with its sizes, where the effects do not say them best."""

    @property
    def sentence(self) -> str:
        """The answer with all its sizes."""
        if self.with_sizes:
            return f"{self.where}: {self.with_sizes}."
        parts = [
            f"Against {other}: {'; '.join(one.whole for one in self.effects if one.other + one.others == other)}."
            for other in dict.fromkeys(one.other + one.others for one in self.effects)
        ]
        return "  ".join([f"{self.where}: {self.words}.", *parts])


def by_base(found: Findings) -> list[Answer]:
    """Return an answer for each group that others are compared with: which of them are lower, which higher."""
    return answers_by_base(found.done, found.compared, found.short)


def answers_by_base(done: Sequence[Group], compared: Sequence[Compared], label: Label) -> list[Answer]:
    """Return an answer for each group of `done` that others are `compared` with; `label` names what is varied."""
    answers = []
    for first in done:
        own = [one for one in compared if one.first.label == first.label and (one.test or one.second.num_diverged)]
        if own:
            networks = {network_name(group.recipe) for group in done}
            same = {network_name(one.second.recipe) for one in own} == {network_name(first.recipe)}
            named = same and len(networks) > 1 and network_name(first.recipe) not in label(first)
            where = dataset_name(first.recipe.dataset) + (f", {network_name(first.recipe)}" if named else "")
            effects = tuple(Effect.of(one, label) for one in _telling(own))
            answers.append(Answer(where, _words(first, own, label), effects))
    return answers


def _words(first: Group, own: Sequence[Compared], label: Label) -> str:
    tested = [one for one in own if one.test is not None]
    lost = [one.second for one in own if one.second.num_diverged]
    diverged = [
        f"diverged with {listing(f'{label(one)} ({one.num_diverged} of {len(one.seeds)} seeds)' for one in lost)}"
    ]
    parts = []
    if untested(own):
        lowest = min([first, *(one.second for one in tested)], key=_error)
        parts = [f"lowest with {label(lowest)}"]
    elif tested:
        kinds = {kind: [one.second for one in tested if one.test and one.test.kind == kind] for kind in _KINDS}
        there = [kind for kind in _KINDS if kinds[kind]]
        if there == ["open"]:
            parts = ["no difference is resolved"]
        elif len(there) == 1:
            parts = [_alike(there[0], [one.second for one in tested], first, label)]
        else:
            known = [kind for kind in there if kind != "open"]
            parts = [f"{_KINDS[kind]} with {_named(kinds[kind], label)}" for kind in known]
            rest = kinds["open"]
            parts += (
                [f"not resolved with {label(rest[0])}" if len(rest) == 1 else "others not resolved"] if rest else []
            )
    return "; ".join([*parts, *(diverged if lost else [])])


def _alike(kind: str, others: Sequence[Group], first: Group, label: Label) -> str:
    """Return what is found where all others stand alike to the first."""
    if len(others) > 2 and kind in ("lower", "higher"):
        end = "lowest" if kind == "higher" else "highest"
        return f"{end} with {label(first)}; all {counted(len(others), 'other')} {kind}"
    return f"{_KINDS[kind]}{'' if kind == 'equal' and len(others) > 1 else f' with {_named(others, label)}'}"


_KINDS = {
    "lower": "lower",
    "higher": "higher",
    "equal": f"equal within {number(MARGIN)} points",
    "open": "not resolved",
    "unknown": "not tested",
}


def _named(groups: Sequence[Group], label: Label) -> str:
    """Return the names of some settings, or how many they are; what all begin or end with is said once."""
    if len(groups) > MOST_NAMED:
        return f"{len(groups)} others"
    names = [label(group) for group in groups]
    head, tail = names[0].split(" ")[0], names[0].split(" ")[-1]
    if tail.isalpha() and all(name.endswith(f" {tail}") for name in names):
        names[:-1] = [name.removesuffix(f" {tail}") for name in names[:-1]]
    elif head.isalpha():
        names[1:] = [name.removeprefix(f"{head} ") for name in names[1:]]
    return listing(names)


def _telling(own: Sequence[Compared]) -> list[Compared]:
    """Return the comparisons that say most: the lowest error of all that others have, and the largest difference."""
    tested = [one for one in own if one.test is not None]
    if len(tested) < 3:
        return tested
    lowest = min(tested, key=lambda one: _error(one.second))
    farthest = max(tested, key=lambda one: abs(one.test.difference.value) if one.test else 0.0)
    return [lowest] if lowest is farthest else [lowest, farthest]


def _error(group: Group) -> float:
    mean = group.last_epoch("test_error").mean
    assert mean is not None
    return mean
