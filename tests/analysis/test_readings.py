"""Three readings of a run, against curves whose best epochs are planted."""

import json
from pathlib import Path

import pytest

from reslab.analysis.groups import Group, gather
from reslab.analysis.readings import by_rate_per_image, differs, reach, readings, speeds
from reslab.analysis.tidy import read_tables
from reslab.recipe import Run
from synthetic import Truth, small, write_run


def _group(root: Path, holdout: bool) -> Group:
    for seed in (0, 1):
        folder = write_run(root, Run(small(8), seed), Truth(3.0, 1.0))
        lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
        for line in lines:
            line["test_error"] = {7: 2.0 + seed, 12: 3.0 + seed}.get(line["epoch"], 9.0)
            if holdout:
                line["holdout_error"] = 1.0 if line["epoch"] == 12 - seed else 5.0
        (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        result = json.loads((folder / "result.json").read_text())
        (folder / "result.json").write_text(json.dumps({**result, "test_error": 3.0 + seed}))
    write_run(root, Run(small(8), 2), Truth(1.0, 1.0), stop_after=5)
    return gather(read_tables(root), "it", small(8), (0, 1, 2))


def test_last_best_and_optimism(tmp_path: Path) -> None:
    found = readings(_group(tmp_path, holdout=False))
    assert (found.last.n, found.last.mean) == (2, 3.5)
    assert (found.best.mean, found.best_epochs) == (2.5, (7, 7))
    assert found.optimism.mean == 1.0
    assert found.optimism.sd == pytest.approx(0.0)
    assert found.chosen.n == 0


def test_the_hold_out_chooses_its_own_epoch(tmp_path: Path) -> None:
    found = readings(_group(tmp_path, holdout=True))
    assert (found.chosen.low, found.chosen.high) == (3.0, 9.0)  # epoch 12 of seed 0, epoch 11 of seed 1


def test_speeds_are_means_by_batch_and_what_runs_were_made_with_may_differ(tmp_path: Path) -> None:
    recipes = [small(8), small(8, batch_size=64)]
    for recipe, speed in zip(recipes, (100, 200), strict=True):
        for seed in (0, 1):
            result = write_run(tmp_path, Run(recipe, seed), Truth(3.0, 1.0)) / "result.json"
            result.write_text(json.dumps({**json.loads(result.read_text()), "images_per_second": speed * (1 + seed)}))
    groups = [gather(read_tables(tmp_path), recipe.id, recipe, (0, 1)) for recipe in recipes]
    assert speeds(groups) == {32: 150, 64: 300}
    assert not differs(groups, "torch")
    other = tmp_path / groups[1].runs["run_id"][0] / "provenance.json"
    other.write_text(other.read_text().replace('"torch": "', '"torch": "9'))
    assert differs([gather(read_tables(tmp_path), recipe.id, recipe, (0, 1)) for recipe in recipes], "torch")


def test_settings_are_told_apart_by_rate_per_image(tmp_path: Path) -> None:
    """Test and training errors are of each setting as planted; 64 at 0.2 has the rate per image of 32 at 0.1."""
    planted = {
        (64, 0.2): (8.0, 2.0),
        (32, 0.1): (9.0, 1.0),
        (128, 0.1): (20.0, 12.0),
        (256, 0.2): (18.5, 11.5),
        (32, 0.4): (7.0, 3.0),  # alone at its rate per image
    }
    recipes = {small(8, batch_size=size, learning_rate=rate): errors for (size, rate), errors in planted.items()}
    for recipe, errors in recipes.items():
        write_run(tmp_path, Run(recipe, 0), Truth(*errors))
    tables = read_tables(tmp_path)
    groups = [gather(tables, recipe.id, recipe, (0,)) for recipe in recipes]
    lines = by_rate_per_image(groups)
    assert [[(one.recipe.batch_size, one.recipe.learning_rate) for one in line] for line in lines] == [
        [(128, 0.1), (256, 0.2)],
        [(32, 0.1), (64, 0.2)],
    ]
    assert [reach(line) for line in lines] == [(1.5, 0.5), (1.0, 1.0)]
    assert reach(groups) == (13.0, 11.0)
    assert reach(groups[:1]) == (0.0, 0.0)
    assert by_rate_per_image([]) == []


def test_rates_of_one_proportion_are_one_whatever_their_last_bit(tmp_path: Path) -> None:
    recipes = [
        small(8, batch_size=size, learning_rate=rate) for size, rate in ((64, 0.1), (192, 0.3))
    ]  # 0.3 / 3 != 0.1
    for recipe in recipes:
        write_run(tmp_path, Run(recipe, 0), Truth(3.0, 1.0))
    groups = [gather(read_tables(tmp_path), recipe.id, recipe, (0,)) for recipe in recipes]
    assert 0.1 / 64 != 0.3 / 192
    assert [len(line) for line in by_rate_per_image(groups)] == [2]
