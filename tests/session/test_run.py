"""A run as Python sees it: what it gives of what was trained, and from wherever it was opened."""

from pathlib import Path
from typing import Any

import pytest
import torch

import reslab
from reslab.lab.folder.store import RunFiles
from reslab.recipe import Run
from reslab.session.run import tables_of
from synthetic import Truth, small, write_diagnostics, write_predictions, write_run

TINY: Any = {"dataset": "digits", "depth": 8, "epochs": 1, "train_share": 0.1, "precision": "fp32", "threads": 1}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> reslab.Run:
    return reslab.train(runs=tmp_path_factory.mktemp("trained") / "runs", device="cpu", **TINY)


def test_the_trained_network_on_the_test_images_gives_the_runs_error(trained: reslab.Run) -> None:
    network, wrong, number = trained.network(), 0, 0
    assert not network.training
    with torch.inference_mode():
        for images, labels in trained.test_batches():
            wrong += int((network(images).argmax(1) != labels).sum())
            number += len(labels)
    assert 100 * wrong / number == trained.test_error
    kept = trained.predictions
    assert kept.columns == ["label", "predicted", "confidence"]
    assert kept.height == number
    assert kept.filter(kept["label"] != kept["predicted"]).height == wrong


def test_the_network_can_be_looked_into_and_differentiated(trained: reslab.Run) -> None:
    network = trained.network()
    seen: list[torch.Size] = []
    network.get_submodule("layer3").register_forward_hook(lambda _, __, out: seen.append(out.shape))
    images, labels = next(iter(trained.test_batches()))
    torch.nn.functional.cross_entropy(network(images[:4]), labels[:4]).backward()  # type: ignore[no-untyped-call]
    assert seen == [(4, 64, 8, 8)]
    assert network.get_parameter("conv1.weight").grad is not None


def test_what_was_measured_of_why_is_there_without_measuring(trained: reslab.Run) -> None:
    assert trained.diagnostics == {}
    measured = trained.diagnose("gap", budget="quick")
    assert measured == trained.diagnostics != {}


def test_a_run_without_weights_or_predictions_says_so(tmp_path: Path) -> None:
    run = reslab.Run(write_run(tmp_path, Run(small(8), 0), Truth(3.0, 1.0)))
    with pytest.raises(reslab.CheckpointError, match="has no trained weights"):
        run.network()
    with pytest.raises(reslab.ResLabError, match=r"has kept no predictions; reslab\.evaluate\(run\) makes them"):
        _ = run.predictions


def test_a_damaged_curve_is_told_and_not_empty(tmp_path: Path) -> None:
    run = reslab.Run(write_run(tmp_path, Run(small(8), 0), Truth(3.0, 1.0), stop_after=3))
    (run.path / "metrics.jsonl").write_text("{}\n{}\n")
    with pytest.raises(reslab.DamagedError, match="damaged in line 1"):
        _ = run.curve


def test_runs_of_several_folders_have_all_of_their_tables_each_run_once(tmp_path: Path) -> None:
    places = [tmp_path / "a", tmp_path / "b"]
    for place, depths in zip(places, ((8, 14), (8, 20)), strict=True):
        for depth in depths:
            folder = write_run(place, Run(small(depth), 0), Truth(3.0 + depth + 10 * (place.name == "b"), 1.0))
            write_predictions(folder, [depth])
    write_diagnostics(places[1] / Run(small(20), 0).id, noise_scale={"final": {"noise_scale": 2.0}})
    mine = [reslab.Run(places[0] / Run(small(14), 0).id), *reslab.runs(places[1]).values()]
    tables = tables_of(mine)
    assert sorted(tables.runs["depth"]) == [8, 14, 20]
    assert set(tables.predictions) == set(tables.runs["run_id"]) == set(tables.epochs["run_id"])
    assert tables.diagnoses.figures.height == 1
    assert tables.runs.filter(depth=8)["test_error"][0] == pytest.approx(21.0, abs=2.0)  # of the folder that was named
    assert tables.epochs.height == sum(run.curve.height for run in mine)


def test_a_run_opened_by_a_link_has_its_curve_and_its_root(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "runs", Run(small(8), 0), Truth(3.0, 1.0))
    (tmp_path / "best").symlink_to(folder)
    run = reslab.Run(tmp_path / "best")
    assert run.root == (tmp_path / "runs").resolve()
    assert run.curve.height == len(RunFiles(folder).metrics())


def test_evaluate_and_diagnose_compute_where_the_run_was_opened(
    trained: reslab.Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[tuple[Any, Any]] = []

    def evaluated(*_: Any, data_root: Any, device: Any, **__: Any) -> None:
        asked.append((data_root, device))

    monkeypatch.setattr("reslab.session.evaluation.evaluated", evaluated)
    run = reslab.Run(trained.path, data_root=tmp_path, device="cpu")
    reslab.evaluate(run)
    reslab.evaluate(run, data_root="elsewhere", device="cuda:1")
    reslab.evaluate(trained.path)
    assert asked == [(tmp_path, "cpu"), (Path("elsewhere"), "cuda:1"), (None, "auto")]


def test_the_users_home_is_meant_by_a_tilde(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    folder = write_run(tmp_path / "runs", Run(small(8), 0), Truth(3.0, 1.0))
    assert list(reslab.runs("~/runs")) == [f"{small(8).id}/seed0"]
    assert reslab.Run(f"~/runs/{small(8).id}/seed0").path == folder
