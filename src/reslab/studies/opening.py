"""The opening of a report: a table of answers with sizes and links, and one sheet of charts."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from reslab.analysis.comparable import comparable, is_full, obstacle, schedule_share
from reslab.analysis.groups import Group
from reslab.exhibits.blocks import Block, Column, Link, Prose, Table
from reslab.exhibits.factor_figures import Strip, overview_figure
from reslab.exhibits.wording import dataset_name, listing, network_name, opened, span
from reslab.studies.findings import Answer, Findings
from reslab.studies.plans import assignment_plan


@dataclass(frozen=True, slots=True)
class Entry:
    """What the opening shows of a study."""

    found: Findings
    strip: Strip


def opening(entries: Sequence[Entry]) -> list[Block]:
    """Return the opening of a report on these studies, in their order; [] for fewer than two with answers."""
    told = [entry for entry in entries if entry.found.answers]
    if len(told) < 2:
        return []
    strips = _strips(told)
    figure = overview_figure("overview", strips)
    scope, limits = _limits(entries, told)
    return [
        *([Prose(scope)] if scope else []),
        _table(told, [strip.title for strip in strips]),
        *([Prose(limits)] if limits else []),
        *([figure] if figure is not None else []),
    ]


def _strips(entries: Sequence[Entry]) -> list[Strip]:
    """Return the panels of the studies; a repeated title has the study's name appended."""
    strips: dict[str, Strip] = {}
    for entry in entries:
        title, name = entry.strip.title, entry.found.study.name
        title = f"{title} ({name})" if title in strips else title
        strips[title] = replace(entry.strip, title=title)
    return list(strips.values())


def _table(entries: Sequence[Entry], titles: Sequence[str]) -> Table:
    """Return the table of answers, a row each; only a study's first row names it, by the title of its chart."""
    called = {entry.found.study.name: title for entry, title in zip(entries, titles, strict=True)}
    rows = [
        (
            Link(called[entry.found.study.name], entry.found.study.name) if first else "",
            answer.where,
            f"{opened(answer.words)}.",
            answer.sizes or None,
            answer.seeds or None,
        )
        for entry, answer, first in _once(entries)
    ]
    verdicts = [one for entry in entries for answer in entry.found.answers for one in answer.verdicts]
    words = entries[0].found.words
    intervals = any(verdict.ends for verdict in verdicts)
    size = "Points (95% interval)" if intervals else "Points"
    notes = words(
        "opening.notes",
        intervals=intervals,
        corrected=any(verdict.adjusted != verdict.p for verdict in verdicts),
        equal=any(verdict.kind == "equal" for verdict in verdicts),
    )
    return Table(
        "answers",
        words("opening.title"),
        words(
            "opening.caption",
            beat=any(verdict.resolved for verdict in verdicts),
            open=any(verdict.kind == "open" for verdict in verdicts),
        ),
        tuple(Column(name, "left") for name in ("Study", "Where", "Answer", size, "Seeds each")),
        tuple(rows),
        (notes,),
    )


def _once(entries: Sequence[Entry]) -> Iterator[tuple[Entry, Answer, bool]]:
    """Yield each answer with its study, and whether it is the study's first.

    Answers that an earlier study gave are skipped, unless the study has no others.
    """
    said: set[tuple[str, str]] = set()
    for entry in entries:
        answers = entry.found.answers
        new = [answer for answer in answers if (answer.where, answer.words) not in said] or answers
        said.update((answer.where, answer.words) for answer in new)
        for answer in new:
            yield entry, answer, answer is new[0]


def _limits(entries: Sequence[Entry], told: Sequence[Entry]) -> tuple[str, str]:
    """Return what runs shorter than the paper's cannot show, and what else limits the answers.

    `told` are the entries with an answer.
    """
    groups = [group for entry in entries for group in entry.found.done]
    short = [share for group in groups if not is_full(group) and (share := schedule_share(group)) is not None]
    full: dict[str, dict[str, None]] = {}
    for group in filter(is_full, groups):
        full.setdefault(network_name(group.recipe), {})[dataset_name(group.recipe.dataset)] = None
    names = {study.name for study in assignment_plan().studies}
    tasks = [entry.found for entry in told if entry.found.study.name in names]
    words, answers = told[0].found.words, [answer for entry in told for answer in entry.found.answers]
    scope = words(
        "opening.scope",
        short=_how_many(len(short), groups),
        full="; ".join(f"{network} on {listing(datasets)}" for network, datasets in full.items()),
        seen=span(*(f"{100 * end(short):.2g}%" for end in (min, max) if short)),
    )
    return scope, words(
        "opening.limits",
        assumed=any(one.difference.assumed for answer in answers for one in answer.verdicts),
        tasks=len(tasks),
        compared=any(comparable(found.done) for found in tasks),
        short=any(obstacle(group) == "short" for found in tasks for group in found.done),
        unanswered="; ".join(entry.found.study.title.rstrip("?") for entry in entries if not entry.found.answers),
    )


def _how_many(number: int, groups: Sequence[Group]) -> str:
    if not number:
        return ""
    return "all" if number == len(groups) else "most" if 2 * number > len(groups) else "some"
