"""The study of batch sizes: batch and rate told apart, errors by rate per image, and what a batch costs."""

import json
from pathlib import Path

import pytest
from chapter_words import RATES, chapter_of, planted, words_of

from reslab.analysis.tidy import read_tables
from reslab.exhibits.blocks import Block, Table
from reslab.recipe import Recipe, Run, vary
from reslab.studies.catalogue import ask
from reslab.studies.study import Options
from synthetic import Truth, write_run


@pytest.mark.parametrize(
    ("same", "scaled", "noise", "said"),
    [
        (10.0, 8.5, 0.05, "what matters here is the rate per image, and the batch size through it"),
        (8.5, 10.0, 0.05, "the rate matters more than the batch"),
        (10.0, 10.0, 0.05, "so the rate alone does not explain them"),
        (8.5, 8.5, 0.05, "neither the batch nor the rate matters more"),
        (10.0, 8.5, 0.5, "So the rate per image explains much of it; these seeds do not show whether it explains all."),
        (8.9, 8.5, 0.5, "These seeds do not show whether the batch matters apart from the rate."),
    ],
)
def test_rate_and_batch_are_told_apart_only_where_both_ways_show_enough(
    tmp_path: Path, same: float, scaled: float, noise: float, said: str
) -> None:
    def truth(recipe: Recipe) -> Truth:
        usual = recipe.batch_size == 128
        return Truth(8.5 if usual else same if recipe.learning_rate == 0.1 else scaled, 1.0, noise, own=True)

    assert said in words_of(planted(tmp_path, ask("batch-size", RATES), truth))


@pytest.mark.parametrize("preset", ["assignment", "paper"])
def test_every_batch_size_sees_as_many_images(preset: str) -> None:
    study = ask("batch-size", Options(datasets=("cifar10",), depths=(20,), preset=preset))
    recipes = [variant.recipe for variant in study.variants]
    seen = {one.length * (1 if one.schedule_unit == "epochs" else one.batch_size) for one in recipes}
    assert {one.batch_size for one in recipes} == {64, 128, 256}
    assert len(seen) == 1


def test_batches_are_answered_apart_at_one_rate_and_in_proportion(tmp_path: Path) -> None:
    study = ask("batch-size", Options(datasets=("cifar10",), depths=(20,), seeds=3))

    def truth(recipe: Recipe) -> Truth:
        return Truth(9.0 + 20 * abs(recipe.learning_rate / recipe.batch_size * 128 - 0.1), 0.5, 0.05)

    words = words_of(planted(tmp_path, study, truth))
    assert "CIFAR-10, same rate: batch 128 beat 64 and 256 (" in words
    assert "CIFAR-10, rate ∝ batch: batch 64 and 256 within 0.5 points of 128 (" in words


PER_IMAGE = {(64, 0.1): (14.0, 10.0), (128, 0.1): (13.0, 8.0), (256, 0.1): (15.0, 12.0)}
"""Test and training errors by batch and rate, each at a rate per image of its own."""


def _per_image(root: Path, errors: dict[tuple[int, float], tuple[float, float]]) -> list[Block]:
    """Return the chapter of the study at eight epochs, with further settings of the report beside those asked."""
    study = ask("batch-size", Options(datasets=("cifar10",), depths=(20,), epochs=8, seeds=2))
    base = next(variant.recipe for variant in study.variants if variant.recipe.batch_size == 128)
    for (size, rate), planted_errors in errors.items():
        recipe = vary(base, batch_size=size, learning_rate=rate)
        for seed in (0, 1) if recipe in {variant.recipe for variant in study.variants} else (0,):
            write_run(root, Run(recipe, seed), Truth(*planted_errors))
    return chapter_of(study, read_tables(root))


