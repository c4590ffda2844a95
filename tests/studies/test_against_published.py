"""What a chapter says beside published figures, and of what cannot be compared with them."""

from pathlib import Path

import pytest
from chapter_words import chapter_of, planted, words_of

from reslab.analysis.tidy import read_tables
from reslab.exhibits.blocks import Table
from reslab.presets import preset_recipe
from reslab.recipe import Recipe, vary
from reslab.studies.catalogue import ask, ask_all
from reslab.studies.study import Options, Study, Variant
from synthetic import Truth, write_run


def test_a_mean_outside_the_student_reports_range_is_said_to_be_above_or_below(tmp_path: Path) -> None:
    def truth(recipe: Recipe) -> Truth:
        return Truth(30.0 if recipe.learning_rate == 0.5 else 0.5, 0.1, 0.01)

    words = words_of(
        planted(tmp_path, ask("learning-rate", Options(datasets=("cifar10",), depths=(20,), seeds=3)), truth)
    )
    assert "above it with rate 0.5" in words
    assert "below it with rate 0.01" in words
    assert (
        "Compared with the student report's range of the test error after the first drop of the rate "
        "(its epochs 90 to 160)" in words
    )


def test_reduced_trainings_and_digits_are_compared_with_nothing_published(tmp_path: Path) -> None:
    plan = ask_all("assignment", Options(datasets=("digits",), depths=(8, 14), epochs=6, seeds=2))
    for run in plan.runs():
        write_run(tmp_path, run, Truth(3.0, 1.0, 0.1, own=True))
    tables = read_tables(tmp_path)
    for study in plan.studies:
        blocks = chapter_of(study, tables)
        words = words_of(blocks)
        assert "range of the test error" not in words
        for table in [block for block in blocks if isinstance(block, Table)]:
            assert not [
                column.title for column in table.columns if column.title.startswith(("Student report", "Assignment"))
            ]


def test_what_is_not_comparable_is_said_of_all_lengths_and_all_data_sets(tmp_path: Path) -> None:
    tenth = ask("epochs", Options(datasets=("cifar10",), depths=(20,), epochs=16, seeds=1))
    assert (
        "not compared with published figures: the schedules are shortened to 8, 16 and 32 epochs (4.88% to 19.5% of "
        "the images of the paper's training)."
        in words_of(planted(tmp_path / "tenth", tenth, lambda recipe: Truth(14.0, 11.0)))
    )
    full = ask("epochs", Options(datasets=("cifar10",), depths=(20,), seeds=1))
    words = words_of(planted(tmp_path / "full", full, lambda recipe: Truth(8.0, 1.0)))
    assert "not compared with published figures" not in words


@pytest.mark.parametrize(("preset", "family", "depth"), [("wide", "wide", 28), ("preact", "preact-bottleneck", 1001)])
def test_networks_of_other_papers_are_set_beside_their_figures_and_not_beside_another_papers_recipe(
    tmp_path: Path, preset: str, family: str, depth: int
) -> None:
    recipe = preset_recipe(preset, dataset="cifar10", depth=depth, family=family)
    study = Study("own", "Own", "", "", (Variant("it", recipe),), (0, 1), "custom")
    blocks = planted(tmp_path, study, lambda recipe: Truth(4.0, 0.1, 0.1, own=True))
    keys = [block.key for block in blocks if isinstance(block, Table)]
    assert f"published-cifar10-{family}" in keys
    assert "protocol" not in keys


def test_a_figure_stands_under_the_network_of_its_width_alone(tmp_path: Path) -> None:
    recipe = preset_recipe("wide", dataset="cifar10", depth=28)
    variants = Variant("as published", recipe), Variant("narrow", vary(recipe, width=2))
    study = Study("own", "Own", "", "", variants, (0, 1), "custom")
    blocks = planted(tmp_path, study, lambda recipe: Truth(4.0, 0.1, 0.1, own=True))
    (table,) = [block for block in blocks if isinstance(block, Table) and block.key == "published-cifar10-wide"]
    (theirs,) = [row for row in table.rows if row[0] == "Zagoruyko and Komodakis"]
    assert theirs[2:] == ("4.00", None)


def test_a_third_drop_is_a_difference_from_the_papers_recipe(tmp_path: Path) -> None:
    recipe = vary(preset_recipe("paper", dataset="cifar10", depth=20), third_drop=56_000.0)
    study = Study("own", "Own", "", "", (Variant("it", recipe),), (0, 1), "custom")
    blocks = planted(tmp_path, study, lambda recipe: Truth(8.5, 0.1, 0.1, own=True))
    assert "The recipe is the paper's own" not in words_of(blocks)
    (table,) = [block for block in blocks if isinstance(block, Table) and block.key == "protocol"]
    assert [row[0] for row in table.rows] == ["Schedule"]
