"""What is said of curves: steps at each drop of the rate, and the distance of the errors whatever its sign."""

import json
from pathlib import Path

from reslab.analysis.groups import Group, gather
from reslab.analysis.tidy import read_tables
from reslab.recipe import Recipe, Run, stretch
from reslab.studies.curve_features import curve_features
from reslab.studies.words import words_of as texts_of
from synthetic import Truth, small, write_run

MINUS = "\N{MINUS SIGN}"


def _rate(group: Group) -> str:
    return f"rate {group.recipe.learning_rate:g}"


def _words(root: Path, recipes: dict[Recipe, Truth]) -> str:
    for recipe, truth in recipes.items():
        write_run(root, Run(recipe, 0), truth)
    tables = read_tables(root)
    return curve_features([gather(tables, recipe.id, recipe, (0,)) for recipe in recipes], _rate, texts_of("custom"))


def test_several_places_of_a_drop_are_epochs_in_order(tmp_path: Path) -> None:
    recipes = [small(8, learning_rate=0.2), small(8, first_drop=4)]
    words = _words(tmp_path, dict.fromkeys(recipes, Truth(3.0, 1.0)))
    assert words.startswith(
        "At the first drop of the rate (after epochs 4 and 6; [[appendix-steps]]) every test curve falls"
    )
    assert "At the second drop of the rate (after epoch 9) every test curve falls" in words  # the table is told once


def test_a_drop_after_the_first_epoch_is_not_told_from_learning(tmp_path: Path) -> None:
    words = _words(tmp_path, {small(8, first_drop=1): Truth(3.0, 1.0)})
    assert "At the first drop" not in words
    assert "At the second drop of the rate" in words
    assert "no drop of it can show" not in words


def test_a_training_error_above_the_test_error_is_explained(tmp_path: Path) -> None:
    words = _words(tmp_path, {small(8): Truth(1.0, 3.0)})
    assert f"At the end the test error minus the training error is {MINUS}2.00 points." in words
    assert "It can be below zero because training errors are of augmented images" in words


def test_of_many_groups_only_the_extremes_are_named(tmp_path: Path) -> None:
    recipes = [small(8, learning_rate=0.1 + 0.01 * index) for index in range(9)]
    words = _words(tmp_path, {recipe: Truth(3.0 + index, 1.0) for index, recipe in enumerate(recipes)})
    assert "is 2.00 (rate 0.1) to 10.00 (rate 0.18) points." in words
    assert "below zero" not in words


def test_a_rate_that_falls_steadily_or_not_at_all_has_no_drop(tmp_path: Path) -> None:
    constant = small(8, drop_factor=1.0)
    assert "The rate is constant, so the curves show no drop." in _words(tmp_path, {constant: Truth(3.0, 1.0)})


def test_drops_within_an_epoch_do_not_make_the_rate_constant(tmp_path: Path) -> None:
    recipe = stretch(small(8), 1)
    assert recipe.second_drop < recipe.length
    words = _words(tmp_path, {recipe: Truth(3.0, 1.0)})
    assert "constant" not in words
    assert "The drops of the rate come within an epoch, or after the first" in words


def test_a_third_drop_is_a_drop_and_a_short_cosine_has_none(tmp_path: Path) -> None:
    words = _words(tmp_path / "three", {small(8, third_drop=11.0): Truth(3.0, 1.0)})
    assert "At the third drop of the rate (after epoch 11" in words
    cosine = small(8, schedule="cosine", length=3.0)
    path = write_run(tmp_path, Run(cosine, 0), Truth(3.0, 1.0)) / "metrics.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    path.write_text("".join(json.dumps(row | {"rate": 0.1 / row["epoch"]}) + "\n" for row in rows))
    words = curve_features([gather(read_tables(tmp_path), "it", cosine, (0,))], _rate, texts_of("custom"))
    assert words.startswith("The rate changes smoothly, so the curves show no drop.")
    assert " drop of the rate (after" not in words


def test_epochs_at_chance_are_told_with_the_seeds_apart(tmp_path: Path) -> None:
    recipe, ends = small(8), {0: 2, 1: 4}
    for seed, until in ends.items():
        path = write_run(tmp_path, Run(recipe, seed), Truth(3.0, 1.0)) / "metrics.jsonl"
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        told = [row | ({"train_error": 90.0} if row["epoch"] <= until else {}) for row in rows]
        path.write_text("".join(json.dumps(row) + "\n" for row in told))
    words = curve_features([gather(read_tables(tmp_path), recipe.id, recipe, (0, 1))], _rate, texts_of("custom"))
    assert "In training, rate 0.1 is no better than guessing for up to four epochs." in words
    assert "at chance" not in _words(tmp_path / "learns", {small(14): Truth(3.0, 1.0)})


def test_a_curve_that_rises_while_the_training_error_falls_overfits(tmp_path: Path) -> None:
    """Of phases of twenty epochs the first two and the last two tell; the rises lie 18 epochs apart."""
    rising, calm = (small(8, length=60, first_drop=20, second_drop=40, learning_rate=rate) for rate in (0.1, 0.2))
    for recipe, slope in ((rising, 0.25), (calm, 0.0)):
        path = write_run(tmp_path, Run(recipe, 0), Truth(8.0, 1.0)) / "metrics.jsonl"
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        for epoch, row in enumerate(rows[:-1]):  # the last is as recorded
            past = epoch - 20
            test = {0: 20.0, 1: 10.0 + slope * past}.get(epoch // 20, 9.0)
            row |= {"test_error": test, "train_error": 8.0 - 0.125 * epoch}
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    tables = read_tables(tmp_path)
    groups = [gather(tables, recipe.id, recipe, (0,)) for recipe in (rising, calm)]
    words = curve_features(groups, _rate, texts_of("custom"))
    assert (
        "After the first drop the test error of rate 0.1 rises again, from 10.12% to 14.62% by the end of that rate, "
        "while its training error falls from 5.44% to 3.19%: overfitting." in words
    )
    assert words.count("overfitting") == 1
