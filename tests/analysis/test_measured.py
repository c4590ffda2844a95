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


@pytest.mark.parametrize(("largest", "falls"), [((30.0, 20.0, 10.0), True), ((30.0, 40.0, 10.0), False)])
def test_higher_rates_end_flatter_only_if_each_does(
    tmp_path: Path, largest: tuple[float, float, float], falls: bool
) -> None:
    recipes = [small(8, learning_rate=rate) for rate in (0.1, 0.2, 0.4)]
    for recipe, value in zip(recipes, largest, strict=True):
        end = {"largest": value, "stability_limit": 100.0}
        during = {3: {"curvature": {"final": {"largest": value, "stability_limit": 40.0}}}}
        write_diagnostics(write_run(tmp_path, Run(recipe, 0), Truth(3.0, 1.0)), during, curvature={"final": end})
    groups = [_group(tmp_path, recipe) for recipe in recipes]
    assert flatter(groups) == falls
    assert not flatter(groups[:2])  # two rates are no order
    assert [share_of_limit(group) for group in groups] == [value / 100 for value in largest]
    assert shares_along(groups[0]) == {3: 0.75, 12: 0.3}


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
