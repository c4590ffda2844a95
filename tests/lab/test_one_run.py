"""One run in this process: its files, what failed, and what is refused."""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from lab_runs import QUICK, make, outcome, small, stopping_after, timeless

from reslab.data.digits import load_digits
from reslab.data.sources import load
from reslab.errors import CheckpointError, DataError, ReplacedError, ResLabError
from reslab.kernels import norm
from reslab.kernels.build import Kernels
from reslab.lab import one_run
from reslab.lab.assembly import assemble
from reslab.lab.folder import manifest
from reslab.lab.folder.predictions import read_predictions
from reslab.lab.folder.store import RunFiles
from reslab.lab.one_run import execute
from reslab.lab.settings import Settings
from reslab.models import fused
from reslab.models.complexity import multiply_adds
from reslab.models.networks import skeleton
from reslab.models.weights import load_into, read_weights
from reslab.naming import run_name
from reslab.training import checkpoint, loop
from reslab.training.evaluation import evaluate

pytestmark = pytest.mark.usefixtures("torch_settings")

METRICS = [
    "epoch",
    "iteration",
    "rate",
    "train_loss",
    "train_error",
    "test_loss",
    "test_error",
    "holdout_loss",
    "holdout_error",
    "weight_norm",
    "seconds",
    "images_per_second",
    "peak_memory_bytes",
]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunFiles, list[dict[str, Any]]]:
    """Return a run of two epochs with a hold-out, trained, and its events."""
    files = make(tmp_path_factory.mktemp("finished"), small(2, holdout=40))
    seen: list[dict[str, Any]] = []
    assert execute(files, QUICK, on_event=seen.append) == "finished"
    return files, seen


def test_predictions_are_those_of_the_network_at_the_end(finished: tuple[RunFiles, object]) -> None:
    files, _ = finished
    found, result = read_predictions(files.predictions), files.result()
    assert found is not None
    assert result is not None
    assert found.error == pytest.approx(result["test_error"])
    assert len(found.labels) == 355
    assert found.class_names == load_digits().class_names
    assert found.confidence.min() > 0.1 - 1 / 255  # the largest of ten probabilities


def test_the_files_are_the_documented_ones(finished: tuple[RunFiles, object]) -> None:
    files, _ = finished
    names = sorted(path.name for path in files.path.iterdir())
    whole = [".lock", "manifest.json", "metrics.jsonl", "predictions.safetensors"]
    whole += ["provenance.json", "result.json", "run.json"]
    assert names == [*whole, "weights", "weights.safetensors"]
    assert manifest.verify(files.path) == []
    rows, result, provenance = files.metrics(), files.result(), files.provenance()
    assert result is not None
    assert provenance is not None
    assert [list(row) for row in rows] == [METRICS, METRICS]
    assert [(row["epoch"], row["iteration"]) for row in rows] == [(1, 5), (2, 10)]
    assert result["weights_sha256"] == hashlib.sha256(files.weights.read_bytes()).hexdigest()
    assert result["run"] == files.read_run().id
    assert (result["format"], result["status"], result["epochs"], result["iterations"]) == (1, "finished", 2, 10)
    for name in METRICS[3:9]:
        assert result[name] == rows[-1][name]
    assert result["seconds"] == pytest.approx(sum(row["seconds"] for row in rows))
    assert result["parameters"] == 78_042  # shortcut B
    assert result["multiply_adds"] == multiply_adds(skeleton("residual", 8, "B", 10))
    data = provenance["data"]
    digits = load("digits")
    assert data["fingerprint"] == digits.fingerprint
    assert (data["num_train"], data["num_holdout"]) == (140, 40)
    assert data["num_test"] == len(digits.test)
    assert [entry["from_iteration"] for entry in provenance["attempts"]] == [0]


