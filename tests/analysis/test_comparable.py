"""How groups stand to published figures: only where these apply, and without seeds that nobody can add."""

from pathlib import Path

from reslab.analysis.comparable import (
    in_range,
    is_beside_one_run,
    is_full,
    later_windows,
    obstacle,
    paper_verdicts,
    published_beside,
)
from reslab.analysis.groups import Group, gather
from reslab.analysis.tidy import read_tables
from reslab.presets import preset_recipe
from reslab.published import published
from reslab.recipe import Recipe, Run, lengthened, stretch, vary
from synthetic import Truth, write_run

PAPERS = 8.75


def _group(root: Path, recipe: Recipe, error: float, seeds: int = 2) -> Group:
    for seed in range(seeds):
        write_run(root, Run(recipe, seed), Truth(error, 1.0, 0.3, own=True))
    return gather(read_tables(root), "it", recipe, tuple(range(seeds)))


def test_full_trainings_and_shorter_presets_stand_beside_the_paper(tmp_path: Path) -> None:
    full, fast = preset_recipe("assignment"), preset_recipe("fast")
    groups = [_group(tmp_path / name, recipe, PAPERS) for name, recipe in (("full", full), ("fast", fast))]
    assert published_beside(groups[:1]) == published_beside(groups[1:]) != []
    assert published_beside([_group(tmp_path / "short", stretch(full, 16), PAPERS)]) == []
    (found,) = paper_verdicts(groups[:1])
    assert (found[1].error, found[2].kind, found[2].seeds) == (PAPERS, "open", None)
    assert is_beside_one_run(groups[0])
    assert not is_beside_one_run(_group(tmp_path / "alone", full, PAPERS, seeds=1))


def test_a_part_of_the_images_is_not_comparable(tmp_path: Path) -> None:
    full = preset_recipe("assignment")
    part = vary(lengthened(full, 2), train_share=0.5)
    assert obstacle(_group(tmp_path / "full", full, PAPERS)) is None
    assert obstacle(_group(tmp_path / "part", part, PAPERS)) == "part"


def test_a_training_of_almost_the_papers_length_is_full(tmp_path: Path) -> None:
    recipes = {preset: preset_recipe(preset) for preset in ("assignment", "hysts", "fast")}
    found = {name: is_full(_group(tmp_path / name, recipe, PAPERS, seeds=1)) for name, recipe in recipes.items()}
    assert found == {"assignment": True, "hysts": True, "fast": False}


def test_a_mean_lies_inside_above_or_below_a_range() -> None:
    (one,) = [one for one in published(source="assignment", dataset="cifar10", depth=20) if one.low is not None]
    assert one.low is not None
    assert [in_range(mean, one) for mean in (one.error, one.low - 0.01, 99.0)] == ["inside", "below", "above"]


def test_epochs_of_the_assignment_that_come_after_the_end_are_told(tmp_path: Path) -> None:
    usual, long = (stretch(preset_recipe("assignment"), epochs) for epochs in (164, 360))
    assert later_windows(_group(tmp_path / "usual", usual, PAPERS, seeds=1)) == [(90, 350)]
    assert later_windows(_group(tmp_path / "long", long, PAPERS, seeds=1)) == []
