"""The opening: a row a question with its answer, size and link, the best evidence first, the limits once."""

import re
from dataclasses import replace
from pathlib import Path

from chapter_words import words_of

from reslab.analysis.tables import Tables
from reslab.analysis.tidy import read_tables
from reslab.exhibits.blocks import Block, Figure, Link, Table
from reslab.presets import preset_recipe
from reslab.studies.catalogue import ask, ask_all, chapter_of
from reslab.studies.chapter import find, strip
from reslab.studies.opening import Entry, opening
from reslab.studies.study import Options, Study, Variant
from synthetic import Truth, write_run

SHORT = Options(datasets=("cifar10",), depths=(20, 56), epochs=16, seeds=1)


def _entry(study: Study, tables: Tables) -> Entry:
    chapter = chapter_of(study)
    found = find(study, tables, chapter)
    return Entry(found, strip(found, chapter))


def _opening(root: Path, *studies: Study, only: tuple[Study, ...] | None = None) -> list[Block]:
    for run in {run.id: run for study in (studies if only is None else only) for run in study.runs()}.values():
        write_run(root, run, Truth(14.0 - run.recipe.depth / 56, 11.0, 0.05, own=True))
    tables = read_tables(root)
    return opening([_entry(study, tables) for study in studies])


def _table(blocks: list[Block]) -> Table:
    (table,) = [block for block in blocks if isinstance(block, Table)]
    return table


def test_a_row_a_question_leads_to_its_chapter(tmp_path: Path) -> None:
    blocks = _opening(tmp_path, *ask_all("assignment", SHORT).studies)
    table = _table(blocks)
    assert [cell.target for row in table.rows for cell in row if isinstance(cell, Link)] == [
        "depth", "learning-rate", "epochs", "data-size", "batch-size"
    ]  # fmt: skip
    depth = table.rows[0]
    assert str(depth[0]) == "Depth"  # as its chart is called
    assert depth[1] == "CIFAR-10, 16 epochs"
    assert str(depth[2]) == "Best with 56 layers, in one seed each, not tested."
    assert str(depth[3]).startswith("\N{MINUS SIGN}0.")
    assert depth[4] == "1"
    (figure,) = [block for block in blocks if isinstance(block, Figure)]
    assert figure.panels[0].title == "Depth, CIFAR-10"


def test_what_the_runs_cannot_show_is_said_once_and_the_assignment_introduced(tmp_path: Path) -> None:
    words = words_of(_opening(tmp_path, *ask_all("assignment", SHORT).studies))
    assert words.count("All of these runs saw only ") == 1
    assert "cannot show what holds at full length." in words
    assert "Trained at full length" not in words
    assert "assumes that it varies as much" not in words  # of single seeds alone there are no intervals
    own = "Five questions come from a university course assignment"
    assert f"{own}; none is long enough here to compare with the student report." in words


def test_questions_of_the_assignment_at_full_length_are_compared(tmp_path: Path) -> None:
    full = Options(datasets=("cifar10",), depths=(20,), seeds=1)
    words = words_of(_opening(tmp_path, ask("learning-rate", full), ask("epochs", full)))
    assert "assignment, and are compared with a student's report where the lengths match." in words


def test_what_was_trained_in_full_is_named_among_shorter_trainings(tmp_path: Path) -> None:
    full = [
        preset_recipe("assignment", dataset=dataset, depth=depth)
        for dataset, depth in (("cifar10", 20), ("cifar100", 20), ("cifar10", 56))
    ]
    own = Study(
        "full", "In full", "", "", tuple(Variant(str(place), one) for place, one in enumerate(full)), (0, 1), "custom"
    )
    words = words_of(_opening(tmp_path / "both", own, ask("depth", SHORT)))
    assert "Trained at full length: ResNet-20 on CIFAR-10 and CIFAR-100; ResNet-56 on CIFAR-10." in words
    assert "All other runs saw only " in words
    assert "these trainings saw" not in words
    words = words_of(_opening(tmp_path / "full", own, replace(own, name="again", title="Again")))
    assert "full length" not in words


def test_rows_stand_in_the_order_of_the_report(tmp_path: Path) -> None:
    full = Study(
        "full", "In full", "", "", (Variant("full", preset_recipe("assignment", dataset="cifar10", depth=20)),), (0, 1),
        "custom",
    )  # fmt: skip
    three = ask("batch-size", Options(datasets=("cifar10",), depths=(20,), epochs=16, seeds=2))
    table = _table(_opening(tmp_path, full, ask("depth", SHORT), three))
    assert [str(row[0]) for row in table.rows if row[0]] == [
        "In full", "Depth", "Batch"
    ]  # fmt: skip
    assert table.rows[0][1] == "CIFAR-10, ResNet-20"
    assert str(table.rows[0][2]).startswith("13.")
    assert len(re.findall(r"\(\S+\sto\s\S+,\s90%\)", str(table.rows[2][3]))) == 2  # of two batches, each its interval


def test_each_place_has_a_line_and_studies_of_one_title_are_told_apart(tmp_path: Path) -> None:
    both = ask("depth", Options(datasets=("cifar10", "cifar100"), depths=(20, 56), epochs=16, seeds=1))
    recipes = [preset_recipe("fast", dataset="cifar10", depth=depth) for depth in (20, 56)]
    own = Study(
        "mine", "Depth", "", "",
        tuple(Variant(f"depth {recipe.depth}", recipe, (("depth", recipe.depth),)) for recipe in recipes), (0,),
        "custom",
    )  # fmt: skip
    blocks = _opening(tmp_path, both, own)
    first, second = _table(blocks).rows[:2]
    assert [str(row[0]) for row in (first, second)] == ["Depth", ""]
    assert [row[1] for row in (first, second)] == ["CIFAR-10, 16 epochs", "CIFAR-100, 16 epochs"]
    assert all(str(row[2]).startswith("Best with 56 layers, in one seed each, ") for row in (first, second))
    (figure,) = [block for block in blocks if isinstance(block, Figure)]
    assert [panel.title for panel in figure.panels] == [
        "Depth, CIFAR-10", "Depth, CIFAR-100", "Depth (mine), CIFAR-10"
    ]  # fmt: skip


def test_what_an_earlier_study_has_told_is_not_told_again(tmp_path: Path) -> None:
    recipes = [preset_recipe("fast", dataset="cifar10", depth=depth) for depth in (20, 56)]
    one, two = [
        Study(
            name, name, "", "",
            tuple(Variant(f"depth {recipe.depth}", recipe, (("depth", recipe.depth),)) for recipe in own), (0, 1),
            "custom",
        )
        for name, own in (("one", recipes[:1]), ("two", recipes))
    ]  # fmt: skip
    rows = _table(_opening(tmp_path, one, two)).rows
    assert [(str(row[0]), row[1]) for row in rows] == [
        ("Fast recipe", "CIFAR-10, ResNet-20"), ("Depth", "CIFAR-10, 16 epochs"), ("", "CIFAR-10, ResNet-56")
    ]  # fmt: skip


def test_one_study_opens_with_its_own_chapter_and_unanswered_ones_are_named(tmp_path: Path) -> None:
    depth, rate = ask("depth", SHORT), ask("learning-rate", SHORT)
    batch = ask("batch-size", SHORT)
    assert _opening(tmp_path / "one", depth) == []
    words = words_of(_opening(tmp_path / "two", depth, rate, batch, only=(depth, rate)))
    assert "Without an answer: How much does the batch size matter." in words
