"""Groups compared: pairs by seed only where that is sound, and what has no finished run stays without a verdict."""

from pathlib import Path

from reslab.analysis.comparisons import between, compare, share_seeds
from reslab.analysis.differences import Difference
from reslab.analysis.groups import Group, gather
from reslab.analysis.tidy import read_tables
from reslab.recipe import Recipe, Run
from synthetic import Truth, small, write_run


def _groups(root: Path, recipes: dict[Recipe, Truth], seeds: int) -> list[Group]:
    for recipe, truth in recipes.items():
        for seed in range(seeds):
            write_run(root, Run(recipe, seed), truth)
    tables = read_tables(root)
    return [gather(tables, recipe.id, recipe, tuple(range(seeds))) for recipe in recipes]


def _found(root: Path, recipes: dict[Recipe, Truth], seeds: int) -> Difference | None:
    first, second = _groups(root, recipes, seeds)
    return between(first, second)


def test_seeds_are_shared_where_first_weights_and_order_are() -> None:
    base = small(8)
    assert share_seeds(base, small(8, learning_rate=0.5, batch_size=64))
    assert not share_seeds(base, small(14))
    assert not share_seeds(base, small(8, initialisation="he-fan-out"))
    assert not share_seeds(base, small(8, train_share=0.5))


def test_pairs_need_five_seeds(tmp_path: Path) -> None:
    recipes = {small(8): Truth(20.0, 1.0, 2.0), small(8, learning_rate=0.2): Truth(19.0, 1.0, 2.0)}
    few, many = (_found(tmp_path / str(seeds), recipes, seeds) for seeds in (3, 5))
    assert few is not None
    assert many is not None
    assert (few.paired, few.resolved) == (False, False)
    assert (many.paired, many.resolved) == (True, True)  # seeds stray alike here, which pairs take out


def test_networks_of_two_depths_are_never_paired(tmp_path: Path) -> None:
    found = _found(tmp_path, {small(8): Truth(20.0, 1.0, 2.0), small(14): Truth(19.0, 1.0, 2.0)}, 5)
    assert found is not None
    assert not found.paired


def test_nothing_finished_has_no_verdict_and_does_not_count(tmp_path: Path) -> None:
    first, second = _groups(tmp_path, {small(8): Truth(8.0, 1.0, 0.1), small(14): Truth(4.0, 1.0, 0.1)}, 3)
    nothing = gather(read_tables(tmp_path), "nothing", small(20), (0, 1, 2))
    with_it, without = compare([(first, second), (first, nothing)]), compare([(first, second)])
    assert with_it[1].test is with_it[1].train is None
    assert with_it[0].test == without[0].test
    assert with_it[0].test is not None
    assert with_it[0].test.kind == "lower"
