"""What is said of curves: steps at each place of a change, and the distance of the errors whatever its sign."""

from pathlib import Path

from reslab.analysis.groups import Group, gather
from reslab.analysis.tidy import read_tables
from reslab.exhibits.blocks import Prose, Table
from reslab.recipe import Recipe, Run
from reslab.studies.curve_features import MOST_LISTED, curve_features
from synthetic import Truth, small, write_run


def _rate(group: Group) -> str:
    return f"rate {group.recipe.learning_rate:g}"


def _found(root: Path, recipes: dict[Recipe, Truth]) -> tuple[list[str], list[Table]]:
    for recipe, truth in recipes.items():
        write_run(root, Run(recipe, 0), truth)
    tables = read_tables(root)
    blocks = curve_features([gather(tables, recipe.id, recipe, (0,)) for recipe in recipes], _rate)
    return (
        [block.text for block in blocks if isinstance(block, Prose)],
        [block for block in blocks if isinstance(block, Table)],
    )


def test_several_places_of_a_change_are_epochs_in_order(tmp_path: Path) -> None:
    recipes = [small(8, learning_rate=0.2), small(8, first_drop=4)]
    words, (steps,) = _found(tmp_path, dict.fromkeys(recipes, Truth(3.0, 1.0)))
    assert words[0].startswith("At the first change of rate (after epochs 4 and 6;")
    assert words[1].startswith("At the second change of rate (after epoch 9;")
    assert [row[0] for row in steps.rows] == ["rate 0.2", "rate 0.2", "rate 0.1", "rate 0.1"]


def test_runs_on_several_data_sets_are_named_with_theirs(tmp_path: Path) -> None:
    recipes = [small(8), small(8, dataset="cifar10")]
    _, (steps,) = _found(tmp_path, dict.fromkeys(recipes, Truth(3.0, 1.0)))
    assert {row[0] for row in steps.rows} == {"rate 0.1, digits", "rate 0.1, CIFAR-10"}


def test_a_training_error_above_the_test_error_is_explained(tmp_path: Path) -> None:
    words, _ = _found(tmp_path, {small(8): Truth(1.0, 3.0)})
    assert "Test error less training error at the last epoch, in points: on digits \N{MINUS SIGN}2" in words[-1]
    assert "It is below zero where training errors" in words[-1]


def test_of_many_groups_only_the_extremes_are_named(tmp_path: Path) -> None:
    recipes = [small(8, learning_rate=0.1 + 0.01 * index) for index in range(MOST_LISTED + 1)]
    words, _ = _found(tmp_path, {recipe: Truth(3.0 + index, 1.0) for index, recipe in enumerate(recipes)})
    assert "(rate 0.1) to " in words[-1]
    assert words[-1].count("rate") == 2
    assert "It is below zero" not in words[-1]
