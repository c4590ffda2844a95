"""Three readings of a run, against curves whose best epochs are planted."""

import json
from pathlib import Path

import pytest

from reslab.analysis.groups import Group, gather
from reslab.analysis.readings import differs, readings, speeds
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