def test_events_tell_the_training(finished: tuple[RunFiles, list[dict[str, Any]]]) -> None:
    files, every = finished
    seen = [event for event in every if event["event"] != "preparing"]  # told where the kernels are yet to be compiled
    kinds = [event["event"] for event in seen if event["event"] != "progress"]
    assert kinds == ["start", "epoch", "epoch", "end"]
    assert seen[0]["name"] == run_name(files.read_run())
    assert {event["run"] for event in seen} == {files.read_run().id}
    assert (seen[0]["iteration"], seen[0]["num_iterations"], seen[0]["num_epochs"]) == (0, 10, 2)
    epochs = [{key: event[key] for key in METRICS} for event in seen if event["event"] == "epoch"]
    assert epochs == files.metrics()
    assert seen[-1]["status"] == "finished"
    json.dumps(every)  # they go to another process as JSON


def test_the_weights_are_those_that_were_measured(finished: tuple[RunFiles, object]) -> None:
    files, _ = finished
    run = files.read_run()
    module, _, evaluations = assemble(run, load("digits"), torch.device("cpu"))
    load_into(module, read_weights(files.weights))
    for name in ("test", "holdout"):
        again = evaluate(module, evaluations[name], precision=run.recipe.precision)
        assert again.loss == pytest.approx(files.metrics()[-1][f"{name}_loss"], rel=1e-6)
        assert again.error == files.metrics()[-1][f"{name}_error"]


def test_weights_are_kept_at_the_milestones_and_are_those_that_were_measured(finished: tuple[RunFiles, object]) -> None:
    files, _ = finished
    assert files.kept_epochs() == (1,)
    run = files.read_run()
    module, _, evaluations = assemble(run, load("digits"), torch.device("cpu"))
    load_into(module, read_weights(files.epoch_weights(1)))
    again = evaluate(module, evaluations["test"], precision=run.recipe.precision)
    assert again.loss == pytest.approx(files.metrics()[0]["test_loss"], rel=1e-6)
    assert again.error == files.metrics()[0]["test_error"]


@pytest.mark.parametrize(("asked", "kept"), [((), ()), ((2, 3, 9), (2,)), (None, (1, 2))])
def test_weights_are_kept_where_asked_but_for_the_last_epoch(
    tmp_path: Path, asked: tuple[int, ...] | None, kept: tuple[int, ...]
) -> None:
    files = make(tmp_path, small(3))
    execute(files, replace(QUICK, keep_epochs=asked))
    assert files.kept_epochs() == kept
    assert (files.path / "weights").exists() == bool(kept)


def test_weights_are_on_the_disk_before_the_epoch_is_written_down(tmp_path: Path) -> None:
    files = make(tmp_path, small(3))
    seen: list[tuple[int, ...]] = []

    def look(event: dict[str, Any]) -> None:
        if event["event"] == "epoch":
            seen.append(files.kept_epochs())

    execute(files, replace(QUICK, checkpoint_seconds=0.0), on_event=look)
    assert seen == [(1,), (1, 2), (1, 2)]


def test_doing_it_again_trains_nothing(finished: tuple[RunFiles, object], monkeypatch: pytest.MonkeyPatch) -> None:
    files, _ = finished
    before = {path: path.stat().st_mtime_ns for path in files.path.iterdir()}
    monkeypatch.setattr(one_run, "Attempt", None)
    seen: list[dict[str, Any]] = []
    assert execute(files, QUICK, on_event=seen.append) == "finished"
    assert {path: path.stat().st_mtime_ns for path in files.path.iterdir()} == before
    assert [event["event"] for event in seen] == ["end"]


def test_the_same_run_elsewhere_has_the_same_bits_and_another_seed_has_others(
    finished: tuple[RunFiles, object], tmp_path: Path
) -> None:
    files, _ = finished
    recipe = files.read_run().recipe
    torch.manual_seed(12345)  # global randomness has no say
    again, other = make(tmp_path, recipe), make(tmp_path, recipe, seed=1)
    for each in (again, other):
        execute(each, QUICK)
    assert outcome(again) == outcome(files)
    assert outcome(other)[0] != outcome(files)[0]


