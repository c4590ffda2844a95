"""The opening of a report: one row a question with its answer, its size and a link, and all results on one sheet."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from reslab.exhibits.blocks import Block, Column, Link, Prose, Table
from reslab.exhibits.overview import Strip, overview_figure
from reslab.exhibits.sizes import seeds
from reslab.exhibits.wording import counted, listing, opened, that_do
from reslab.studies.answers import Answer
from reslab.studies.comparable import is_full, schedule_share
from reslab.studies.findings import Findings
from reslab.studies.plans import assignment_plan


@dataclass(frozen=True, slots=True)
class Entry:
    """What the opening tells of a study."""

    found: Findings
    answers: Sequence[Answer]
    strip: Strip

    @property
    def full(self) -> bool:
        """Whether any of its runs is about as long as the paper's training."""
        return any(is_full(group) for group in self.found.done)

    @property
    def seeds(self) -> int:
        """The most seeds that a group of it has."""
        return max((group.num_finished for group in self.found.done), default=0)


def opening(entries: Sequence[Entry]) -> list[Block]:
    """Return the opening of a report on these studies, the best evidence first; nothing below two with a result.

    The best evidence is that of full trainings, and of several seeds.
    """
    told = [entry for entry in entries if entry.answers]
    if len(told) < 2:
        return []
    told.sort(key=lambda entry: (not entry.full, entry.seeds < 2))
    figure = overview_figure("overview", [entry.strip for entry in told])
    sentences = _limits(told) + _introduced(told) + _unanswered([entry for entry in entries if not entry.answers])
    return [
        *([Prose("  ".join(sentences))] if sentences else []),
        _table(told),
        *([figure] if figure is not None else []),
    ]


def _table(entries: Sequence[Entry]) -> Table:
    rows = tuple(
        (
            Link(entry.found.study.title, entry.found.study.name),
            opened(_merged([(answer.where, answer.words) for answer in answers])),
            _sizes(answers) or None,
            _seeds(answers),
        )
        for entry in entries
        for answers in (_short(entry.answers),)
    )
    columns = (
        Column("Question", "left"),
        Column("Answer", "left"),
        Column("Size (points, 95% interval)", "left"),
        Column("n", "left"),
    )
    lent = any(one.difference.assumed for entry in entries for answer in entry.answers for one in answer.effects)
    of_one = "where n is 1, intervals assume the spread of the runs with several seeds"
    caption = (
        "Differences of the last-epoch test error in percentage points; "
        f"{of_one if lent else 'one seed has no interval'}.  Full-length trainings come first, then those of several "
        "seeds."
    )
    return Table("answers", "What was found", caption, columns, rows)


def _short(answers: Sequence[Answer]) -> list[Answer]:
    """Return answers that are all of one data set, of several networks each, under the networks alone."""
    places = [answer.where.split(", ") for answer in answers]
    if len({place[0] for place in places}) > 1 or any(len(place) < 2 for place in places):
        return list(answers)
    return [replace(one, where=", ".join(place[1:])) for one, place in zip(answers, places, strict=True)]


def _merged(parts: Sequence[tuple[str, str]]) -> str:
    """Return texts with where each holds, each text once."""
    places: dict[str, list[str]] = {}
    for where, text in parts:
        if text:
            places.setdefault(text, []).append(where)
    wheres = list(dict.fromkeys(listing(dict.fromkeys(where)) for where in places.values()))
    if len(wheres) == 1:
        return f"{'; '.join(places)} ({wheres[0]})"
    return ".  ".join(f"{listing(dict.fromkeys(where))}: {text}" for text, where in places.items())


def _sizes(answers: Sequence[Answer]) -> str:
    """Return the effects by where they hold, and what they are against: once, where it is the same."""
    parts = [
        (answer.where, other, ", ".join(effect.brief for effect in answer.effects if effect.other == other))
        for answer in answers
        for other in dict.fromkeys(effect.other for effect in answer.effects)
    ]
    same = len({other for _, other, _ in parts}) == 1
    several = len({where for where, _, _ in parts}) > 1
    texts = [
        f"{f'{where}: ' if several else ''}{listed}{'' if same else f' against {other}'}"
        for where, other, listed in parts
    ]
    return "; ".join(texts) + (f"; against {parts[0][1]}" if same else "")


def _seeds(answers: Sequence[Answer]) -> str:
    """Return how many seeds the effects are of, each count once."""
    return "; ".join(
        dict.fromkeys(seeds(one.difference).removeprefix("n = ") for answer in answers for one in answer.effects)
    )


def _limits(entries: Sequence[Entry]) -> list[str]:
    """Return in a sentence what these runs cannot show."""
    groups = [group for entry in entries for group in entry.found.done]
    short = [share for group in groups if not is_full(group) and (share := schedule_share(group)) is not None]
    single = sum(entry.seeds == 1 for entry in entries)
    parts = []
    if short:
        seen = " to ".join(dict.fromkeys(f"{100 * share:.2g}%" for share in (min(short), max(short))))
        few = "all" if len(short) == len(groups) else "most" if 2 * len(short) > len(groups) else "some"
        parts.append(f"what holds at full length ({few} saw {seen} of the images of the paper's training)")
    if single:
        have = that_do(single, "study has", "studies have")
        parts.append(f"which differences another seed would reverse ({have} one seed each)")
    return [f"These runs cannot show {' or '.join(parts)}."] if parts else []


def _introduced(entries: Sequence[Entry]) -> list[str]:
    """Return what the assignment is, where several of its tasks are among the studies."""
    known = {study.name for study in assignment_plan().studies}
    tasks = [entry for entry in entries if entry.found.study.name in known]
    if len(tasks) < 2:
        return []
    return [
        f"{opened(counted(len(tasks), 'question'))} are tasks of the assignment, a university course's on residual "
        "networks: depth is required, the others are options."
    ]


def _unanswered(entries: Sequence[Entry]) -> list[str]:
    """Return which chapters have no answer yet."""
    titles = [entry.found.study.title.rstrip("?") for entry in entries]
    return [f"Not answered by what has finished: {'; '.join(titles)}."] if titles else []