def test_settings_stand_by_their_rate_per_image_those_of_other_studies_too(tmp_path: Path) -> None:
    """Of 0.1/128 the errors reach from 12.5 to 13.5 and from 7.75 to 8.5; in all from 12.5 to 14.25 and to 10.75."""
    more = {(64, 0.05): (13.5, 8.5), (256, 0.2): (12.5, 7.75), (512, 0.4): (13.25, 8.25), (128, 0.2): (14.25, 10.75)}
    blocks = _per_image(tmp_path, {**PER_IMAGE, **more})
    (table,) = [block for block in blocks if isinstance(block, Table) and block.key == "per-image"]
    assert [row[:3] for row in table.rows] == [
        ("0.00078", "64", "0.05"),
        ("0.00078", "128", "0.1"),
        ("0.00078", "256", "0.2"),
        ("0.00078", "512", "0.4"),
        ("0.0016", "64", "0.1"),
        ("0.0016", "128", "0.2"),
    ]  # 256 at 0.1 is alone at its rate per image
    assert table.rows[3][3:] == ("13.25 (n = 1)", "8.25")
    words = words_of(blocks)
    assert (
        "Settings with the same rate per image differ by up to 1.00 points in test error and 0.75 in training error "
        "([[per-image]]); all settings, by 1.75 and 3.00." in words
    )
    assert "how well the network learns the training images depends on the rate per image" in words


def test_where_training_errors_differ_as_much_at_one_rate_per_image_it_explains_nothing(tmp_path: Path) -> None:
    more = {(64, 0.05): (13.5, 8.5), (256, 0.2): (12.5, 6.5), (128, 0.2): (14.25, 10.0)}
    words = words_of(_per_image(tmp_path, {**PER_IMAGE, **more}))
    assert " 2.00 in training error ([[per-image]]); all settings, by 1.75 and 3.50." in words
    assert "depends on the rate per image" not in words


def test_of_one_rate_per_image_there_is_no_table(tmp_path: Path) -> None:
    blocks = _per_image(tmp_path, {**PER_IMAGE, (64, 0.05): (13.5, 8.5), (256, 0.2): (12.5, 7.75)})
    assert not [block for block in blocks if isinstance(block, Table) and block.key == "per-image"]
    assert "[[per-image]]" not in words_of(blocks)


def test_settings_of_other_lengths_do_not_stand_beside_these(tmp_path: Path) -> None:
    base = ask("batch-size", Options(datasets=("cifar10",), depths=(20,), epochs=16)).variants[2].recipe
    for size, rate in ((64, 0.05), (128, 0.2)):
        write_run(tmp_path, Run(vary(base, batch_size=size, learning_rate=rate), 0), Truth(12.0, 7.0))
    assert "[[per-image]]" not in words_of(_per_image(tmp_path, PER_IMAGE))


def test_nothing_is_expected_of_batches_at_one_rate(tmp_path: Path) -> None:
    def truth(recipe: Recipe) -> Truth:
        return Truth(8.5 if recipe.batch_size == 128 or recipe.learning_rate != 0.1 else 12.0, 1.0, 0.05, own=True)

    words = words_of(planted(tmp_path, ask("batch-size", RATES), truth))
    assert "The test errors are as expected." in words
    assert "Contrary to that" not in words


def test_speeds_are_told_where_batches_differ_by_more_than_seeds_do(tmp_path: Path) -> None:
    study = ask("batch-size", Options(datasets=("cifar10",), depths=(20,), epochs=4, seeds=2))
    speeds = {64: 1000, 128: 2000, 256: 3000}

    def words(root: Path, second: float) -> str:
        for run in study.runs():
            path = write_run(root, run, Truth(14.0, 11.0)) / "result.json"
            speed = speeds[run.recipe.batch_size] * (second if run.seed else 1)
            path.write_text(json.dumps({**json.loads(path.read_text()), "images_per_second": speed}))
        return words_of(chapter_of(study, read_tables(root)))

    alike = words(tmp_path / "alike", 1.0)
    assert (
        "Training images a second, by batch size: on CIFAR-10 1,000 with 64, 2,000 with 128, 3,000 with 256." in alike
    )
    shared = words(tmp_path / "shared", 4.0)  # seeds of a machine that was shared: four times, and batches three
    assert "Training images a second" not in shared


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
    assert ("Not all were measured with the same version of ResLab, either." in words) == other
