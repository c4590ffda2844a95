"""The study of the length of training: what a longer one does, to which error, and what other studies have of it."""

import json
from pathlib import Path

import pytest
from chapter_words import chapter_of, planted, words_of

from reslab.analysis.tidy import read_tables
from reslab.recipe import Recipe, Run, stretch, vary
from reslab.studies.catalogue import ask
from reslab.studies.study import Options
from synthetic import Truth, write_run


def test_how_far_curves_end_above_their_lowest_place_is_told(tmp_path: Path) -> None:
    study = ask("epochs", Options(datasets=("cifar10",), depths=(8,), epochs=12, seeds=2))
    for run in study.runs():
        path = write_run(tmp_path, run, Truth(3.0, 1.0)) / "metrics.jsonl"
        lines = path.read_text().splitlines()
        lowest = json.loads(lines[-2]) | {"test_error": 2.75 if run.recipe.length == 12 else 3.0}
        path.write_text("\n".join([*lines[:-2], json.dumps(lowest), lines[-1], ""]))
    blocks = chapter_of(study, read_tables(tmp_path))
    words = words_of(blocks)
    assert "Not up to 24 epochs: each longer schedule ended lower, or as low." in words
    assert "Within a run, the mean test curves end at most 0.25 points above their lowest epoch, " in words


def test_what_each_doubling_gains_is_told_where_it_is_less_each_time(tmp_path: Path) -> None:
    study = ask("epochs", Options(datasets=("cifar10",), depths=(20,), epochs=8, seeds=2))
    for name, errors, told in (
        ("less", {4: 20.0, 8: 14.0, 16: 11.5}, True),
        ("more", {4: 20.0, 8: 18.0, 16: 9.0}, False),
    ):
        for run in study.runs():
            write_run(tmp_path / name, run, Truth(errors[int(run.recipe.length)], 5.0, 0.01, own=True))
        words = words_of(chapter_of(study, read_tables(tmp_path / name)))
        assert "Not up to 16 epochs: each longer schedule ended lower." in words
        assert ("Each doubling gains less: 6.0" in words) == told
        assert ("Each doubling" in words) == told


def test_a_doubling_that_loses_is_no_lesser_gain(tmp_path: Path) -> None:
    study = ask("epochs", Options(datasets=("cifar10",), depths=(20,), epochs=8, seeds=1))
    errors = {4: 20.0, 8: 14.0, 16: 14.3}
    words = words_of(planted(tmp_path, study, lambda recipe: Truth(errors[int(recipe.length)], 5.0)))
    assert "Each doubling" not in words


def test_lengths_of_other_studies_are_told_of_the_same_recipe_alone(tmp_path: Path) -> None:
    study = ask("epochs", Options(datasets=("cifar10",), depths=(20,), epochs=8, seeds=2))
    base = next(variant.recipe for variant in study.variants if variant.recipe.length == 8)
    others = {
        stretch(base, 32): 8.25,
        vary(stretch(base, 24), nesterov=True): 9.0,
        stretch(vary(base, depth=32), 32): 7.0,
    }
    for run in study.runs():
        write_run(tmp_path, run, Truth(20.0 - run.recipe.length / 2, 5.0))
    assert "Elsewhere in this report" not in words_of(chapter_of(study, read_tables(tmp_path)))
    for recipe, error in others.items():
        write_run(tmp_path, Run(recipe, 0), Truth(error, 1.0))
    words = words_of(chapter_of(study, read_tables(tmp_path)))
    reached = "Elsewhere in this report the same recipe reached 8.25 (n = 1) in 32 epochs (ResNet-20, CIFAR-10)"
    assert f"{reached}: the mean error is still lower beyond 16 epochs, which is not tested." in words


def test_an_error_that_is_lower_by_less_than_the_margin_is_not_called_lower(tmp_path: Path) -> None:
    study = ask("epochs", Options(datasets=("cifar10",), depths=(20,), epochs=8, seeds=1))
    base = next(variant.recipe for variant in study.variants if variant.recipe.length == 8)
    write_run(tmp_path, Run(stretch(base, 32), 0), Truth(11.6, 1.0))
    words = words_of(planted(tmp_path, study, lambda recipe: Truth(20.0 - recipe.length / 2, 5.0)))
    assert "the same recipe reached 11.60 (n = 1) in 32 epochs" in words
    assert "still lower beyond" not in words


def test_longer_trainings_that_nothing_is_shown_of_are_open(tmp_path: Path) -> None:
    study = ask("epochs", Options(datasets=("digits",), depths=(8,), epochs=12, seeds=2))
    words = words_of(planted(tmp_path, study, lambda recipe: Truth(9.0, 1.0, 3.0, own=True)))
    assert (
        "Of one comparison with longer schedules none shows them to do as well or better, and one is not significant."
        in words
    )


def test_a_longer_training_that_is_worse_in_both_errors_is_said_to_be(tmp_path: Path) -> None:
    study = ask("epochs", Options(datasets=("cifar10",), depths=(20,), seeds=3))

    def truth(recipe: Recipe) -> Truth:
        worse = recipe.length > 200
        return Truth(12.0 if worse else 8.5, 4.0 if worse else 1.0, 0.05, own=True)

    words = words_of(planted(tmp_path, study, truth))
    assert "Longer training is shown to do worse: 328 epochs" in words
    assert "None of the longer trainings is shown to do worse" not in words


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
