"""Answers as values: what was found in one place, in a dozen words, with the sizes that it rests on."""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from reslab.analysis.comparisons import Compared
from reslab.analysis.groups import Group
from reslab.analysis.verdicts import MARGIN, Verdict
from reslab.exhibits.sizes import size
from reslab.exhibits.wording import (
    Label,
    counted,
    dataset_name,
    interval,
    interval_ends,
    listing,
    network_name,
    number,
    opened,
    signed,
)
from reslab.studies.findings import Findings
from reslab.studies.reasons import untested
from reslab.studies.words import Words

MOST_NAMED = 4
"""Settings that an answer names one by one."""


@dataclass(frozen=True, slots=True)
class Effect:
    """One difference behind an answer: of `what`, such as "8 vs 16 epochs", from an error of `first` percent."""

    what: str
    verdict: Verdict
    first: float
    seeds: tuple[int, ...]
    """Of what it is the difference, and from what; not of published runs."""

    @classmethod
    def of(cls, one: Compared, label: Label) -> "Effect":
        """Return the effect of a comparison, which must have a verdict on the test error."""
        first = one.first.last_epoch("test_error").mean
        assert one.test is not None
        assert first is not None
        found = one.test.difference
        return cls(_pair(label(one.second), label(one.first)), one.test, first, (found.n_second, found.n_first))

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
        parts += [
            f"{f'{opened(one.what)}: ' if len(self.effects) > 1 else ''}{size(one.verdict, one.first)}."
            for one in self.shown
            if len(self.shown) == 1
        ]
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


def by_base(found: Findings, compared: Sequence[Compared] | None = None, label: Label | None = None) -> list[Answer]:
    """Return an answer for each group that others are compared with: which of them are better, which worse.

    `compared` are the comparisons that the answers rest on, where not all of them; `label` names what is varied.
    """
    answers = []
    label, compared = label or found.short, found.compared if compared is None else compared
    for first in found.done:
        own = [one for one in compared if one.first.label == first.label and (one.test or one.second.num_diverged)]
        if own:
            effects = tuple(Effect.of(one, label) for one in own if one.test is not None)
            answers.append(
                Answer(_where(first, own, found.done, label), _words(first, own, label, found.words), effects)
            )
    return answers


def _where(first: Group, own: Sequence[Compared], done: Sequence[Group], label: Label) -> str:
    """Return the data set, and the network where there are several and it is not what is varied."""
    name, dataset = network_name(first.recipe), dataset_name(first.recipe.dataset)
    several = len({network_name(group.recipe) for group in done}) > 1
    same = {network_name(one.second.recipe) for one in own} == {name}
    return f"{dataset}, {name}" if several and same and name not in label(first) else dataset


def _words(first: Group, own: Sequence[Compared], label: Label, words: Words) -> str:
    kinds = {kind: [one.second for one in own if one.test and one.test.kind == kind] for kind in _KINDS}
    best = min([first, *kinds["unknown"]], key=lambda group: group.last_epoch("test_error").mean or 0.0)
    shown = [kind for kind in _SHOWN if kinds[kind]]
    parts = [*([", ".join(shown)] if shown else []), *(kind for kind in _KINDS if kinds[kind] and kind not in shown)]
    keys = [f"and-{part}" if place else part for place, part in enumerate(parts)]
    if untested(own):
        keys = ["untested"]
    elif len(own) > 2 and keys in (["lower"], ["higher"]):
        keys = [f"all-{keys[0]}"]
        kinds = {kind: [] for kind in kinds}
    elif "and-open" in keys and len(kinds["open"]) > 1:
        keys[keys.index("and-open")] = "and-others"
        kinds["open"] = []
    lost = [one.second for one in own if one.second.num_diverged]
    values = {
        **_named(first, kinds, label),
        "best": label(best),
        "margin": number(MARGIN),
        "others": counted(len(own), "other"),
        "lost": listing(f"{label(group)} ({group.num_diverged} of {len(group.seeds)} seeds)" for group in lost),
    }
    return "; ".join(words(f"answer.{key}", **values) for key in [*keys, *(["diverged"] if lost else [])])


_SHOWN = ("lower", "higher")
_KINDS = (*_SHOWN, "equal", "open", "unknown")


def _named(first: Group, kinds: Mapping[str, Sequence[Group]], label: Label) -> dict[str, str]:
    """Return the names of the base and of the settings of each kind; words that all share are said the first time."""
    names = {"base": [label(first)], **{kind: [label(group) for group in own] for kind, own in kinds.items()}}
    head, tail = _shared([name for own in names.values() for name in own])
    earliest = next((kind for kind in _SHOWN if names[kind]), "base")
    found = {}
    for kind, own in names.items():
        listed = listing(name.removeprefix(head).removesuffix(tail) for name in own)
        whole = f"{head}{listed}{tail}" if kind == earliest else listed
        found[kind] = whole if len(own) <= MOST_NAMED else counted(len(own), "other")
    return found


def _pair(second: str, first: str) -> str:
    head, tail = _shared((second, first))
    ends = (name.removeprefix(head).removesuffix(tail) for name in (second, first))
    return f"{head}{' vs '.join(ends)}{tail}"


def _shared(names: Sequence[str]) -> tuple[str, str]:
    """Return the words that all names begin with, and end with: "batch " and " at rate 0.1", "" and " layers"."""
    if any("," in name for name in names):
        return "", ""
    split = [name.split(" ") for name in names]
    room = min(map(len, split)) - 1  # a word or more is a name's own
    head = _common(split)[:room]
    tail = _common([words[::-1] for words in split])[: room - len(head)]
    return "".join(f"{word} " for word in head), "".join(f" {word}" for word in reversed(tail))


def _common(split: Sequence[Sequence[str]]) -> list[str]:
    alike = itertools.takewhile(lambda words: len(set(words)) == 1, zip(*split, strict=False))
    return [words[0] for words in alike]