def test_saving_memory_changes_no_bit_where_there_are_no_kernels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (fused, norm):
        monkeypatch.setattr(module, "kernels", lambda: Kernels(None, "none in this test"))
    whole, saving = make(tmp_path / "whole", small(1)), make(tmp_path / "saving", small(1))
    execute(whole, QUICK)
    execute(saving, replace(QUICK, checkpoint_activations=True))
    assert outcome(saving) == outcome(whole)


@pytest.mark.parametrize("looks", [4, 5, 8, 13, 15])
def test_a_stop_at_any_look_is_followed_by_the_same_bits(
    finished: tuple[RunFiles, object], tmp_path: Path, looks: int
) -> None:
    """It is looked at after each iteration, each epoch and before each batch that is measured: 16 times in all."""
    whole, _ = finished
    files = make(tmp_path, whole.read_run().recipe)
    statuses = []
    for _ in range(20):
        statuses.append(execute(files, QUICK, stop=stopping_after(looks)))
        if statuses[-1] == "finished":
            break
        assert files.status() == "interrupted"
    assert statuses[-1] == "finished"
    assert set(statuses[:-1]) <= {"interrupted"}
    assert len(statuses) > 1
    assert outcome(files) == outcome(whole)


def test_a_stop_while_all_is_made_ready_takes_no_step(tmp_path: Path) -> None:
    files = make(tmp_path, small(2))
    seen: list[dict[str, Any]] = []
    assert execute(files, QUICK, on_event=seen.append, stop=lambda: True) == "interrupted"
    assert [event["event"] for event in seen] == ["end"]
    assert sorted(path.name for path in files.path.iterdir()) == [".lock", "run.json"]
    assert files.status() == "pending"


def test_a_run_cut_short_in_its_last_epoch_has_a_record_of_it(tmp_path: Path) -> None:
    recipe = small(2, schedule_unit="iterations", length=7, first_drop=3, second_drop=6)
    files = make(tmp_path, recipe)
    execute(files, QUICK)
    assert [(row["epoch"], row["iteration"]) for row in files.metrics()] == [(1, 5), (2, 7)]
    assert [row["rate"] for row in files.metrics()] == [0.01, 0.001]


def test_an_edited_recipe_is_refused(tmp_path: Path) -> None:
    files = make(tmp_path, small(2))
    content = json.loads((files.path / "run.json").read_text())
    content["recipe"]["learning_rate"] = 0.3
    (files.path / "run.json").write_text(json.dumps(content))
    with pytest.raises(ResLabError, match="the recipe was edited"):
        execute(files, QUICK)
    assert sorted(path.name for path in files.path.iterdir()) == ["run.json"]


def test_a_copied_folder_is_refused(tmp_path: Path) -> None:
    files = make(tmp_path, small(2))
    copy = RunFiles(files.path.with_name("seed1"))
    files.path.rename(copy.path)
    with pytest.raises(ResLabError, match=r"seed1 is not .*seed0, although its run\.json"):
        execute(copy, QUICK)


