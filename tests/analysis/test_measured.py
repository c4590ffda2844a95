"""What was measured of groups, as numbers: against planted figures."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from reslab.analysis.diagnoses import Diagnoses
from reslab.analysis.groups import Group, gather
from reslab.analysis.measured import above_batch, flatter, rates_apart, share_of_limit, shares_along
from reslab.analysis.surfaces import first_surface, telling_surfaces
from reslab.analysis.tidy import read_tables
from reslab.recipe import Recipe, Run
from synthetic import Truth, small, write_diagnostics, write_run


def _group(root: Path, recipe: Recipe) -> Group:
    return gather(read_tables(root), "it", recipe, (0,))


def _curved(root: Path, largest: dict[Recipe, float]) -> list[Group]:
    for recipe, value in largest.items():
        end = {"largest": value, "stability_limit": 100.0}
        during = {3: {"curvature": {"final": {"largest": value, "stability_limit": 40.0}}}}
        write_diagnostics(write_run(root, Run(recipe, 0), Truth(3.0, 1.0)), during, curvature={"final": end})
    return [_group(root, recipe) for recipe in largest]


@pytest.mark.parametrize(
    ("largest", "falls"),
    [
        ((10.0, 40.0, 30.0), True),  # whatever lies between
        ((20.0, 40.0, 30.0), False),  # half as much again is not more than that
        ((30.0, 20.0, 10.0), False),
    ],
)
def test_the_highest_rate_ends_flatter_only_if_clearly_less_curved(
    tmp_path: Path, largest: tuple[float, float, float], falls: bool
) -> None:
    high, middle, low = _curved(
        tmp_path, {small(8, learning_rate=rate): value for rate, value in zip((0.4, 0.2, 0.1), largest, strict=True)}
    )
    pairs = flatter([high, middle, low])
    assert [(id(one), id(other)) for one, other in pairs] == ([(id(low), id(high))] if falls else [])
    assert flatter([high]) == flatter([]) == []
    assert [share_of_limit(group) for group in (high, middle, low)] == [value / 100 for value in largest]
    assert shares_along(low) == {3: largest[2] / 40, 12: largest[2] / 100}


def test_higher_rates_end_flatter_where_those_of_every_recipe_do(tmp_path: Path) -> None:
    rates = {small(8, learning_rate=rate): value for rate, value in ((0.1, 40.0), (0.4, 10.0))}
    others = {small(14, learning_rate=rate): value for rate, value in ((0.1, 70.0), (0.4, 20.0))}
    groups = _curved(tmp_path / "both", {**rates, **others})
    assert [tuple(map(id, pair)) for pair in flatter(groups)] == [
        tuple(map(id, groups[:2])),
        tuple(map(id, groups[2:])),
    ]
    against = dict(zip(others, (20.0, 70.0), strict=True))
    assert flatter(_curved(tmp_path / "one", {**rates, **against})) == []
    (alone, _) = others
    assert flatter(_curved(tmp_path / "alone", {**rates, alone: 70.0})) == []  # one rate has no lower


def test_what_was_not_measured_has_no_share(tmp_path: Path) -> None:
    write_run(tmp_path, Run(small(8), 0), Truth(3.0, 1.0))
    group = _group(tmp_path, small(8))
    assert (share_of_limit(group), shares_along(group), telling_surfaces([group], 4)) == (None, {}, [])
    assert not above_batch(group)


@pytest.mark.parametrize(
    ("figures", "above"), [({"noise_scale": 40.0}, True), ({"noise_scale": 20.0}, False), ({"at_least": 40.0}, True)]
)
def test_the_noise_scale_or_its_bound_is_held_against_the_batch(
    tmp_path: Path, figures: dict[str, float], above: bool
) -> None:
    write_diagnostics(write_run(tmp_path, Run(small(8), 0), Truth(3.0, 1.0)), noise_scale={"final": figures})
    assert above_batch(_group(tmp_path, small(8))) == above


def test_rates_are_apart_from_half_as_much_again(tmp_path: Path) -> None:
    recipes = [small(8, learning_rate=rate) for rate in (0.1, 0.14, 0.4)]
    for recipe, norm in zip(recipes, (10.0, 10.0, 20.0), strict=True):
        path = write_run(tmp_path, Run(recipe, 0), Truth(3.0, 1.0)) / "metrics.jsonl"
        rows = [json.loads(line) | {"weight_norm": norm} for line in path.read_text().splitlines()]
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    first, near, far = (_group(tmp_path, recipe) for recipe in recipes)
    assert rates_apart([first, near]) is None
    assert rates_apart([first, far]) == pytest.approx((4, 1))


def test_the_first_surface_is_that_of_the_least_seed(tmp_path: Path) -> None:
    for seed, loss in ((10, 1.0), (2, 2.0)):
        surface = {"steps": [0.0], "loss": [[loss]], "error": [[1.0]]}
        write_diagnostics(write_run(tmp_path, Run(small(8), seed), Truth(3.0, 1.0)), surface={"final": surface})
    group = gather(read_tables(tmp_path), "one", small(8), (2, 10))
    assert first_surface(group)["loss"].to_list() == [2.0]
    assert first_surface(replace(group, diagnoses=Diagnoses())).is_empty()


def test_of_many_surfaces_the_deepest_of_each_family_is_told(tmp_path: Path) -> None:
    recipes = [small(depth, family=family) for family in ("plain", "residual") for depth in (8, 14)]
    for recipe in recipes:
        surface = {"steps": [0.0], "loss": [[1.0]], "error": [[1.0]]}
        write_diagnostics(write_run(tmp_path, Run(recipe, 0), Truth(3.0, 1.0)), surface={"final": surface})
    groups = [_group(tmp_path, recipe) for recipe in recipes]
    assert telling_surfaces(groups, 4) == groups
    assert [(one.recipe.family, one.recipe.depth) for one in telling_surfaces(groups, 3)] == [
        ("plain", 14),
        ("residual", 14),
    ]
