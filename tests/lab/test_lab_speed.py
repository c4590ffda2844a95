"""The measured speed: in the planner's unit, remembered, and what the number of runs at a time is chosen by."""

import sys
from pathlib import Path

import pytest
import torch

from reslab.errors import ResLabError
from reslab.lab import speed
from reslab.lab.planner import work_per_image
from reslab.recipe import Recipe, vary
from reslab.training import hardware
from reslab.training.step import Totals, TrainingStep

Measured = list[tuple[str, str, int]]


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Measured:
    """Pretend a machine of four cores on which two processes train the most; return what was measured on it."""
    measured: Measured = []

    def side_by_side(device: str, precision: str, jobs: int) -> float:
        measured.append((device, precision, jobs))
        return {1: 100.0, 2: 80.0, 4: 30.0}[jobs]

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(hardware, "usable_cores", lambda: 4)
    monkeypatch.setattr(speed, "_side_by_side", side_by_side)
    return measured


@pytest.mark.usefixtures("machine")
def test_the_most_images_in_all_win() -> None:
    assert speed.best_jobs("cpu", "fp32", most=100) == 2
    assert speed.best_jobs("cpu", "fp32", most=2) == 2
    assert speed.best_jobs("cpu", "fp32", most=1) == 1


def test_a_measurement_is_remembered_until_asked_for_again(machine: Measured) -> None:
    assert speed.work_per_second("cpu", "fp32", 2) == speed.work_per_second("cpu", "fp32", 2) == 80
    assert machine == [("cpu", "fp32", 2)]
    speed.work_per_second("cpu", "fp32", 2, again=True)
    speed.work_per_second("cpu", "bf16", 2)
    assert machine == [("cpu", "fp32", 2)] * 2 + [("cpu", "bf16", 2)]


def test_a_damaged_memory_is_measured_again(machine: Measured, tmp_path: Path) -> None:
    speed.work_per_second("cpu", "fp32", 1)
    (remembered,) = tmp_path.rglob("*.json")
    remembered.write_text("{")
    assert speed.work_per_second("cpu", "fp32", 1) == 100
    assert len(machine) == 2


@pytest.mark.parametrize(("cores", "jobs", "threads"), [(2, 1, 2), (2, 2, 1), (2, 3, 1), (16, 3, 5), (1, 1, 1)])
def test_threads_are_shared_out(cores: int, jobs: int, threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "usable_cores", lambda: cores)
    assert speed.share_threads(jobs) == threads


def test_two_processes_measure_and_leave(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    worker = tmp_path / "worker"
    worker.write_text(f"#!/bin/sh\necho ready\nread sign\necho $sign >> {tmp_path}/signs\necho 12.5\n")
    worker.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(worker))
    assert speed._side_by_side("cpu", "fp32", 2) == 12.5
    assert (tmp_path / "signs").read_text() == "go\ngo\n"


def test_a_process_that_dies_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(ResLabError, match=r"exit code 1; say how many runs train at a time with --jobs"):
        speed._side_by_side("cpu", "fp32", 1)


@pytest.mark.usefixtures("torch_settings")
def test_a_process_tells_its_speed_in_the_planners_work(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    steps: list[int] = []
    clock = iter([10.0, 10.0, 13.0, 14.0])
    monkeypatch.setattr(speed, "trainer", lambda recipe, images, device: steps.append)
    monkeypatch.setattr("time.perf_counter", lambda: next(clock))
    monkeypatch.setattr(sys.stdin, "readline", lambda: "go\n", raising=False)
    speed._main("cpu", "fp32", "1")
    said = capsys.readouterr().out.split()
    assert said == ["ready", str(2 * 128 * work_per_image(Recipe()) / 4)]
    assert steps == [speed.WARM_UP, 2]


@pytest.mark.usefixtures("torch_settings")
def test_the_trainer_trains(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[torch.Size] = []

    step = TrainingStep.__call__

    def watched(self: TrainingStep, images: torch.Tensor, labels: torch.Tensor, rate: float, totals: Totals) -> None:
        seen.append(images.shape)
        step(self, images, labels, rate, totals)

    monkeypatch.setattr(TrainingStep, "__call__", watched)
    speed.trainer(vary(Recipe(), depth=8, batch_size=16), speed.noise(), torch.device("cpu"))(2)
    assert seen == [(16, 3, 32, 32)] * 2
