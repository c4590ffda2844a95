"""The opening of a report: one row a question with its answer, its size and a link, and all results on one sheet."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from reslab.analysis.groups import Group
from reslab.exhibits.blocks import Block, Column, Link, Prose, Table
from reslab.exhibits.overview import Strip, overview_figure
from reslab.exhibits.wording import counted, listing, opened, points
from reslab.studies.answers import Answer, Effect
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
    rows = tuple(
        (
            Link(entry.found.study.title, entry.found.study.name),
            place + _merged([(answer.where, answer.words) for answer in answers]),
            _sizes(answers) or None,
            _seeds(answers),
        )
        for entry in entries
        for place, answers in (_short(entry.answers),)
    )
    columns = (
        Column("Question", "left"),
        Column("Answer", "left"),
        Column("Size (points, 95% interval)", "left"),
        Column("n", "left"),
    )
    lent = any(one.difference.assumed for entry in entries for answer in entry.answers for one in answer.effects)
    some = any(len(entry.found.compared) > 2 for entry in entries)
    chosen = "  Where many are compared: the lowest error and the largest difference." if some else ""
    one = (
        "Where n is 1, the interval assumes the spread of the runs with several seeds."
        if lent
        else "One seed has no interval."
    )
    return Table(
        "answers",
        "What was found",
        "Last-epoch test error.  The best evidence comes first: full-length training, then several seeds.",
        columns,
        rows,
        (
            f"Sizes are differences in percentage points.{chosen}  {one}  Answers allow for how many are compared; "
            "intervals do not.",
        ),
    )


def _short(answers: Sequence[Answer]) -> tuple[str, list[Answer]]:
    """Return what answers of several networks on one data set have in common, and the answers under the rest."""
    places = [answer.where.split(", ") for answer in answers]
    if len({place[0] for place in places}) > 1 or any(len(place) < 2 for place in places):
        return "", list(answers)
    return f"{places[0][0]}, ", [
        replace(one, where=", ".join(place[1:])) for one, place in zip(answers, places, strict=True)
    ]


def _merged(parts: Sequence[tuple[str, str]]) -> str:
    """Return texts with where each holds, each text once and each place in a line."""
    places: dict[str, list[str]] = {}
    for where, text in parts:
        if text:
            places.setdefault(text, []).append(where)
    wheres = list(dict.fromkeys(listing(dict.fromkeys(where)) for where in places.values()))
    if len(wheres) == 1:
        return f"{wheres[0]}: {'; '.join(places)}"
    return ".\n".join(f"{listing(dict.fromkeys(where))}: {text}" for text, where in places.items())


def _sizes(answers: Sequence[Answer]) -> str:
    """Return the effects, a line for each place and for each error that they are against."""
    several = len({answer.where for answer in answers if answer.effects}) > 1
    lines = []
    for answer in answers:
        for other in dict.fromkeys(map(_against, answer.effects)):
            listed = ", ".join(effect.brief for effect in answer.effects if _against(effect) == other)
            lines.append(f"{f'{answer.where}: ' if several else ''}{listed} against {other}")
    return ";\n".join(lines)


def _against(effect: Effect) -> str:
    """Return what an effect is against, with its mean error: the spread is in the chapter."""
    return f"{effect.other} ({points(effect.first)}%)" if effect.others else effect.other


def _seeds(answers: Sequence[Answer]) -> str:
    """Return how many seeds the two sides of the effects have: the fewest to the most."""
    found = [one.difference for answer in answers for one in answer.effects]
    # A published figure is a first side of one; a base of one seed is no more than the others.
    counts = sorted({one.n_second for one in found} | {one.n_first for one in found if one.n_first > 1})
    return "\N{EN DASH}".join(dict.fromkeys(str(count) for count in counts[:1] + counts[-1:]))


def _limits(entries: Sequence[Entry]) -> list[str]:
    """Return in a sentence what these runs cannot show."""
    groups = [group for entry in entries for group in entry.found.done]
    short = [share for group in groups if not is_full(group) and (share := schedule_share(group)) is not None]
    single = sum(group.num_finished == 1 for group in groups)
    parts = []
    if short:
        seen = " to ".join(dict.fromkeys(f"{100 * share:.2g}%" for share in (min(short), max(short))))
        few = _how_many(len(short), groups)
        parts.append(f"what holds at full length ({few} saw {seen} of the images of the paper's training)")
    if single:
        have = f"{_how_many(single, groups)} settings have one seed"
        parts.append(f"which differences another seed would reverse ({have})")
    return [f"These runs cannot show {' or '.join(parts)}."] if parts else []


def _how_many(number: int, groups: Sequence[Group]) -> str:
    return "all" if number == len(groups) else "most" if 2 * number > len(groups) else "some"


def _introduced(entries: Sequence[Entry]) -> list[str]:
    """Return what the assignment is, where several of its tasks are among the studies."""
    known = {study.name for study in assignment_plan().studies}
    tasks = [entry for entry in entries if entry.found.study.name in known]
    if len(tasks) < 2:
        return []
    return [
        f"{opened(counted(len(tasks), 'question'))} are tasks of the assignment, which is from a university course "
        "on residual networks."
    ]


def _unanswered(entries: Sequence[Entry]) -> list[str]:
    """Return which chapters have no answer yet."""
    titles = [entry.found.study.title.rstrip("?") for entry in entries]
    return [f"Not answered by what has finished: {'; '.join(titles)}."] if titles else []
