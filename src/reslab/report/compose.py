"""Compose a report from the run directories: the studies, other runs, and the appendix."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from reslab import __version__
from reslab.analysis.tables import Tables, select
from reslab.analysis.tidy import read_tables
from reslab.errors import ResLabError, nearest
from reslab.exhibits.blocks import Block, Command, Note, Prose
from reslab.exhibits.captions import text
from reslab.files import one_line
from reslab.report.appendix import appendix, unreadable
from reslab.report.document import Document, Section
from reslab.report.notes import FIRST, NAME, read_notes
from reslab.report.references import cited
from reslab.report.repeated import said_once
from reslab.studies.asked import plan_asked
from reslab.studies.catalogue import chapter_of, reworded, studies_of
from reslab.studies.chapter import find, strip, write
from reslab.studies.opening import Entry, opening
from reslab.studies.plans import assignment_plan
from reslab.studies.questions import QUESTIONS
from reslab.studies.study import OTHER_RUNS, Study


def compose(
    runs_root: Path,
    names: Sequence[str] | None = None,
    *,
    title: str | None = None,
    author: str | None = None,
    data_root: Path | None = None,
    answers: bool | None = None,
) -> Document:
    """Return the report on these studies, or on everything below the folder of all runs.

    `answers` overrides that of the studies: true makes a handout's solution, false a handout.  Images are looked for
    in `data_root` as in training.  Without a title the report gets a default one.  Raises `ResLabError` for a study
    that has not been run.
    """
    tables = read_tables(runs_root)
    there, unusable = studies_of(runs_root, tables)
    for problem in unusable:
        if problem.path.stem in (names or ()):
            raise ResLabError(problem.message)
    tables = replace(tables, problems=(*tables.problems, *unusable))
    studies = there if names is None else _named(names, there, runs_root)
    if not studies:
        return _nothing(tables, title, author)
    shown = select(tables, [run for study in studies for run in study.runs()])
    studies = [reworded(study, runs_root) for study in studies]
    if answers is not None:
        studies = [replace(study, answers=answers) for study in studies]
    chapters = [chapter_of(study, runs_root) for study in studies]
    parts = [(find(study, tables, chapter), chapter) for study, chapter in zip(studies, chapters, strict=True)]
    parts.sort(key=lambda part: not part[0].in_full)
    called = {study.title: study.name for study in there}
    notes = {called.get(name, name): words for name, words in read_notes(runs_root).items()}
    sections = [
        Section(found.study.name, found.study.title, (*notes.get(found.study.name, ()), *write(found, own)))
        for found, own in parts
    ]
    entries = [Entry(found, strip(found, own)) for found, own in parts]
    first = (*notes.get(FIRST, ()), *opening(entries), *_misplaced(notes, [study.name for study in there]))
    opened_with = [Section("opening", "What was found", first, kind="opening")] if first else []
    return cited(
        Document(
            title=_given(title) or _title(studies, runs_root),
            summary=_summary(studies, shown),
            sections=(*opened_with, *said_once(sections), appendix(shown, studies, data_root)),
            author=_given(author),
            dated=_dated(shown),
            left_out=tables.left_out,
        )
    )


def _misplaced(notes: Mapping[str, Sequence[Block]], known: Sequence[str]) -> list[Note]:
    """Return a remark for each part of the notes whose study does not exist."""
    lost = [name for name in notes if name not in (FIRST, *known)]
    return [Note(text("report.misplaced", file=NAME, study=name, hint=nearest(name, known))) for name in lost]


def _given(words: str | None) -> str:
    """Return a title or an author's name on one line, as it can be printed."""
    return one_line(" ".join((words or "").split()))


def _title(studies: Sequence[Study], runs_root: Path) -> str:
    """Return the title of a single study, of the plan that all studies are from, or of the assignment if complete."""
    if len(studies) == 1:
        return studies[0].title
    names = {study.name for study in studies}
    title, together = plan_asked(runs_root)
    if title and names <= {*together, OTHER_RUNS}:
        return title
    return assignment_plan().title if {study.name for study in assignment_plan().studies} <= names else "Report"


def _named(names: Sequence[str], there: Sequence[Study], runs_root: Path) -> list[Study]:
    """Return the studies of these names; the assignment's name stands for its studies that have been run."""
    known = {study.name: study for study in there}
    plan = assignment_plan()
    tasks = [study.name for study in plan.studies]
    asked = [task for task in tasks if task in known] or tasks
    wanted = [one for name in names for one in (asked if name == plan.name else [name])]
    for name in wanted:
        if name not in known and name in QUESTIONS:
            raise ResLabError(f"the study {name} has not been run under {runs_root}; run it: reslab run {name}")
        if name not in known:
            others = f"there are {', '.join(known)}" if known else "nothing has been run there"
            raise ResLabError(f"no study {name!r}{nearest(name, known)} under {runs_root}; {others}")
    return [known[name] for name in dict.fromkeys(wanted)]


def _summary(studies: Sequence[Study], tables: Tables) -> str:
    asked = len({run for study in studies for run in study.runs()})
    finished, diverged = (tables.runs.filter(status=status).height for status in ("finished", "diverged"))
    return text("report.summary", asked=asked, finished=finished, diverged=diverged, version=__version__)


def _dated(tables: Tables) -> str:
    """Return when the runs were started, in words; "" before any was."""
    days = tables.runs["started"].str.slice(0, 10).str.to_date("%Y-%m-%d", strict=False).drop_nulls()
    return "" if days.is_empty() else text("report.dated", first=days.min(), last=days.max())


def _nothing(tables: Tables, title: str | None, author: str | None) -> Document:
    """Return a report without runs, which shows the commands to begin with."""
    pairs = text.under("nothing").items()
    blocks = [block for words, command in pairs for block in (Prose(words), Command(command))]
    section = Section("start", "Nothing has been run yet", (*unreadable(tables), *blocks))
    return Document(
        _given(title) or "Report", f"{section.title}.", (section,), _given(author), left_out=tables.left_out
    )
