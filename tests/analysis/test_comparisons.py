"""Groups compared: pairs by seed only where that is sound, and what has no finished run stays without a verdict."""

from pathlib import Path

import pytest

from reslab.analysis.comparisons import compare, compare_with_published, share_seeds, wholly_apart
from reslab.analysis.differences import Difference, difference
from reslab.analysis.groups import Group, gather
from reslab.analysis.tidy import read_tables
from reslab.published import published
from reslab.recipe import Recipe, Run, vary
from synthetic import Truth, small, write_run


def _groups(root: Path, recipes: dict[Recipe, Truth], seeds: int) -> list[Group]:
    for recipe, truth in recipes.items():
        for seed in range(seeds):
            write_run(root, Run(recipe, seed), truth)
    tables = read_tables(root)
    return [gather(tables, recipe.id, recipe, tuple(range(seeds))) for recipe in recipes]


def _found(root: Path, recipes: dict[Recipe, Truth], seeds: int) -> Difference | None:
    first, second = _groups(root, recipes, seeds)
    (found,) = compare([(first, second)])
    return None if found.test is None else found.test.difference


def test_seeds_are_shared_where_first_weights_and_order_are() -> None:
    base = small(8)
    assert share_seeds(base, small(8, learning_rate=0.5, batch_size=64))
    assert not share_seeds(base, small(14))
    assert not share_seeds(base, small(8, initialisation="he-fan-out"))
    assert not share_seeds(base, small(8, train_share=0.5))
    wide = vary(base, family="wide", depth=16, width=2)
    assert not share_seeds(wide, vary(wide, width=4))
    own, others = (vary(base, network=f"{name}.py:build") for name in "ab")
    assert not share_seeds(own, others)


def test_pairs_need_five_seeds(tmp_path: Path) -> None:
    recipes = {small(8): Truth(20.0, 1.0, 2.0), small(8, learning_rate=0.2): Truth(19.0, 1.0, 2.0)}
    few, many = (_found(tmp_path / str(seeds), recipes, seeds) for seeds in (3, 5))
    assert few is not None
    assert many is not None
    assert (few.paired, few.resolved) == (False, False)
    assert (many.paired, many.resolved) == (True, True)  # seeds stray alike here, which pairs take out


def test_other_seeds_of_one_recipe_have_one_spread_known_once(tmp_path: Path) -> None:
    _groups(tmp_path, {small(8): Truth(20.0, 10.0, 2.0, own=True)}, 4)
    tables = read_tables(tmp_path)
    (found,) = compare([(gather(tables, "first", small(8), (0, 1)), gather(tables, "second", small(8), (2, 3)))])
    assert found.test is not None
    assert found.test.difference.freedom == 2


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


def _rates(errors: list[list[float]]) -> dict[Recipe, list[float]]:
    return {small(8, dataset="cifar10", learning_rate=0.1 + 0.01 * place): row for place, row in enumerate(errors)}


def _planted(root: Path, errors: dict[Recipe, list[float]]) -> list[Group]:
    for recipe, row in errors.items():
        for seed, error in enumerate(row):
            write_run(root, Run(recipe, seed), Truth(error, error / 2))
    tables = read_tables(root)
    return [gather(tables, recipe.id, recipe, tuple(range(len(row)))) for recipe, row in errors.items()]


CALM = [[8.26, 8.50], [8.52, 8.37], [8.41, 8.22], [8.29, 8.51], [8.60, 8.44], [8.35, 8.48]]
"""Two seeds of six recipes that are all alike, with a spread of 0.1."""


def test_two_seeds_resolve_half_a_point_by_the_spread_of_the_study(tmp_path: Path) -> None:
    groups = _planted(tmp_path, _rates([*CALM, [9.09, 8.89]]))
    compared = compare([(groups[0], group) for group in groups[1:]])
    found = compared[-1].test
    assert found is not None
    assert found.kind == "higher"
    assert found.difference.shared
    assert not found.difference.assumed
    alone = difference(groups[0].last_epoch("test_error"), groups[-1].last_epoch("test_error"))
    assert alone is not None
    assert not alone.resolved
    assert not any(one.test is not None and one.test.resolved for one in compared[:-1])


def test_a_single_seed_is_given_the_spread_of_the_rest_of_the_report(tmp_path: Path) -> None:
    elsewhere = {small(14, dataset="cifar10"): [7.9, 8.1, 8.0]}
    groups = _planted(tmp_path, {**_rates([[8.4], [32.0], [8.5]]), **elsewhere})
    far, near = (one.test for one in compare([(groups[0], groups[1]), (groups[0], groups[2])]))
    assert far is not None
    assert near is not None
    assert (far.kind, near.kind) == ("higher", "open")
    assert far.difference.assumed
    assert near.difference.margin is not None
    assert far.difference.margin is not None
    assert far.difference.margin > near.difference.margin  # errors of a third vary more than those of a twelfth


