"""The answers of a study whose groups are compared with a base: what is better than it, and what is worse."""

import itertools
from collections.abc import Mapping, Sequence

from reslab.analysis.comparisons import Compared
from reslab.analysis.groups import Group
from reslab.analysis.reasons import untested
from reslab.analysis.verdicts import MARGIN
from reslab.exhibits.wording import Label, counted, dataset_name, listing, network_name, number
from reslab.studies.findings import Answer, Effect, Findings
from reslab.studies.words import Words

MOST_NAMED = 4
"""Settings that an answer names one by one."""


def by_base(found: Findings, compared: Sequence[Compared] | None = None, label: Label | None = None) -> list[Answer]:
    """Return an answer for each group that others are compared with: which of them are better, which worse.

    `compared` are the comparisons that the answers rest on, where not all of them; `label` names what is varied.
    """
    answers = []
    label, compared = label or found.short, found.compared if compared is None else compared
    for first in found.done:
        own = [one for one in compared if one.first.label == first.label and (one.test or one.second.num_diverged)]
        if own:
            effects = tuple(effect(one, label) for one in own if one.test is not None)
            where = _where(first, own, found.done, label)
            answers.append(Answer(where, _words(first, own, label, found.words), effects))
    return answers


def effect(one: Compared, label: Label) -> Effect:
    """Return the effect of a comparison, which must have a verdict on the test error."""
    first = one.first.last_epoch("test_error").mean
    assert one.test is not None
    assert first is not None
    names = (label(one.second), label(one.first))
    head, tail = _shared(names)
    what = f"{head}{' vs '.join(_bare(names, head, tail))}{tail}"
    return Effect(what, one.test, first, (one.test.difference.n_second, one.test.difference.n_first))


def _where(first: Group, own: Sequence[Compared], done: Sequence[Group], label: Label) -> str:
    """Return the data set, and the network where there are several and it is not what is varied."""
    name, dataset = network_name(first.recipe), dataset_name(first.recipe.dataset)
    several = len({network_name(group.recipe) for group in done}) > 1
    same = {network_name(one.second.recipe) for one in own} == {name}
    return f"{dataset}, {name}" if several and same and name not in label(first) else dataset


_SHOWN = ("lower", "higher")
_KINDS = (*_SHOWN, "equal", "open", "unknown")


def _words(first: Group, own: Sequence[Compared], label: Label, words: Words) -> str:
    """Return which settings are better than the first, which worse, and what is not shown; then which diverged."""
    kinds = {kind: [one.second for one in own if one.kind == kind] for kind in _KINDS}
    best = min([first, *kinds["unknown"]], key=lambda group: group.last_epoch("test_error").mean or 0.0)
    shown = ", ".join(kind for kind in _SHOWN if kinds[kind])
    parts = [part for part in (shown, *(kind for kind in _KINDS[2:] if kinds[kind])) if part]
    keys = [*parts[:1], *(f"and-{part}" for part in parts[1:])]
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


def _named(first: Group, kinds: Mapping[str, Sequence[Group]], label: Label) -> dict[str, str]:
    """Return the names of the base and of the settings of each kind; words that all share are said the first time."""
    names = {"base": [label(first)], **{kind: [label(group) for group in own] for kind, own in kinds.items()}}
    head, tail = _shared([name for own in names.values() for name in own])
    earliest = next((kind for kind in _SHOWN if names[kind]), "base")
    found = {}
    for kind, own in names.items():
        listed = listing(_bare(own, head, tail))
        whole = f"{head}{listed}{tail}" if kind == earliest else listed
        found[kind] = whole if len(own) <= MOST_NAMED else counted(len(own), "other")
    return found


def _bare(names: Sequence[str], head: str, tail: str) -> list[str]:
    return [name.removeprefix(head).removesuffix(tail) for name in names]


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
    """Return the words that all begin with."""
    alike = itertools.takewhile(lambda words: len(set(words)) == 1, zip(*split, strict=False))
    return [words[0] for words in alike]