def test_missing_images_are_a_failure_in_the_users_words(tmp_path: Path) -> None:
    files = make(tmp_path, small(2, dataset="cifar10"))
    with pytest.raises(DataError, match="reslab data fetch cifar10"):
        execute(files, replace(QUICK, data_root=tmp_path))
    failure = files.failure()
    assert failure is not None
    assert "reslab data fetch cifar10" in failure["message"]
    assert failure["traceback"] is None
    assert files.status() == "failed"


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (MemoryError("no more"), "out-of-memory"),
        (torch.OutOfMemoryError("CUDA out of memory"), "out-of-memory"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"), "out-of-memory"),
        (torch.AcceleratorError("CUDA error: out of memory"), "out-of-memory"),
        (RuntimeError("some kernel"), "error"),
        (OSError("the disk is out of memory"), "error"),
        (KeyError(), "error"),
    ],
)
def test_what_failed_is_written_down_and_cleared_by_the_next_attempt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, kind: str
) -> None:
    files = make(tmp_path, small(1))
    train = loop.train

    def failing(*arguments: Any, **options: Any) -> Iterator[object]:
        for event in train(*arguments, **options):
            yield event
            if event.iteration == 2:
                raise error

    monkeypatch.setattr(loop, "train", failing)
    seen: list[dict[str, Any]] = []
    starved = pytest.raises(ResLabError, match=r"not enough memory for .* try --checkpoint-activations")
    with starved if kind == "out-of-memory" else pytest.raises(type(error)):
        execute(files, QUICK, on_event=seen.append)
    failure = files.failure()
    assert failure is not None
    assert failure["kind"] == kind
    assert failure["message"] == (str(error) or repr(error))
    assert "Traceback (most recent call last)" in failure["traceback"]
    assert type(error).__name__ in failure["traceback"]
    assert (failure["epoch"], failure["iteration"], failure["run"]) == (0, 0, files.read_run().id)
    assert files.status() == "failed"
    assert (seen[-1]["event"], seen[-1]["status"]) == ("end", "failed")
    assert seen[-1]["message"]
    monkeypatch.undo()
    assert execute(files, QUICK) == "finished"
    assert files.failure() is None


def test_an_output_that_fails_is_no_failure_of_the_run(tmp_path: Path) -> None:
    files = make(tmp_path, small(2))

    def full(event: dict[str, Any]) -> None:
        if event["event"] == "epoch":
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        execute(files, QUICK, on_event=full)
    assert files.failure() is None
    assert files.status() == "interrupted"
    assert execute(files, QUICK) == "finished"


