"""Studies and plans by name, and the chapter that answers each kind of study."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from reslab.errors import ResLabError, nearest
from reslab.studies.plans import ASSIGNMENT, alone, read_plan
from reslab.studies.question import Chapter
from reslab.studies.questions import QUESTIONS, own
from reslab.studies.study import OTHERS, Options, Plan, Study
from reslab.studies.words import ABOVE, Words, in_the_users, users_words, words_of

PLANS: dict[str, Path] = {"assignment": ASSIGNMENT}
"""What asks several studies at once."""

CHAPTERS: dict[str, Callable[[Study, Words], Chapter]] = {
    **{name: question.chapter for name, question in QUESTIONS.items()},
    own.CUSTOM: own.chapter,
    OTHERS: own.chapter,
}
"""What answers each kind of study."""


def chapter_of(study: Study, runs_root: Path | None = None) -> Chapter:
    """Return the chapter that answers a study, in ResLab's words, or a user's beside the runs (see `studies.words`)."""
    words = words_of(study.kind)
    return CHAPTERS[study.kind](study, words if runs_root is None else in_the_users(words, runs_root, study.name))


def reworded(study: Study, runs_root: Path) -> Study:
    """Return the study with the title, question and expectation that a user has written for it beside the runs."""
    given = users_words(runs_root, study.name)
    return replace(study, **{key: given[key] for key in ABOVE if key in given})  # type: ignore[arg-type]


def ask(name: str, options: Options) -> Study:
    """Return the study of this name; an unknown one raises `ResLabError` with the known ones and the nearest."""
    if name in PLANS:
        raise ResLabError(f"{name} is several studies; ask for all of them, or for one: {', '.join(QUESTIONS)}")
    if name not in QUESTIONS:
        raise ResLabError(
            f"there is no study {name!r}{nearest(name, names())}; the studies are {', '.join(names())}, or a TOML file"
        )
    return QUESTIONS[name].ask(options)


def ask_all(question: str | Path, options: Options) -> Plan:
    """Return the plan of a TOML file or of this name, or the study of this name as a plan of one.

    Raises `ResLabError` for an unknown name, and as `read_plan` does.
    """
    if str(question).endswith(".toml"):
        return read_plan(Path(question), options)
    name = str(question)
    return read_plan(PLANS[name], options) if name in PLANS else alone(ask(name, options))


def names() -> list[str]:
    """Return the names of all studies and plans."""
    return [*QUESTIONS, *PLANS]
