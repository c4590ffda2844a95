"""Put a report together from the run directories: the studies asked, runs beside them, the appendix."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import polars as pl

from reslab import __version__
from reslab.analysis.tidy import Tables, read_tables, select
from reslab.errors import ResLabError, nearest
from reslab.exhibits.blocks import Block, Command, Note, Prose
from reslab.exhibits.wording import counted, opened
from reslab.report.appendix import appendix, unreadable
from reslab.report.document import Document, Section
from reslab.report.notes import FIRST, NAME, read_notes
from reslab.report.references import cited
from reslab.report.repeated import said_once
from reslab.studies.catalogue import chapter_of, reworded, studies_of
from reslab.studies.chapter import find, strip, write
from reslab.studies.opening import Entry, opening
from reslab.studies.plans import assignment_plan
from reslab.studies.questions import QUESTIONS
from reslab.studies.study import Study


def compose(
    runs_root: Path,
    names: Sequence[str] | None = None,
    *,
    title: str | None = None,
    author: str | None = None,
    data_root: Path | None = None,
) -> Document:
    """Return the report on these studies, or on everything below the folder of all runs.

    Images that it shows are looked for in `data_root`, as training looks for them.  Without a title the report gets
    its own.  A name that was never asked raises `ResLabError`.
    """
    tables = read_tables(runs_root)
    there, unusable = studies_of(runs_root, tables)
    for problem in unusable:
        if problem.path.stem in (names or ()):
            raise ResLabError(problem.message)
    tables = replace(tables, problems=(*tables.problems, *unusable))
    studies = there if names is None else _named(_members(names, there), there, runs_root)
    if not studies:
        return _nothing(tables, title, author)
    shown = select(tables, [run for study in studies for run in study.runs()])
    studies = [reworded(study, runs_root) for study in studies]
    chapters = [chapter_of(study, runs_root) for study in studies]
    parts = [(find(study, tables, chapter), chapter) for study, chapter in zip(studies, chapters, strict=True)]
    notes = read_notes(runs_root)
    sections = [
        Section(found.study.name, found.study.title, (*notes.get(found.study.name, ()), *write(found, own)))
        for found, own in parts
    ]
    entries = [Entry(found, strip(found, own)) for found, own in parts]
    first = (*notes.get(FIRST, ()), *opening(entries), *_misplaced(notes, [study.name for study in there]))
    opened_with = [Section("opening", "What was found", first, kind="opening")] if first else []
    return cited(
        Document(
            title=title or _title(studies),
            summary=_summary(studies, shown),
            sections=(*opened_with, *said_once(sections), appendix(shown, studies, data_root)),
            author=author or "",
            dated=_dated(shown),
            left_out=_left_out(tables),
        )
    )


def _misplaced(notes: Mapping[str, Sequence[Block]], known: Sequence[str]) -> Iterator[Note]:
    """Yield what is said of notes on studies that there are not."""
    for name in notes:
        if name != FIRST and name not in known:
            yield Note(f"{NAME} has notes on {name!r}, which is no study here{nearest(name, list(known))}.")


def _title(studies: Sequence[Study]) -> str:
    if len(studies) == 1:
        return studies[0].title
    whole = {study.name for study in assignment_plan().studies} <= {study.name for study in studies}
    return assignment_plan().title if whole else "Report"


def _members(names: Sequence[str], studies: Sequence[Study]) -> list[str]:
    """Return the names with that of a plan replaced by those of its studies that were asked."""
    there = {study.name for study in studies}
    tasks = [study.name for study in assignment_plan().studies]
    expanded = [
        member
        for name in names
        for member in ([task for task in tasks if task in there] or tasks if name == assignment_plan().name else [name])
    ]
    return list(dict.fromkeys(expanded))


def _named(names: Sequence[str], studies: Sequence[Study], runs_root: Path) -> list[Study]:
    known = {study.name: study for study in studies}
    for name in names:
        if name in known:
            continue
        if name in QUESTIONS:
            raise ResLabError(f"the study {name} has not been run under {runs_root}; run it: reslab run {name}")
        there = f"there are {', '.join(known)}" if known else "nothing has been run there"
        raise ResLabError(f"no study {name!r}{nearest(name, list(known))} under {runs_root}; {there}")
    return [known[name] for name in dict.fromkeys(names)]


def _summary(studies: Sequence[Study], tables: Tables) -> str:
    asked = len({run for study in studies for run in study.runs()})
    finished = tables.runs.filter(pl.col("status") == "finished").height
    done = "all finished" if finished == asked else f"{finished:,} of them finished"
    return (
        f"{opened(counted(asked, 'run'))}, {done}.  Written by ResLab {__version__} from the records of the runs alone."
    )


def _dated(tables: Tables) -> str:
    """Return when the runs were started, in words; nothing before any was."""
    days = set()
    for text in tables.runs["started"].drop_nulls().to_list():
        with contextlib.suppress(ValueError):
            days.add(datetime.fromisoformat(text).date())
    if not days:
        return ""
    first, last = min(days), max(days)
    if first == last:
        return f"Runs started on {last.day} {last:%B %Y}"
    form = " %B %Y" if first.year != last.year else " %B" if first.month != last.month else ""
    return f"Runs started from {first.day}{first.strftime(form)} to {last.day} {last:%B %Y}"


def _nothing(tables: Tables, title: str | None, author: str | None) -> Document:
    blocks: tuple[Block, ...] = (
        *unreadable(tables),
        Prose("There are no runs here, so there is nothing to report.  A small study of a minute or two:"),
        Command("reslab run depth --dataset digits --depths 8,14,20 --seeds 2 --epochs 10"),
        Prose("The question of the assignment, in full:"),
        Command("reslab run depth"),
        Prose("Other studies, and what can be changed about them:"),
        Command("reslab run --help"),
    )
    nothing = "Nothing has been run yet"
    section = Section("start", nothing, blocks)
    return Document(title or "Report", f"{nothing}.", (section,), author or "", left_out=_left_out(tables))


def _left_out(tables: Tables) -> tuple[str, ...]:
    return tuple(problem.message for problem in tables.problems)