def test_a_full_disk_is_told_in_words_and_loses_nothing(
    finished: tuple[RunFiles, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, _ = finished
    files = make(tmp_path, whole.read_run().recipe)
    assert execute(files, QUICK, stop=stopping_after(3)) == "interrupted"

    def full(path: Path, content: bytes) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "write_whole", full)
        with pytest.raises(ResLabError, match=r"cannot write to .*checkpoint: No space left on device"):
            execute(files, QUICK, stop=stopping_after(2))
    failure = files.failure()
    assert failure is not None
    assert "No space left" in failure["message"]
    with monkeypatch.context() as patch:  # not even for the failure
        patch.setattr("reslab.files.write_whole", full)
        patch.setattr(checkpoint, "write_whole", full)
        with pytest.raises(ResLabError, match="No space left on device"):
            execute(files, QUICK, stop=stopping_after(2))
    assert execute(files, QUICK) == "finished"
    assert outcome(files) == outcome(whole)


def test_a_read_only_run_is_refused_in_words(
    open_folder: Path, read_only: Callable[[Path], AbstractContextManager[None]]
) -> None:
    files = make(open_folder, small(1))
    with (
        read_only(open_folder),
        pytest.raises(ResLabError, match=r"cannot write to .*seed0: Permission denied; choose"),
    ):
        execute(files, QUICK)
    assert files.status() == "pending"


def test_a_finished_run_in_a_read_only_folder_is_just_finished(
    finished: tuple[RunFiles, object],
    open_folder: Path,
    read_only: Callable[[Path], AbstractContextManager[None]],
) -> None:
    files = make(open_folder, small(1))
    result = {"status": "finished", "epochs": 0, "iterations": 0, "weights_sha256": "0" * 64}
    files.write("result.json", result)
    with read_only(open_folder):
        assert execute(files, QUICK) == "finished"


def test_damaged_checkpoints_are_refused_with_what_to_do(tmp_path: Path) -> None:
    files = make(tmp_path, small(2))
    execute(files, QUICK, stop=stopping_after(3))
    for path in files.checkpoints.glob("*/weights.safetensors"):
        path.write_bytes(b"damaged")
    with pytest.raises(CheckpointError, match=f"Remove {files.checkpoints} to train the run again"):
        execute(files, QUICK)
    assert files.status() == "failed"


def test_damaged_metrics_are_refused_and_the_failure_is_still_written(tmp_path: Path) -> None:
    files = make(tmp_path, small(3))
    assert execute(files, replace(QUICK, checkpoint_seconds=0.0), stop=stopping_after(14)) == "interrupted"
    path = files.path / "metrics.jsonl"
    assert len(files.metrics()) == 2
    path.write_bytes(b"{" + path.read_bytes())
    with pytest.raises(ResLabError, match=r"metrics\.jsonl is damaged in line 1"):
        execute(files, QUICK)
    failure = files.failure()
    assert failure is not None
    assert "damaged in line 1" in failure["message"]


def test_metrics_that_no_checkpoint_has_seen_are_trained_again(
    finished: tuple[RunFiles, object], tmp_path: Path
) -> None:
    whole, _ = finished
    files = make(tmp_path, whole.read_run().recipe)
    execute(files, QUICK, stop=stopping_after(3))
    for row in whole.metrics():
        files.append_metrics({**row, "train_loss": 99.0})
    assert execute(files, QUICK) == "finished"
    assert timeless(files.metrics()) == timeless(whole.metrics())


def test_an_unknown_device_is_refused(tmp_path: Path) -> None:
    files = make(tmp_path, small(1))
    with pytest.raises(ResLabError, match="device must be auto"):
        execute(files, Settings(device="gpu"))


@pytest.mark.parametrize("epoch", [1, 3])
@pytest.mark.parametrize("name", ["provenance.json", "run.json"])
def test_records_that_are_lost_or_changed_while_it_is_trained_end_it_at_the_next_epoch(
    tmp_path: Path, name: str, epoch: int
) -> None:
    files = make(tmp_path, small(3))
    other = make(tmp_path, small(3), seed=7)

    def change(event: dict[str, Any]) -> None:
        if event["event"] == "epoch" and event["epoch"] == epoch:
            (files.path / name).unlink()
            if name == "run.json":
                shutil.copy(other.path / name, files.path)

    with pytest.raises(ResLabError, match="removed or changed during training"):
        execute(files, QUICK, on_event=change)
    assert files.result() is None
    assert len(files.metrics()) == epoch


@pytest.mark.parametrize("epoch", [1, 2])
def test_a_recipe_that_is_removed_while_it_is_trained_is_written_again(tmp_path: Path, epoch: int) -> None:
    files = make(tmp_path, small(2))
    run = files.read_run()

    def remove(event: dict[str, Any]) -> None:
        if event["event"] == "epoch" and event["epoch"] == epoch:
            (files.path / "run.json").unlink()

    assert execute(files, QUICK, on_event=remove) == "finished"
    assert files.check() == run


@pytest.mark.parametrize("checkpoint_seconds", [0.0, 60.0])
@pytest.mark.parametrize("is_made_anew", [False, True])
def test_a_folder_that_is_another_s_by_now_is_left_alone(
    tmp_path: Path, is_made_anew: bool, checkpoint_seconds: float
) -> None:
    files = make(tmp_path, small(3))

    def replace_it(event: dict[str, Any]) -> None:
        if event["event"] == "epoch" and event["epoch"] == 1:
            shutil.rmtree(files.path)
            if is_made_anew:
                make(tmp_path, small(3))
                with files.lock():
                    pass

    settings = replace(QUICK, checkpoint_seconds=checkpoint_seconds)
    with pytest.raises(ReplacedError, match=r"seed0 was removed or replaced during training"):
        execute(files, settings, on_event=replace_it)
    assert files.path.exists() == is_made_anew
    assert sorted(path.name for path in files.path.glob("*")) == ([".lock", "run.json"] if is_made_anew else [])


@pytest.mark.usefixtures("torch_settings")
def test_the_users_random_numbers_go_on_where_they_were(tmp_path: Path) -> None:
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    execute(make(tmp_path, small(1, family="wide", depth=10, dropout=0.3)), Settings(device="cpu", threads=1))
    assert torch.equal(torch.rand(3), expected)
