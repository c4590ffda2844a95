"""Answers of studies that compare groups with a base: what beat it, what it beat, and what is not shown."""

import itertools
from collections.abc import Sequence

from reslab.analysis.comparable import epochs_of, obstacle
from reslab.analysis.comparisons import Compared
from reslab.analysis.groups import Group, lowest
from reslab.analysis.reasons import untested
from reslab.analysis.verdicts import MARGIN
from reslab.exhibits.wording import Label, counted, dataset_name, listing, network_name, number, of_seeds
from reslab.studies.findings import Answer, Clause, Findings
from reslab.studies.sentences import epochs_words
from reslab.studies.words import Words

MOST_NAMED = 4
"""Most settings that an answer names one by one."""


def by_base(
    found: Findings,
    compared: Sequence[Compared] | None = None,
    label: Label | None = None,
    at: Label | None = None,
) -> list[Answer]:
    """Return an answer for each group that others are compared with: which of them are better, and which worse.

    `compared` are the comparisons behind the answers, by default all; `label` names what is varied and `at`, where
    given, what is kept fixed.
    """
    answers = []
    label, compared = label or found.short, found.compared if compared is None else compared
    for first in found.done:
        asked = [one for one in compared if one.first.label == first.label]
        if own := [one for one in asked if one.test or one.second.num_diverged]:
            where = _where(first, own, found.done, label, at)
            answers.append(_answer(where, first, own, label, found.words, is_all=len(own) == len(asked)))
    return answers


def _where(first: Group, own: Sequence[Compared], done: Sequence[Group], label: Label, at: Label | None) -> str:
    """Return the data set, the network if there are several and it is not varied, and the length if short.

    With `at`, what it says is kept fixed takes the network's place.
    """
    name, dataset = network_name(first.recipe), dataset_name(first.recipe.dataset)
    several = len({network_name(group.recipe) for group in done}) > 1
    same = {network_name(one.second.recipe) for one in own} == {name}
    kept = at(first) if at is not None else name if several and same and name not in label(first) else ""
    where = f"{dataset}, {kept}" if kept else dataset
    lengths = {epochs_of(group) for group in (first, *(one.second for one in own))}
    short = len(lengths) == 1 and obstacle(first) == "short"
    return f"{where}, {epochs_words(first)}" if short else where


def _answer(where: str, first: Group, own: Sequence[Compared], label: Label, words: Words, *, is_all: bool) -> Answer:
    """Return the answer for a base: a clause for each kind of verdict, the better settings first.

    `is_all` says whether every intended comparison with it is among these.
    """
    kinds = {kind: [one for one in own if one.kind == kind] for kind in _KINDS}
    kinds["diverged"] = [one for one in own if one.second.num_diverged]
    around = _shared([label(group) for group in (first, *(one.second for one in own))])
    clauses: list[Clause] = []
    for kind, those in kinds.items():
        if not those:
            continue
        key = _ALL[kind] if kind in _ALL and is_all and len(those) == len(own) > 2 else kind
        told, settings = those, [one.second for one in those]
        if kind == "unknown" and untested(own):
            key, settings = "untested", lowest([first, *settings])
            told = [one for one in those if one.second.label in [group.label for group in settings]]
        base_leads = not clauses and (key in _BASE_LEADS or len(settings) > MOST_NAMED)
        values = {
            "names": _named(settings, label, around, whole=not clauses and not base_leads, lost=kind == "diverged"),
            "base": _named([first], label, around, whole=base_leads),
            "others": counted(len(own), "other"),
            "margin": number(MARGIN),
            "tied": len(settings) > 1,
            "single": all(group.num_finished == 1 for one in own for group in (one.first, one.second)),
        }
        verdicts = (one.test for one in told if one.test and kind != "diverged")
        clauses.append(Clause(words(f"answer.{key}", **values), tuple(verdicts)))
    return Answer(where, tuple(clauses))


_KINDS = ("lower", "higher", "equal", "open", "unknown")
_ALL = {"lower": "all-lower", "higher": "all-higher", "open": "none"}
"""Clauses for when all comparisons have the same verdict."""

_BASE_LEADS = ("higher", *_ALL.values())
"""Clauses that name the base first, or only the base."""


def _named(groups: Sequence[Group], label: Label, around: tuple[str, str], *, whole: bool, lost: bool = False) -> str:
    """Return the groups' names in a list, or only their number where there are many.

    The prefix and suffix that names share (`around`) are left off each, and put around the list where `whole`.  Where
    `lost`, each name has how many of its seeds diverged.
    """
    if len(groups) > MOST_NAMED:
        return counted(len(groups), "other")
    head, tail = around
    short = [label(group).removeprefix(head).removesuffix(tail) for group in groups]
    if lost:
        counts = [f" ({of_seeds(group.num_diverged, group)})" for group in groups]
        short = [f"{name}{count}" for name, count in zip(short, counts, strict=True)]
    return f"{head}{listing(short)}{tail}" if whole else listing(short)


def _shared(names: Sequence[str]) -> tuple[str, str]:
    """Return the words that all names begin and end with, as in "batch " and " at rate 0.1", "" and " layers"."""
    if any("," in name for name in names):
        return "", ""
    split = [name.split(" ") for name in names]
    room = min(map(len, split)) - 1  # leaves every name at least one word
    head = _common(split)[:room]
    tail = _common([words[::-1] for words in split])[: room - len(head)]
    return "".join(f"{word} " for word in head), "".join(f" {word}" for word in reversed(tail))


def _common(split: Sequence[Sequence[str]]) -> list[str]:
    alike = itertools.takewhile(lambda words: len(set(words)) == 1, zip(*split, strict=False))
    return [words[0] for words in alike]
