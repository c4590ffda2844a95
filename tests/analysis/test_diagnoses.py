"""What was measured on runs, read into tables: only of the run's own weights, and damage is named."""

import json
from pathlib import Path

import pytest

from reslab.analysis.groups import gather
from reslab.analysis.tables import select
from reslab.analysis.tidy import read_tables
from reslab.recipe import Run
from synthetic import Truth, layers, small, write_diagnostics, write_run


def _measured(root: Path, seed: int = 0) -> Path:
    folder = write_run(root, Run(small(8), seed), Truth(3.0, 1.0))
    write_diagnostics(
        folder,
        responses={"final": layers("standard_deviation", [1.0, 2.0 + seed])},
        gradients={moment: layers("gradient_norm", [0.1, 0.2]) for moment in ("initial", "final")},
        noise_scale={"final": {"noise_scale": None, "at_least": 700.0, "batch_size": 32}},
        surface={"final": {"steps": [-1.0, 0.0], "loss": [[1.0, None], [0.5, 0.1]], "error": [[9.0, 8.0], [7.0, 6.0]]}},
    )
    return folder


def test_measurements_are_tables_by_run(tmp_path: Path) -> None:
    _measured(tmp_path, 0)
    _measured(tmp_path, 1)
    group = gather(read_tables(tmp_path), "it", small(8), (0, 1))
    assert group.diagnoses.by_layer("responses").rows() == [(1, 1.0, 2), (2, 2.5, 2)]
    assert group.diagnoses.by_layer("gradients", "initial")["value"].to_list() == [0.1, 0.2]
    assert group.diagnoses.values("noise-scale", "noise_scale") == []
    assert group.diagnoses.values("noise-scale", "at_least") == [700.0, 700.0]
    assert group.diagnoses.points.height == 8
    assert group.diagnoses.points["loss"].null_count() == 2
    one = select(read_tables(tmp_path), [Run(small(8), 1)])
    assert one.diagnoses.by_layer("responses")["value"].to_list() == [1.0, 3.0]


def test_measurements_of_other_weights_do_not_count(tmp_path: Path) -> None:
    path = _measured(tmp_path) / "diagnostics.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "weights_sha256": "1" * 64}))
    tables = read_tables(tmp_path)
    assert (tables.diagnoses.layers.height, tables.problems) == (0, ())


def test_damaged_measurements_are_named_and_the_run_stays(tmp_path: Path) -> None:
    path = _measured(tmp_path) / "diagnostics.json"
    path.write_text(path.read_text().replace('"layers"', '"lay"'))
    tables = read_tables(tmp_path)
    assert tables.runs["status"].to_list() == ["finished"]
    assert "diagnostics.json is damaged" in tables.problems[0].message


def test_epochs_before_the_last_are_moments_in_their_order(tmp_path: Path) -> None:
    folder = write_run(tmp_path, Run(small(8)), Truth(3.0, 1.0))
    write_diagnostics(
        folder,
        {
            epoch: {
                "gradients": {"final": layers("gradient_norm", [float(epoch), 2.0])},
                "curvature": {"final": {"largest": 1e9}},
            }
            for epoch in (10, 9, 1)
        },
        gradients={moment: layers("gradient_norm", [0.1, 0.2]) for moment in ("initial", "final")},
        curvature={"final": {"largest": 5.0}},
    )
    found = gather(read_tables(tmp_path), "it", small(8), (0,)).diagnoses
    assert found.moments("gradients") == ["initial", "epoch 1", "epoch 9", "epoch 10", "final"]
    assert found.moments("responses") == []
    assert [found.by_layer("gradients", f"epoch {epoch}")["value"][0] for epoch in (1, 9, 10)] == [1.0, 9.0, 10.0]
    assert found.by_layer("gradients")["value"].to_list() == [0.1, 0.2]
    assert found.values("curvature", "largest") == [5.0]  # of the trained network, and of no epoch before


def test_epochs_measured_alone_are_read(tmp_path: Path) -> None:
    folder = write_run(tmp_path, Run(small(8)), Truth(3.0, 1.0))
    write_diagnostics(folder, {3: {"gradients": {"final": layers("gradient_norm", [0.5])}}})
    found = gather(read_tables(tmp_path), "it", small(8), (0,)).diagnoses
    assert found.moments("gradients") == ["epoch 3"]
    assert found.by_layer("gradients").height == 0


@pytest.mark.parametrize("damage", ["last", None])
def test_a_damaged_epoch_is_named(tmp_path: Path, damage: str | None) -> None:
    path = _measured(tmp_path) / "diagnostics.json"
    content = json.loads(path.read_text())
    found = {"diagnostics": {"gradients": content["diagnostics"]["gradients"]}}
    path.write_text(json.dumps({**content, "epochs": {"1": found} if damage is None else {damage: found}}))
    if damage is None:
        assert read_tables(tmp_path).problems == ()
        path.write_text(json.dumps({**content, "epochs": {"1": {}}}))
    tables = read_tables(tmp_path)
    assert tables.diagnoses.layers.height == 0
    assert "diagnostics.json is damaged" in tables.problems[0].message
