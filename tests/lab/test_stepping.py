"""The steps that measurements of speed time."""

import subprocess
import sys
import threading
from collections.abc import Callable

import pytest
import torch

from reslab.lab.planner import work_per_image
from reslab.lab.speeds import stepping
from reslab.recipe import Recipe, vary
from reslab.training.step import Totals, TrainingStep


@pytest.mark.usefixtures("torch_settings")
def test_a_process_tells_its_speed_in_the_planners_work(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    steps: list[int] = []
    clock = iter([10.0, 10.0, 13.0, 14.0])
    monkeypatch.setattr(stepping, "trainer", lambda recipe, images, device: steps.append)
    monkeypatch.setattr("time.perf_counter", lambda: next(clock))
    monkeypatch.setattr(sys.stdin, "readline", lambda: "go\n", raising=False)
    stepping.main("cpu", "fp32", "1")
    said = capsys.readouterr().out.split()
    assert said == ["ready", str(2 * 128 * work_per_image(Recipe()) / 4)]
    assert steps == [stepping.WARM_UP, 2]


@pytest.mark.usefixtures("torch_settings")
def test_runs_in_one_process_are_measured_together(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    begun: list[int] = []
    together = threading.Barrier(3, timeout=20)

    def trainer(*_: object) -> Callable[[int], None]:
        begun.append(0)
        mine = len(begun) - 1

        def train(num_steps: int) -> None:
            begun[mine] += num_steps
            if begun[mine] == stepping.WARM_UP + 2:
                together.wait()  # each waits until the others train too

        return train

    monkeypatch.setattr(stepping, "trainer", trainer)
    monkeypatch.setattr(stepping, "SECONDS", 0.01)
    monkeypatch.setattr(sys.stdin, "readline", lambda: "go\n", raising=False)
    stepping.main("cpu", "fp32", "1", "3")
    assert min(begun) >= stepping.WARM_UP + 2
    assert len(begun) == 3
    assert float(capsys.readouterr().out.split()[1]) > 0


@pytest.mark.usefixtures("torch_settings")
def test_the_trainer_trains(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[torch.Size] = []

    step = TrainingStep.__call__

    def watched(self: TrainingStep, images: torch.Tensor, labels: torch.Tensor, rate: float, totals: Totals) -> None:
        seen.append(images.shape)
        step(self, images, labels, rate, totals)

    monkeypatch.setattr(TrainingStep, "__call__", watched)
    stepping.trainer(vary(Recipe(), depth=8, batch_size=16), stepping.noise(), torch.device("cpu"))(2)
    assert seen == [(16, 3, 32, 32)] * 2


def test_a_process_whose_asker_has_gone_says_nothing() -> None:
    command = [sys.executable, "-m", "reslab.lab.speeds.stepping", "cpu", "fp32", "1"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""
