"""The measured speed: in the planner's unit, and nothing left behind."""

import pytest
import torch

from reslab.lab import speed

pytestmark = pytest.mark.usefixtures("torch_settings")


def test_the_speed_is_work_a_second_and_threads_are_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speed, "NUM_STEPS", 1)
    times = iter([10.0, 10.5])
    monkeypatch.setattr("time.perf_counter", lambda: next(times))
    torch.set_num_threads(2)
    found = speed.measure("cpu", "fp32", threads=1, jobs=2)
    assert found == 128 * 19 / 0.5  # on a processor each job has its own threads: nothing is shared
    assert torch.get_num_threads() == 2
