"""The opening of a report: a row for each place of a question, with answer, size and link; and one sheet of charts."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from reslab.analysis.comparable import is_full, schedule_share
from reslab.analysis.groups import Group
from reslab.exhibits.blocks import Block, Column, Link, Prose, Table
from reslab.exhibits.factor_figures import Strip, overview_figure
from reslab.exhibits.wording import counted, opened, span
from reslab.studies.findings import Answer, Findings
from reslab.studies.plans import assignment_plan


@dataclass(frozen=True, slots=True)
class Entry:
    """What the opening tells of a study."""

    found: Findings
    strip: Strip

    @property
    def answers(self) -> Sequence[Answer]:
        """What the study found, an answer a place."""
        return self.found.answers

    @property
    def full(self) -> bool:
        """Whether any of its runs is about as long as the paper's training."""
        return any(is_full(group) for group in self.found.done)


def opening(entries: Sequence[Entry]) -> list[Block]:
    """Return the opening of a report on these studies, full trainings first; nothing below two with a result."""
    told = sorted((entry for entry in entries if entry.answers), key=lambda entry: not entry.full)
    if len(told) < 2:
        return []
    figure = overview_figure("overview", _strips(told))
    sentences = _limits(told) + _introduced(told) + _unanswered([entry for entry in entries if not entry.answers])
    return [
        _table(told),
        *([Prose("  ".join(sentences))] if sentences else []),
        *([figure] if figure is not None else []),
    ]


def _strips(entries: Sequence[Entry]) -> list[Strip]:
    """Return the panels of the studies; a title that an earlier study has, too, is told apart by the study's name."""
    strips: dict[str, Strip] = {}
    for entry in entries:
        title, name = entry.strip.title, entry.found.study.name
        title = f"{title} ({name})" if title in strips else title
        strips[title] = replace(entry.strip, title=title)
    return list(strips.values())


def _table(entries: Sequence[Entry]) -> Table:
    """Return the answers, a row each; the cell of a question is empty below its first row."""
    rows = [
        (
            Link(entry.found.study.title, entry.found.study.name) if first else "",
            answer.where,
            f"{opened(answer.words)}.",
            answer.sizes or None,
            answer.seeds or None,
        )
        for entry, answer, first in _once(entries)
    ]
    verdicts = [one.verdict for entry in entries for answer in entry.answers for one in answer.effects]
    notes = ["Points: differences of the error in percentage points, in the order of the answer."]
    if any(verdict.adjusted != verdict.p for verdict in verdicts):
        notes.append("Verdicts and intervals allow for the number of comparisons in each study.")
    if any(verdict.difference.assumed for verdict in verdicts):
        notes.append("Settings with one seed are assumed to vary as those with several do.")
    caption = "A beat B: its final test error is lower by more than chance explains."
    if any(verdict.kind == "open" for verdict in verdicts):
        caption += "  Not resolved: too few seeds to say which is better."
    return Table(
        "answers",
        "What was found",
        caption,
        (*(Column(name, "left") for name in ("Question", "Where", "Answer", "Points (95% interval)", "Seeds each")),),
        tuple(rows),
        ("  ".join(notes),),
    )


def _once(entries: Sequence[Entry]) -> Iterator[tuple[Entry, Answer, bool]]:
    """Yield each answer with its study, and whether it is the first of it; not what an earlier study has said."""
    said: set[tuple[str, str]] = set()
    for entry in entries:
        new = [answer for answer in entry.answers if (answer.where, answer.words) not in said] or entry.answers
        said.update((answer.where, answer.words) for answer in new)
        for answer in new:
            yield entry, answer, answer is new[0]


def _limits(entries: Sequence[Entry]) -> list[str]:
    """Return in a sentence what these runs cannot show."""
    groups = [group for entry in entries for group in entry.found.done]
    short = [share for group in groups if not is_full(group) and (share := schedule_share(group)) is not None]
    single = sum(group.num_finished == 1 for group in groups)
    parts = []
    if short:
        seen = span(*(f"{100 * share:.2g}%" for share in (min(short), max(short))))
        few = _how_many(len(short), groups)
        parts.append(f"what holds at full length, as {few} saw only {seen} as many images as the paper's training")
    if single:
        parts.append(f"what another seed would reverse, as {_how_many(single, groups)} settings have only one")
    return [f"These runs cannot show {', nor '.join(parts)}."] if parts else []


def _how_many(number: int, groups: Sequence[Group]) -> str:
    return "all" if number == len(groups) else "most" if 2 * number > len(groups) else "some"


def _introduced(entries: Sequence[Entry]) -> list[str]:
    """Return what the assignment is, where several of its tasks are among the studies."""
    known = {study.name for study in assignment_plan().studies}
    tasks = [entry for entry in entries if entry.found.study.name in known]
    if len(tasks) < 2:
        return []
    return [
        f"{opened(counted(len(tasks), 'question'))} come from the assignment of a university course on residual "
        "networks."
    ]


def _unanswered(entries: Sequence[Entry]) -> list[str]:
    """Return which chapters have no answer yet."""
    titles = [entry.found.study.title.rstrip("?") for entry in entries]
    return [f"Not answered by what has finished: {'; '.join(titles)}."] if titles else []
