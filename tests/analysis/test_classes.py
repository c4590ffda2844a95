"""What classes and images of each cost, against planted errors."""

from pathlib import Path

import pytest

from reslab.analysis.classes import costs
from reslab.analysis.groups import gather
from reslab.analysis.tidy import read_tables
from reslab.recipe import Run
from synthetic import Truth, small, write_run

PLANTED = {("cifar10", 1.0): 8.0, ("cifar10", 0.1): 20.0, ("cifar100", 1.0): 32.0, ("cifar100-coarse", 1.0): 22.0}


@pytest.mark.parametrize(("seeds", "known"), [(1, "untested"), (2, "shown")])
def test_each_cost_is_of_one_thing_alone(tmp_path: Path, seeds: int, known: str) -> None:
    recipes = {small(8, dataset=name, train_share=share): error for (name, share), error in PLANTED.items()}
    for recipe, error in recipes.items():
        for seed in range(seeds):
            write_run(tmp_path, Run(recipe, seed), Truth(error, 1.0, 0.01 * (seeds > 1), own=True))
    groups = [gather(read_tables(tmp_path), recipe.id, recipe, tuple(range(seeds))) for recipe in recipes]
    _, _, hundred, _ = groups
    found = costs(hundred, groups)
    by = [
        None if one is None or one.test is None else round(one.test.difference.value)
        for one in (found.classes, found.images, found.superclasses)
    ]
    assert (by, found.known, found.all_images) == ([12, 12, -10], known, 5000)
    alone = costs(hundred, [hundred])
    assert (alone.classes, alone.images, alone.superclasses, alone.known, alone.all_images) == (None,) * 3 + ("open", 0)
