"""Studies and plans by name, the studies of a folder of runs, and the chapter that answers each kind of study."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import polars as pl

from reslab.analysis.groups import seeds_of
from reslab.analysis.tables import Problem, Tables
from reslab.errors import ResLabError, nearest
from reslab.naming import labels
from reslab.studies.asked import asked_earlier, plan_asked, record_path, recorded
from reslab.studies.plans import ASSIGNMENT, plan_of, read_plan
from reslab.studies.question import Chapter
from reslab.studies.questions import QUESTIONS, own
from reslab.studies.study import OTHER_RUNS, OTHERS, Options, Plan, Study, Variant
from reslab.studies.words import ABOVE, Words, in_the_users, users_words, words_of

PLANS: dict[str, Path] = {"assignment": ASSIGNMENT}
"""ResLab's own plans, which have several studies each."""

CHAPTERS: dict[str, Callable[[Study, Words], Chapter]] = {
    **{name: question.chapter for name, question in QUESTIONS.items()},
    own.CUSTOM: own.chapter,
    OTHERS: own.chapter,
}
"""The chapter that answers each kind of study."""


def ask(name: str, options: Options) -> Study:
    """Return ResLab's own study of this name; raise `ResLabError`, with the known and the nearest, for any other."""
    if name not in QUESTIONS:
        known = [*QUESTIONS, *PLANS]
        raise ResLabError(
            f"there is no study {name!r}{nearest(name, known)}; the studies are {', '.join(known)}, or a TOML file"
        )
    return QUESTIONS[name].ask(options)


def ask_all(question: str | Path, options: Options) -> Plan:
    """Return the plan in a TOML file or of this name, or the study of this name as a plan of one.

    Raises `ResLabError` for an unknown name, and as `read_plan` does.
    """
    if str(question).endswith(".toml"):
        return read_plan(Path(question), options)
    name = str(question)
    return read_plan(PLANS[name], options) if name in PLANS else plan_of(ask(name, options))


def studies_of(root: Path, tables: Tables) -> tuple[list[Study], list[Problem]]:
    """Return the studies below a folder, with other runs last, and the problems with unusable records.

    Studies last requested together come first, in that order, then ResLab's own in theirs, then the user's by name.
    """
    found, problems = recorded(root)
    newer = [
        Problem(record_path(root, one.name), f"the study {one.name} is from a newer ResLab; update this one")
        for one in found
        if one.kind not in CHAPTERS
    ]
    order = {name: place for place, name in enumerate(dict.fromkeys([*plan_asked(root)[1], *QUESTIONS]))}
    known = [one for one in found if one.kind in CHAPTERS]
    asked = sorted(known, key=lambda one: (order.get(one.name, len(order)), one.name))
    beside = others(tables, asked, asked_earlier(root))
    return [*asked, *([beside] if beside is not None else [])], [*problems, *newer]


def others(tables: Tables, studies: Sequence[Study], earlier: Mapping[str, str] | None = None) -> Study | None:
    """Return a study of every run in the tables that belongs to none of the studies; None where there is none.

    Runs of one recipe on different images are different variants.  `earlier` has, by run id, the study whose earlier
    version requested the run (see `studies.asked`).
    """
    known = [run.id for study in studies for run in study.runs()]
    order = ("dataset", "family", "depth", "length", "recipe_id", "seed")
    rows = tables.runs.filter(~pl.col("run_id").is_in(known)).sort(order)
    if rows.is_empty():
        return None
    seeds, asked = seeds_of(rows), Counter((earlier or {}).get(run, "") for run in rows["run_id"])
    runs, unknown, words = asked.total(), asked.pop("", 0), words_of(OTHERS)
    recipes, images = map(list, zip(*seeds, strict=True))
    names = labels(recipes, images, [variant.recipe for study in studies for variant in study.variants])
    return Study(
        name=OTHER_RUNS,
        title=words("title"),
        question=words("question", asked=sorted(asked.items()), unknown=unknown, runs=runs),
        expectation="",
        variants=tuple(
            Variant(name, recipe, seeds=tuple(own))
            for name, recipe, own in zip(names, recipes, seeds.values(), strict=True)
        ),
        seeds=tuple(sorted({seed for own in seeds.values() for seed in own})),
        kind=OTHERS,
    )


def chapter_of(study: Study, runs_root: Path | None = None) -> Chapter:
    """Return the chapter that answers a study, in ResLab's words or a user's beside the runs (see `studies.words`)."""
    words = words_of(study.kind)
    return CHAPTERS[study.kind](study, words if runs_root is None else in_the_users(words, runs_root, study.name))


def reworded(study: Study, runs_root: Path) -> Study:
    """Return the study with the title, question and expectation that a user has written for it beside the runs."""
    given = users_words(runs_root, study.name)
    return replace(study, **{key: given[key] for key in ABOVE if key in given})  # type: ignore[arg-type]
