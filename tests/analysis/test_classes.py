"""What classes and images of each cost, against planted errors."""

from pathlib import Path

from reslab.analysis.classes import costs
from reslab.analysis.groups import gather
from reslab.analysis.tidy import read_tables
from reslab.recipe import Run
from synthetic import Truth, small, write_run

PLANTED = {("cifar10", 1.0): 8.0, ("cifar10", 0.1): 20.0, ("cifar100", 1.0): 32.0, ("cifar100-coarse", 1.0): 22.0}


def test_each_cost_is_of_one_thing_alone(tmp_path: Path) -> None:
    recipes = {small(8, dataset=name, train_share=share): error for (name, share), error in PLANTED.items()}
    for recipe, error in recipes.items():
        write_run(tmp_path, Run(recipe, 0), Truth(error, 1.0))
    groups = [gather(read_tables(tmp_path), recipe.id, recipe, (0,)) for recipe in recipes]
    _, _, hundred, _ = groups
    found = {name: one.test.difference.value for name, one in costs(hundred, groups).items() if one.test is not None}
    assert found == {"classes": 12, "images": 12, "superclasses": -10}
    assert costs(hundred, [hundred]) == {}