def test_a_single_seed_with_nothing_beside_it_stays_untested(tmp_path: Path) -> None:
    groups = _planted(tmp_path, _rates([[8.4], [32.0]]))
    (found,) = compare([(groups[0], groups[1])])
    assert found.test is not None
    assert found.test.kind == "unknown"


def test_the_one_seed_left_of_several_that_diverged_is_given_no_calm_spread(tmp_path: Path) -> None:
    edge = small(8, dataset="cifar10", learning_rate=1.0)
    failure = {"kind": "diverged", "message": "", "epoch": 1, "iteration": 10, "time": "2026-01-01T00:00:00Z"}
    write_run(tmp_path, Run(edge, 1), Truth(8.4, 4.0), stop_after=1, failure=failure)
    groups = _planted(tmp_path, {**_rates(CALM), edge: [8.4]})
    last = gather(read_tables(tmp_path), "edge", edge, (0, 1))
    (found,) = compare([(groups[0], last)])
    assert found.test is not None
    assert found.test.kind == "unknown"


def test_two_images_are_no_difference(tmp_path: Path) -> None:
    groups = _planted(tmp_path, _rates([[8.40, 8.40], [8.42, 8.42]]))
    (found,) = compare([(groups[0], groups[1])])
    assert found.test is not None
    assert not found.test.resolved


def test_single_published_runs_are_draws_and_corrected_for_their_number(tmp_path: Path) -> None:
    papers = [one for one in published(dataset="cifar10", source="paper") if one.depth in (20, 32, 44, 56)]
    recipes = {
        small(one.depth or 0, dataset="cifar10"): [one.error - shift for shift in (0.25, 0.35, 0.45)] for one in papers
    }
    groups = _planted(tmp_path, recipes)
    one, *_ = compare_with_published([(groups[0], papers[0])])
    several = compare_with_published(list(zip(groups, papers, strict=True)))
    assert one is not None
    assert several[0] is not None
    assert one.difference.value == pytest.approx(-0.35)
    assert one.difference.freedom > 2  # by the spread of the report
    assert one.difference.freedom == several[0].difference.freedom
    assert one.adjusted == one.p
    smallest = min(several, key=lambda verdict: (verdict and verdict.p) or 1.0)
    assert smallest is not None
    assert smallest.p is not None
    assert smallest.adjusted == pytest.approx(4 * smallest.p)
    assert compare_with_published([(gather(read_tables(tmp_path), "none", small(110), (0,)), papers[0])]) == [None]


def test_seeds_on_other_images_lend_no_spread(tmp_path: Path) -> None:
    lender = small(14, dataset="cifar10")
    write_run(tmp_path, Run(lender, 3), Truth(30.0, 15.0), fingerprint="0" * 64, official=False)
    groups = _planted(tmp_path, {**_rates([[8.4], [9.9]]), lender: [7.9, 8.1, 8.0]})
    (found,) = compare([(groups[0], groups[1])])
    assert found.test is not None
    assert found.test.difference.assumed
    assert found.test.kind == "higher"


def test_seeds_at_other_rates_lend_their_spread_only_where_there_are_no_others(tmp_path: Path) -> None:
    wide = {small(14, dataset="cifar10", learning_rate=1.0): [20.0, 30.0]}
    asked = _rates([[8.4], [9.4]])
    groups = _planted(tmp_path / "wide", {**asked, **wide})
    (found,) = compare([(groups[0], groups[1])])
    assert found.test is not None
    assert found.test.kind == "open"
    groups = _planted(tmp_path / "both", {**asked, **wide, small(14, dataset="cifar10"): [7.9, 8.1, 8.0]})
    (found,) = compare([(groups[0], groups[1])])
    assert found.test is not None
    assert found.test.kind == "higher"


@pytest.mark.parametrize(
    ("first", "second", "apart"),
    [
        ([8.0, 9.0], [11.5, 14.0], 2.5),
        ([11.5, 14.0], [8.0, 9.0], -2.5),
        ([8.0, 9.0, 12.0], [11.5, 14.0], 0.0),  # they overlap
        ([8.0, 9.0], [9.0, 14.0], 0.0),  # they touch
        ([8.0], [11.5, 14.0], 0.0),  # of one seed it is not known how far others go
        ([8.0, 9.0], [14.0], 0.0),
    ],
)
def test_two_are_wholly_apart_where_no_seed_of_one_is_among_those_of_the_other(
    tmp_path: Path, first: list[float], second: list[float], apart: float
) -> None:
    one, other = _planted(tmp_path, _rates([first, second]))
    (found,) = compare([(one, other)])
    assert wholly_apart(found) == apart
