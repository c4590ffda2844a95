"""What classes and images of each cost, against planted errors."""

from pathlib import Path

from reslab.analysis.classes import costs, design
from reslab.analysis.comparisons import compare
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
    pairs = design(hundred, groups)
    compared = compare(pairs.values())
    found = costs(hundred, groups, compared)
    values = {name: one.test.difference.value for name, one in found.items() if one.test is not None}
    assert values == {"classes": 12, "images": 12, "superclasses": -10}
    assert list(found.values()) == compared  # the comparisons as they were made with all others
    assert costs(hundred, groups, compared[:1]).keys() == {"classes"}
    assert design(hundred, [hundred]) == {}
    assert costs(hundred, [hundred], compared) == {}


def test_networks_of_other_depths_and_other_shares_tell_no_cost(tmp_path: Path) -> None:
    hundred = small(8, dataset="cifar100")
    others = [small(14, dataset="cifar10"), small(8, dataset="cifar10", train_share=0.5)]
    for recipe in (hundred, *others):
        write_run(tmp_path, Run(recipe, 0), Truth(8.0, 1.0))
    tables = read_tables(tmp_path)
    first, *rest = (gather(tables, recipe.id, recipe, (0,)) for recipe in (hundred, *others))
    assert design(first, [first, *rest]) == {}
