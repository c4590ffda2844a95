"""Both errors of comparisons: what is shown of each, or of single runs beyond the draw of the images."""

from pathlib import Path

import pytest

from reslab.analysis.comparisons import Compared, compare
from reslab.analysis.groups import gather
from reslab.analysis.reasons import beyond_chance, by_kinds, chance_reach, resolved, shows, untested
from reslab.analysis.tidy import read_tables
from reslab.recipe import Run
from synthetic import Truth, small, write_run


def _compared(root: Path, *errors: tuple[float, float], seeds: int) -> list[Compared]:
    """Compare runs of these test and training errors with the first of them, on as many images as CIFAR-10 has."""
    recipes = [small(8, dataset="cifar10", learning_rate=0.1 + place) for place in range(len(errors))]
    for recipe, (test, train) in zip(recipes, errors, strict=True):
        for seed in range(seeds):
            write_run(root, Run(recipe, seed), Truth(test, train, 0.05 * (seeds > 1)))
    tables = read_tables(root)
    base, *others = (gather(tables, recipe.id, recipe, tuple(range(seeds))) for recipe in recipes)
    return compare((base, other) for other in others)


def test_several_seeds_are_tested(tmp_path: Path) -> None:
    one = _compared(tmp_path / "one", (14.0, 11.0), (21.0, 20.0), seeds=1)
    two = _compared(tmp_path / "two", (14.0, 11.0), (21.0, 20.0), seeds=2)
    assert (untested(one), untested(two), untested([])) == (True, False, False)
    assert ([found.kind for found in one], [found.kind for found in two]) == (["unknown"], ["higher"])
    assert (resolved(one), resolved(two)) == ([], two)
    alone = [Compared(found.first, found.second, None, None) for found in two]
    assert [shows(found) for found in ([], alone, one, two)] == ["nothing", "nothing", "untested", "changes"]
    assert alone[0].kind is None


@pytest.mark.parametrize("seeds", [1, 3])
def test_comparisons_are_told_by_what_both_errors_show(tmp_path: Path, seeds: int) -> None:
    worse, alike = found = _compared(tmp_path, (14.0, 11.0), (21.0, 5.0), (14.0, 11.0), seeds=seeds)
    assert shows([alike]) == ("untested" if seeds == 1 else "equal")
    assert shows(found) == ("untested" if seeds == 1 else "changes")
    assert by_kinds(found, supposed=seeds == 1) == {
        "higher, lower": [worse],
        f"{'open' if seeds == 1 else 'equal'}, open": [alike],
    }


def test_the_draw_of_the_images_is_the_scale_of_single_runs(tmp_path: Path) -> None:
    near, far = _compared(tmp_path, (14.0, 11.0), (14.4, 11.0), (38.0, 38.0), seeds=1)
    assert chance_reach(far) == pytest.approx(1.17, abs=0.01)  # 1.96 * sqrt(14 * 86 + 38 * 62) / 100
    assert (beyond_chance(near), beyond_chance(far)) == ("open", "higher")
