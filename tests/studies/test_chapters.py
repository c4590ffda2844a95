"""Chapters on planted truths: the words that they lead to, with whatever is missing, diverged or not measured."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from chapter_words import chapter_of, planted, words_of

from reslab.analysis.tidy import read_tables
from reslab.exhibits.blocks import Block, Figure, Heading, Table
from reslab.recipe import Recipe
from reslab.studies.catalogue import ask
from reslab.studies.questions import QUESTIONS
from reslab.studies.study import Options
from reslab.studies.words import words_of as texts_of
from synthetic import Truth, write_run

DIVERGED = {"kind": "diverged", "message": "the loss is not finite", "epoch": 4, "iteration": 200, "time": "t"}
RATES = Options(datasets=("cifar10",), depths=(20,), seeds=3)
NOISE = 0.15

Plant = Callable[[Recipe], Truth]


def test_a_planted_half_point_is_found_and_no_effect_is_not_claimed(tmp_path: Path) -> None:
    def truth(recipe: Recipe) -> Truth:
        return Truth(9.5 if recipe.learning_rate == 0.01 else 8.5, 0.5, 0.05, own=True)

    words = words_of(planted(tmp_path, ask("learning-rate", RATES), truth))
    short = next(line for line in words.splitlines() if line.startswith("CIFAR-10: "))
    assert "CIFAR-10: rate 0.1 beat 0.01 (1.0" in short
    assert "); five others within 0.5 points of 0.1 (" in short
    assert " interval \N{MINUS SIGN}0." not in short  # the table has that of each of the five
    assert "higher (rate 1" not in words


def test_three_seeds_of_usual_noise_find_half_a_point(tmp_path: Path) -> None:
    options = Options(datasets=("cifar10",), depths=(20, 56), seeds=3)
    study = ask("depth", options)
    words = words_of(planted(tmp_path, study, lambda recipe: Truth({20: 8.5, 56: 8.0}[recipe.depth], 0.5, NOISE)))
    assert "CIFAR-10: 56 layers beat 20 (0.50 points, 95% interval 0." in words


def test_a_diverged_rate_is_a_result_and_a_missing_seed_is_said(tmp_path: Path) -> None:
    study = ask("learning-rate", RATES)
    for run in study.runs():
        rate = run.recipe.learning_rate
        if rate == 1.0 and run.seed > 0:
            write_run(tmp_path, run, Truth(90.0, 90.0), stop_after=4, failure=DIVERGED)
        elif (rate, run.seed) != (0.5, 2):
            write_run(tmp_path, run, Truth(8.5, 0.5, 0.05, own=True))
    blocks = chapter_of(study, read_tables(tmp_path))
    words = words_of(blocks)
    assert "; 1 (2 of 3 seeds) diverged" in words
    assert "Rate 1, ResNet-20, CIFAR-10 diverged in 2 of 3 seeds." in words
    assert "rate 0.5, ResNet-20, CIFAR-10 (2 of 3 seeds, missing 2)" in words
    last = _rows(blocks, "errors")["rate 1"]
    assert last["Verdict"] == "one seed, not tested; 2 of 3 seeds diverged"


def test_everything_diverged_at_a_rate_has_no_figures(tmp_path: Path) -> None:
    study = ask("learning-rate", RATES)
    for run in study.runs():
        if run.recipe.learning_rate == 1.0:
            write_run(tmp_path, run, Truth(90.0, 90.0), stop_after=4, failure=DIVERGED)
        else:
            write_run(tmp_path, run, Truth(8.5, 0.5, 0.05, own=True))
    blocks = chapter_of(study, read_tables(tmp_path))
    assert "; 1 (3 of 3 seeds) diverged" in words_of(blocks)
    last = _rows(blocks, "errors")["rate 1"]
    assert (last["Verdict"], last["Test error (%)"], last["Difference (points)"]) == (
        "3 of 3 seeds diverged",
        None,
        None,
    )


def test_too_high_a_rate_that_fits_worse_is_a_matter_of_optimisation(tmp_path: Path) -> None:
    def truth(recipe: Recipe) -> Truth:
        high = recipe.learning_rate == 1.0
        return Truth(12.0 if high else 8.5, 6.0 if high else 0.5, 0.05, own=True)

    words = words_of(planted(tmp_path, ask("learning-rate", RATES), truth))
    assert "Both errors higher (rate 1): the network learns even the training images less well" in words
    assert "not overfitting" in words


@pytest.mark.parametrize(
    ("name", "factors", "error", "said"),
    [
        ("depth", {"depths": (20, 56)}, lambda recipe: 10 - recipe.depth / 20, "The test errors are as expected."),
        ("depth", {"depths": (20, 56)}, lambda recipe: recipe.depth / 10, "Not as expected: ResNet-56."),
        ("depth", {"depths": (20, 56)}, lambda recipe: 8.0, ""),
        (
            "depth",
            {"depths": (20, 56, 110)},
            lambda recipe: 9 - (recipe.depth > 20),
            "Where they are resolved, the test",
        ),
        (
            "depth",
            {"depths": (20, 56, 110)},
            lambda recipe: {20: 9, 56: 7, 110: 8}[recipe.depth],
            "Not as expected: ResNet-110 against ResNet-56.",
        ),
        ("epochs", {}, lambda recipe: 800 / recipe.length, "The test errors are as expected."),
        ("epochs", {}, lambda recipe: recipe.length / 10, "Not as expected: ResNet-20, 82 epochs; and"),
        ("data-size", {}, lambda recipe: 8 / recipe.train_share, "The test errors are as expected."),
        ("batch-size", {}, lambda recipe: 8.0, "The test errors are as expected."),
        ("batch-size", {}, lambda recipe: recipe.batch_size / 16, "Not as expected: batch 64"),
        ("degradation", {"depths": (20, 56)}, lambda recipe: 8 + _slope(recipe), "The test errors are as expected."),
        (
            "degradation",
            {"depths": (20, 56)},
            lambda recipe: 8 - _slope(recipe),
            "Not as expected: plain-56 against plain-20 and ResNet-56 against ResNet-20.",
        ),
        ("learning-rate", {}, lambda recipe: 8 + 4 * (recipe.learning_rate in (0.01, 1)), "The test errors are as"),
        ("learning-rate", {}, lambda recipe: 9 - 2 * (recipe.learning_rate == 1), "Not as expected: rate 1."),
        ("learning-rate", {}, lambda recipe: 8 - 2 * (recipe.learning_rate == 0.2), "Not as expected: rate 0.2."),
        ("shortcuts", {}, lambda recipe: 8 + (recipe.shortcut == "A"), ""),
    ],
)
def test_whether_what_was_expected_came_true(
    tmp_path: Path, name: str, factors: dict[str, Any], error: Callable[[Recipe], float], said: str
) -> None:
    study = ask(name, Options(datasets=("cifar10",), **{"depths": (20,), **factors}, seeds=3))
    words = words_of(planted(tmp_path, study, lambda recipe: Truth(float(error(recipe)), 1.0, 0.05, own=True)))
    assert said in words
    assert ("expected" in words.replace("Expected: ", "")) == bool(said)


def test_plain_networks_degrade_and_residual_ones_do_not(tmp_path: Path) -> None:
    def truth(recipe: Recipe) -> Truth:
        slope = 0.05 if recipe.family == "plain" else -0.03
        return Truth(8.5 + slope * (recipe.depth - 20), 2.0 + slope * (recipe.depth - 20), 0.05, own=True)

    options = Options(datasets=("cifar10",), depths=(20, 56), seeds=3)
    words = words_of(planted(tmp_path, ask("degradation", options), truth))
    assert (
        "CIFAR-10, plain networks: they degrade from 20 to 56 layers: the training error itself rises, and so does"
        in words
    )
    assert "CIFAR-10, residual networks: they do not degrade from 20 to 56 layers: the training error falls" in words
    assert "the reason lies in how they are trained, and not in overfitting" in words
    assert "Nothing was measured on these networks." in words


def test_a_degradation_that_is_not_shown_gets_no_reason(tmp_path: Path) -> None:
    study = ask("degradation", Options(datasets=("cifar10",), depths=(20, 56), seeds=3))
    words = words_of(planted(tmp_path, study, lambda recipe: Truth(8.5, 2.0, 0.3, own=True)))
    assert "Plain networks are not shown to degrade here, so there is nothing to give a reason for." in words
    assert "the reason lies in how they are trained" not in words


def test_how_test_curves_end_is_a_table(tmp_path: Path) -> None:
    study = ask("epochs", Options(datasets=("cifar10",), depths=(8,), epochs=12, seeds=2))
    blocks = planted(tmp_path, study, lambda recipe: Truth(3.0, 1.0))
    (table,) = [block for block in blocks if isinstance(block, Table) and block.key == "endings"]
    assert [row[0] for row in table.rows] == ["ResNet-8, 6 epochs", "ResNet-8, 12 epochs", "ResNet-8, 24 epochs"]
    assert [row[2:] for row in table.rows] == [("6", "0.00"), ("12", "0.00"), ("24", "0.00")]
    assert "within 0.5 points of its last value" in table.caption
    assert "Not up to 24 epochs: no longer training did worse." in words_of(blocks)


def test_longer_trainings_that_nothing_is_shown_of_are_open(tmp_path: Path) -> None:
    study = ask("epochs", Options(datasets=("digits",), depths=(8,), epochs=12, seeds=2))
    words = words_of(planted(tmp_path, study, lambda recipe: Truth(9.0, 1.0, 3.0, own=True)))
    assert (
        "Of one comparison with longer trainings none shows them to do as well or better, and one is not resolved."
        in words
    )


@pytest.mark.parametrize(
    ("few", "said"),
    [
        (20.0, "Both play a part."),  # 12 points by images, 12 by classes
        (13.0, "So the greater part goes with the classes"),  # 5 and 19
        (26.0, "So the greater part goes with the number of images of each class"),  # 18 and 6
        (8.0, "Not both parts are resolved."),  # none and 24
    ],
)
def test_images_and_classes_are_told_apart_in_one_design(tmp_path: Path, few: float, said: str) -> None:
    planted = {
        ("cifar10", 1.0): 8.0,
        ("cifar10", 0.5): 9.0,
        ("cifar10", 0.2): 11.0,
        ("cifar10", 0.1): few,
        ("cifar100-coarse", 1.0): 22.0,
        ("cifar100", 1.0): 32.0,
        ("cifar100", 0.5): 41.0,
    }
    study = ask("data-size", Options(depths=(20,), seeds=2))
    kept = {variant.recipe: dict(variant.factors).get("kept") for variant in study.variants}
    for run in study.runs():
        error = planted.get((run.recipe.dataset, run.recipe.train_share))
        if error is not None:  # the fifth of CIFAR-100 has not run
            error += 30.0 if kept[run.recipe] == "same epochs" else 0.0  # and is no part of the design
            write_run(tmp_path, run, Truth(error, 0.5, 0.01, own=True))
    blocks = chapter_of(study, read_tables(tmp_path))
    words, rows = words_of(blocks), _rows(blocks, "design")
    assert list(rows) == ["10 (CIFAR-10)", "20 (CIFAR-100's superclasses)", "100 (CIFAR-100)"]
    cells = {row: [cell and round(float(cell.split(" ")[0])) for cell in list(rows[row].values())[1:]] for row in rows}
    assert list(rows["100 (CIFAR-100)"])[1:] == [f"{n} per class" for n in ("5,000", "2,500", "1,000", "500", "250")]
    assert list(cells.values()) == [
        [8, 9, 11, few, None],
        [None, 22, None, None, None],
        [None, None, None, 32, 41],
    ]
    line = next(line for line in words.splitlines() if line.startswith("ResNet-20: "))
    found = re.search(r"100 classes rather than 10, with 500 images of each: \+([\d.]+) points", line)
    assert found
    assert float(found[1]) == pytest.approx(32 - few, abs=0.05)
    assert said in line
    answer = next(line for line in words.splitlines() if line.startswith("CIFAR-10 and CIFAR-100, ResNet-20: "))
    assert "10 classes beat 100 (" in answer
    images = "5,000 images per class beat 500 (" if few > 8 else "500 vs 5,000 images per class "
    assert images in answer or "500 within 0.5 points of 5,000 images per class (" in answer
    assert "in 20 superclasses rather than 100 classes: \N{MINUS SIGN}10.0" in line
    parts = re.search(r"([\d.]+) = ([\d.]+) \+ ([\d.]+) points with 1/2 of CIFAR-10;", words)
    assert parts
    assert [float(one) for one in parts.groups()] == pytest.approx([31.0, 1.0, 30.0], abs=0.05)


def test_of_one_seed_neither_images_nor_classes_are_said_to_matter_more(tmp_path: Path) -> None:
    def truth(recipe: Recipe) -> Truth:
        return Truth({"cifar10": 8.0, "cifar100": 32.0, "cifar100-coarse": 22.0}[recipe.dataset], 9.0)

    blocks = planted(tmp_path, ask("data-size", Options(depths=(20,), seeds=1)), truth)
    words = words_of(blocks)
    assert "Of one seed each, neither part is tested." in words
    assert "part goes with" not in words
    assert "With one seed each, no difference is tested." in words
    assert "No difference is large enough for a reason to be supposed." in words  # the training errors are all alike
    (final,) = [block for block in blocks if isinstance(block, Figure) and block.key == "final"]
    assert not [panel.title for panel in final.panels if "superclasses" in panel.title]


def test_lists_name_their_data_set_though_they_have_one_only(tmp_path: Path) -> None:
    def truth(recipe: Recipe) -> Truth:
        worse = recipe.dataset == "cifar10" and recipe.learning_rate == 1.0
        return Truth(12.0 if worse else 8.5, 6.0 if worse else 0.5, 0.05, own=True)

    study = ask("learning-rate", Options(datasets=("cifar10", "cifar100"), depths=(20,), seeds=3))
    words = words_of(planted(tmp_path, study, truth))
    assert "Both errors higher (on CIFAR-10 rate 1): the network learns even" in words


@pytest.mark.parametrize(
    ("longest", "said"),
    [
        (8.5, "the network learns the training images better, but too little carries over to show"),
        (7.9, "these seeds do not show whether it carries over"),
    ],
)
def test_what_is_learnt_more_and_not_shown_to_carry_over(tmp_path: Path, longest: float, said: str) -> None:
    study = ask("epochs", Options(datasets=("cifar10",), depths=(20,), seeds=3))

    def truth(recipe: Recipe) -> Truth:
        noise = 0.05 if longest == 8.5 else 0.4
        return Truth(longest if recipe.length > 200 else 8.5, 0.5 if recipe.length > 200 else 4.5, noise, own=True)

    words = words_of(planted(tmp_path, study, truth))
    assert ", training error lower (ResNet-20, 328 epochs): " in words
    assert said in words


def test_of_what_nothing_has_finished_no_figures_are_promised(tmp_path: Path) -> None:
    study = ask("degradation", Options(datasets=("cifar10",), depths=(20, 56), seeds=2))
    for run in study.runs():
        if (run.recipe.family, run.recipe.depth) != ("plain", 56):
            write_run(tmp_path, run, Truth(8.5, 0.5, 0.05))
    words = words_of(chapter_of(study, read_tables(tmp_path)))
    assert "No run has finished of plain-56, CIFAR-10: what follows is without it." in words
    assert "Their figures are of those that have" not in words
    assert "Plain-56 against" not in words
    assert "CIFAR-10, plain networks: not all depths have finished." in words


def test_what_the_images_asked_cannot_answer_is_not_posed(tmp_path: Path) -> None:
    study = ask("data-size", Options(datasets=("digits",), depths=(8,), epochs=6, seeds=2))
    assert "CIFAR" not in study.question + study.expectation
    blocks = planted(tmp_path, study, lambda recipe: Truth(3.0, 1.0, 0.1, own=True))
    assert not [block for block in blocks if isinstance(block, Heading) and "CIFAR" in block.text]
    (table,) = [block for block in blocks if isinstance(block, Table) and block.key == "amounts"]
    assert [column.title for column in table.columns] == ["Share", "Images", "Classes", "Images per class"]
    assert _rows(blocks, "errors")["1/2 (same steps)"]["Difference (points)"] is not None
    assert "is CIFAR-100 harder for its classes" in ask("data-size", Options()).question


def test_an_epoch_of_schedule_is_told_as_the_difference_that_it_is(tmp_path: Path) -> None:
    study = ask("fidelity", Options(datasets=("cifar10",), depths=(20,), seeds=1))
    blocks = planted(tmp_path, study, lambda recipe: Truth(8.5, 0.5))
    (table,) = [block for block in blocks if isinstance(block, Table) and block.key == "deviations"]
    rows = {row[0]: row[1:] for row in table.rows}
    changed, base = rows["Drops an epoch earlier"][:2]
    assert "after 80 and 121" in str(changed)
    assert "after 81 and 122" in str(base)
    assert all(None not in row for row in rows.values())
    assert "of the schedule here" not in table.caption
    (recipe,) = [block for block in blocks if isinstance(block, Table) and block.key == "recipe"]
    assert recipe.title == "The recipe of the base"
    assert not [row for row in recipe.rows if "by variant" in str(row[1])]


def test_an_epoch_of_a_short_schedule_is_told_to_be_much_of_it(tmp_path: Path) -> None:
    study = ask("fidelity", Options(datasets=("digits",), depths=(8,), epochs=8, seeds=2))

    def truth(recipe: Recipe) -> Truth:
        return Truth(9.0 if recipe.nesterov else 3.0, 1.0, 0.01, own=True)

    blocks = planted(tmp_path, study, truth)
    (table,) = [block for block in blocks if isinstance(block, Table) and block.key == "deviations"]
    assert "An epoch is 12.5% of the schedule here, and 0.61% of the assignment's." in table.caption
    words = words_of(blocks)
    assert "comparisons one shows a change of the test error, " in words
    assert "base beat Nesterov momentum (" in words


@pytest.mark.parametrize(
    ("middle", "said"),
    [
        (
            11.0,
            "So the greater part goes with the classes and what comes with them; the assignment",
        ),
        (30.0, "So the greater part goes with the number of images of each class, as the assignment supposes."),
        (33.0, "500 images of each rather than 5,000: +25."),
    ],
)
def test_the_greater_part_of_the_distance_is_named(tmp_path: Path, middle: float, said: str) -> None:
    def truth(recipe: Recipe) -> Truth:
        if recipe.dataset == "cifar10":
            return Truth(8.0 if recipe.train_share == 1 else middle, 0.5)
        return Truth(32.0, 9.0)

    words = words_of(planted(tmp_path, ask("data-size", Options(depths=(20,), seeds=2)), truth))
    assert said in words
    assert ("greater part" in words) == (middle < 32)


def test_what_fewer_images_do_has_the_reason_that_the_training_errors_show(tmp_path: Path) -> None:
    def truth(recipe: Recipe) -> Truth:
        if recipe.train_share == 1:
            return Truth(8.0, 2.0, 0.02, own=True)
        train = {0.5: 1.0, 0.2: 5.0, 0.1: 2.0}[recipe.train_share]
        return Truth(14.0, train, 0.02, own=True)

    words = words_of(planted(tmp_path, ask("data-size", RATES), truth))
    assert (
        "Test error higher, training error lower (1/2 (same steps) and 1/2 (same epochs)): "
        "the network learns the training images better" in words
    )
    assert (
        "Both errors higher (1/5 (same steps) and 1/5 (same epochs)): "
        "the network learns even the training images less well" in words
    )
    (unknown,) = [
        line for line in words.splitlines() if line.startswith("Test error higher, training error not resolved")
    ]
    assert "(1/10 (same steps); training " in unknown
    assert unknown.endswith(" points): these runs do not show why.")


@pytest.mark.parametrize(
    ("noise", "errors", "said"),
    [
        (0.01, (8.0, 8.0, 8.0), "All are equal within 0.5 points: projections are not essential here."),
        (2.0, (8.0, 8.0, 8.0), "or their effect too small for these seeds"),
        (0.01, (8.0, 7.0, 8.0), "a gain of B or C may be that of its parameters"),
    ],
)
def test_what_shortcuts_show_of_projections(
    tmp_path: Path, noise: float, errors: tuple[float, float, float], said: str
) -> None:
    def truth(recipe: Recipe) -> Truth:
        return Truth(errors["ABC".index(recipe.shortcut)], 1.0, noise, own=True)

    assert said in words_of(planted(tmp_path, ask("shortcuts", RATES), truth))


def test_worse_rates_are_listed_by_data_set(tmp_path: Path) -> None:
    def truth(recipe: Recipe) -> Truth:
        high = recipe.learning_rate >= 0.5
        return Truth(12.0 if high else 8.5, 6.0 if high else 0.5, 0.05, own=True)

    study = ask("learning-rate", Options(datasets=("cifar10", "cifar100"), depths=(20,), seeds=3))
    words = words_of(planted(tmp_path, study, truth))
    assert (
        "Both errors higher (on CIFAR-10 rate 0.5 and rate 1; on CIFAR-100 rate 0.5 and rate 1): "
        "the network learns even" in words
    )


@pytest.mark.parametrize("other", [False, True])
def test_speeds_of_batches_say_whether_all_ran_the_same_code(tmp_path: Path, other: bool) -> None:
    study = ask("batch-size", Options(datasets=("cifar10",), depths=(20,), epochs=4, seeds=1))
    for run in study.runs():
        folder = write_run(tmp_path, run, Truth(14.0, 11.0))
        if other and run.recipe.batch_size == 64:
            path = folder / "provenance.json"
            path.write_text(path.read_text().replace('"source_digest": "', '"source_digest": "0'))
    words = words_of(chapter_of(study, read_tables(tmp_path)))
    assert "Training images a second, by batch size: on CIFAR-10 " in words
    assert ("They were not all made with the same version of ResLab, either." in words) == other


@pytest.mark.parametrize("name", list(QUESTIONS))
@pytest.mark.parametrize("stop_after", [None, 0, 3])
def test_nothing_finished_says_so_and_makes_nothing_up(tmp_path: Path, name: str, stop_after: int | None) -> None:
    study = ask(name, Options(datasets=("digits",), depths=(8, 14), epochs=6, seeds=2))
    if stop_after is not None:
        write_run(tmp_path, study.runs()[0], Truth(3.0, 1.0), stop_after=stop_after)
    blocks = chapter_of(study, read_tables(tmp_path))
    assert f"0 of {len(study.runs())} runs have finished." in words_of(blocks)
    assert not [block for block in blocks if isinstance(block, Table) and block.key in ("comparisons", "errors")]


@pytest.mark.parametrize("name", list(QUESTIONS))
def test_one_seed_and_some_missing_is_told_without_a_verdict(tmp_path: Path, name: str) -> None:
    study = ask(name, Options(datasets=("cifar10",), depths=(20, 32, 56), epochs=6, seeds=1))
    for run in study.runs()[:-1]:
        write_run(tmp_path, run, Truth(20.0, 10.0))
    blocks = chapter_of(study, read_tables(tmp_path))
    keys = [block.key for block in blocks if isinstance(block, Figure | Table)]
    assert len(keys) == len(set(keys))
    assert {"final", "errors"} <= set(keys)
    assert "comparisons" not in keys  # nothing is tested
    words = words_of(blocks)
    assert words.count("With one seed each, no difference is tested.") == 1
    assert "not tested" in words
    for reference in _references(words):
        assert reference in keys or reference.startswith("appendix-"), reference


def test_a_base_that_stands_alone_denies_nothing(tmp_path: Path) -> None:
    for name in ("learning-rate", "batch-size", "data-size"):
        study = ask(name, Options(datasets=("cifar10",), depths=(20,), epochs=6, seeds=3))
        (base,) = {run.recipe for run in study.runs()} & {run.recipe for run in ask("depth", _alone()).runs()}
        root = tmp_path / name
        for run in study.runs():
            if run.recipe == base:
                write_run(root, run, Truth(14.0, 11.0, 0.1))
        words = words_of(chapter_of(study, read_tables(root)))
        assert texts_of(name)("tests.nothing") in words
        for denied in ("has no finished run", "there is nothing to give a reason for", "lowest with"):
            assert denied not in words


def _alone() -> Options:
    return Options(datasets=("cifar10",), depths=(20,), epochs=6, seeds=3)


def test_a_longer_training_that_is_worse_in_both_errors_is_said_to_be(tmp_path: Path) -> None:
    study = ask("epochs", Options(datasets=("cifar10",), depths=(20,), seeds=3))

    def truth(recipe: Recipe) -> Truth:
        worse = recipe.length > 200
        return Truth(12.0 if worse else 8.5, 4.0 if worse else 1.0, 0.05, own=True)

    words = words_of(planted(tmp_path, study, truth))
    assert "Longer training is shown to do worse: 328 epochs" in words
    assert "No longer training is shown to do worse" not in words


def test_a_better_rate_has_a_reason_too(tmp_path: Path) -> None:
    def truth(recipe: Recipe) -> Truth:
        better = recipe.learning_rate == 0.2
        return Truth(7.0 if better else 8.5, 0.2 if better else 0.6, 0.02, own=True)

    words = words_of(planted(tmp_path, ask("learning-rate", RATES), truth))
    assert "Both errors lower (rate 0.2): the network learns more, and this carries over to new images." in words


@pytest.mark.parametrize(
    ("same", "scaled", "noise", "said"),
    [
        (10.0, 8.5, 0.05, "what matters here is the rate per image, and the batch size through it"),
        (8.5, 10.0, 0.05, "the rate matters more than the batch"),
        (10.0, 10.0, 0.05, "so the rate alone does not explain them"),
        (8.5, 8.5, 0.05, "neither the batch nor the rate matters more"),
        (10.0, 8.5, 0.5, "These seeds do not show whether the batch matters apart from the rate."),
    ],
)
def test_rate_and_batch_are_told_apart_only_where_both_ways_show_enough(
    tmp_path: Path, same: float, scaled: float, noise: float, said: str
) -> None:
    def truth(recipe: Recipe) -> Truth:
        usual = recipe.batch_size == 128
        return Truth(8.5 if usual else same if recipe.learning_rate == 0.1 else scaled, 1.0, noise, own=True)

    assert said in words_of(planted(tmp_path, ask("batch-size", RATES), truth))


def test_a_plain_network_that_diverged_is_the_result(tmp_path: Path) -> None:
    study = ask("degradation", Options(datasets=("cifar10",), depths=(20, 56), seeds=2))
    for run in study.runs():
        if (run.recipe.family, run.recipe.depth) == ("plain", 56):
            write_run(tmp_path, run, Truth(90.0, 90.0), stop_after=4, failure=DIVERGED)
        else:
            write_run(tmp_path, run, Truth(8.5, 0.5, 0.05))
    words = words_of(chapter_of(study, read_tables(tmp_path)))
    assert "CIFAR-10, plain networks: plain-56 diverged." in words
    assert "not all depths have finished" not in words
    assert "Plain networks cannot be compared here: plain-56 diverged." in words


def _slope(recipe: Recipe) -> float:
    return (recipe.depth - 20) / (20 if recipe.family == "plain" else -20)


def _rows(blocks: list[Block], key: str) -> dict[str | None, dict[str, str | None]]:
    """Return a table by row and column."""
    (table,) = [block for block in blocks if isinstance(block, Table) and block.key == key]
    titles = [column.title for column in table.columns]
    return {row[0]: dict(zip(titles, row, strict=True)) for row in table.rows}


def _references(words: str) -> list[str]:
    return [part.partition("]]")[0] for part in words.split("[[")[1:]]


def test_batches_are_answered_apart_at_one_rate_and_in_proportion(tmp_path: Path) -> None:
    study = ask("batch-size", Options(datasets=("cifar10",), depths=(20,), seeds=3))

    def truth(recipe: Recipe) -> Truth:
        return Truth(9.0 + 20 * abs(recipe.learning_rate / recipe.batch_size * 128 - 0.1), 0.5, 0.05)

    words = words_of(planted(tmp_path, study, truth))
    assert "CIFAR-10, same rate: batch 128 beat 64 and 256 (" in words
    assert "CIFAR-10, rate ∝ batch: batch 64 and 256 within 0.5 points of 128 (" in words
