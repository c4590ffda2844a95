"""What a report is put together from: the order of its chapters, and what its head says of the runs."""

from pathlib import Path

import pytest

from reslab.exhibits.blocks import Heading, Note, Prose
from reslab.exhibits.captions import text
from reslab.lab.settings import Settings
from reslab.recipe import Recipe, Run, stretch
from reslab.report.compose import compose
from reslab.session.work import Session
from reslab.studies.asked import record
from reslab.studies.study import JOINED, Plan, Study, Variant
from reslab.studies.words import words_of
from synthetic import Truth, small, write_run

SHORT = small(8, dataset="cifar10", batch_size=128)
FULL = stretch(SHORT, 164)


def _asked(root: Path, name: str, *recipes: Recipe) -> None:
    variants = tuple(Variant(f"variant {place}", recipe) for place, recipe in enumerate(recipes))
    record(root, Study(name, name.upper(), "", "", variants, (0,), "custom"))


def test_chapters_on_full_trainings_come_first_and_else_stay_in_order(tmp_path: Path) -> None:
    _asked(tmp_path, "a", SHORT)
    _asked(tmp_path, "b", FULL, SHORT)  # some of it
    _asked(tmp_path, "c", stretch(SHORT, 200))  # nothing has finished
    _asked(tmp_path, "d", FULL)
    _asked(tmp_path, "e", FULL, stretch(FULL, 160))  # within a twentieth of the paper's images
    for recipe in (SHORT, FULL, stretch(FULL, 160)):
        write_run(tmp_path, Run(recipe, 0), Truth(9.0, 1.0))
    keys = [section.key for section in compose(tmp_path).sections]
    assert [key for key in keys if len(key) == 1] == ["b", "d", "e", "a", "c"]
    assert keys[0] == "opening"
    assert keys[-1] == "appendix"
    asked = [section.key for section in compose(tmp_path, ["b", "a", "d"]).sections]
    assert [key for key in asked if len(key) == 1] == ["b", "d", "a"]


@pytest.mark.parametrize(
    ("asked", "finished", "diverged", "said"),
    [
        (1, 1, 0, "One run, finished."),
        (1, 0, 1, "One run, diverged."),
        (4, 4, 0, "Four runs, all finished."),
        (4, 2, 2, "Four runs, 2 of them finished and 2 diverged."),
        (4, 0, 4, "Four runs, all diverged."),
        (4, 0, 1, "Four runs, 1 of them diverged."),
        (4, 0, 0, "Four runs, not finished."),
    ],
)
def test_the_head_of_a_report_says_how_its_runs_ended(asked: int, finished: int, diverged: int, said: str) -> None:
    words = text("report.summary", asked=asked, finished=finished, diverged=diverged, version="1")
    assert words == f"{said}  Written by ResLab 1 from the run records alone."


def test_a_plans_chapters_stand_in_its_order_under_its_title(tmp_path: Path) -> None:
    recipes = {"zeta": SHORT, "depth": small(14, dataset="cifar10"), "alpha": small(20, dataset="cifar10")}
    studies = [Study(name, name, "", "", (Variant(name, one),), (0,), "custom") for name, one in recipes.items()]
    settings = Settings()
    asked = Plan("mine", "My plan", tuple(studies))
    Session(asked, tmp_path, settings).record()
    written = (tmp_path / "plan.json").stat().st_mtime_ns
    Session(asked, tmp_path, settings).record()  # as in a folder that can only be read
    assert (tmp_path / "plan.json").stat().st_mtime_ns == written
    for recipe in recipes.values():
        write_run(tmp_path, Run(recipe, 0), Truth(9.0, 1.0))
    document = compose(tmp_path)
    assert document.title == "My plan"
    assert [section.key for section in document.sections if section.key in recipes] == ["zeta", "depth", "alpha"]
    _asked(tmp_path, "beside", FULL)
    assert compose(tmp_path).title == "Report"
    together = tuple(reversed(studies[1:]))
    Session(Plan(f"alpha{JOINED}depth", "2 studies", together), tmp_path, settings).record()
    keys = [section.key for section in compose(tmp_path).sections if section.key in recipes]
    assert keys == ["alpha", "depth", "zeta"]
    assert compose(tmp_path, ["alpha", "depth"]).title == "Report"


def test_a_handout_becomes_its_solution_and_a_study_a_handout(tmp_path: Path) -> None:
    variants = tuple(Variant(f"rate {rate}", small(8, learning_rate=rate)) for rate in (0.1, 0.2))
    for name, answers in (("mine", True), ("theirs", False)):
        record(tmp_path, Study(name, name, "", "", variants, (0, 1), "custom", answers=answers))
    for variant in variants:
        for seed in (0, 1):
            write_run(tmp_path, Run(variant.recipe, seed), Truth(9.0 * variant.recipe.learning_rate, 1.0, 0.1))

    def handouts(answers: bool | None) -> list[str]:
        space = words_of("custom")("handout")
        return [
            section.key
            for section in compose(tmp_path, answers=answers).sections
            if any(isinstance(block, Note) and block.text == space for block in section.blocks)
        ]

    assert handouts(None) == ["theirs"]
    assert handouts(True) == []
    assert handouts(False) == ["mine", "theirs"]


@pytest.mark.parametrize("heading", ["a", "A"])
def test_notes_stand_in_the_chapter_of_a_studys_name_or_title(tmp_path: Path, heading: str) -> None:
    _asked(tmp_path, "a", SHORT)
    write_run(tmp_path, Run(SHORT, 0), Truth(9.0, 1.0))
    (tmp_path / "notes.md").write_text(f"## {heading}\n\nI was wrong.\n")
    document = compose(tmp_path)
    (chapter,) = [section for section in document.sections if section.key == "a"]
    assert chapter.blocks[:2] == (Heading("Notes"), Prose("I was wrong."))
