"""The benchmark: its rows follow from what it times."""

import pytest
import torch

from reslab.lab.speeds.bench import EPOCH_IMAGES, MATRIX, bench


@pytest.mark.filterwarnings(
    "ignore:.*multi-threaded, use of fork:DeprecationWarning"
)  # the textbook's loader, from Python 3.12 on
def test_a_row_for_each_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(MATRIX, "cpu", 256)  # how fast this machine is does not matter here
    monkeypatch.setattr("reslab.lab.speeds.bench.PAUSE_SECONDS", 0.0)
    monkeypatch.setattr("reslab.host.usable_cores", lambda: 1)  # so that the textbook has one loader worker to start
    speeds = list(
        bench(
            depths=[8],
            batch_sizes=[16],
            precisions=["fp32", "bf16"],
            device=torch.device("cpu"),
            rounds=1,
            num_steps=1,
        )
    )
    assert [(speed.depth, speed.batch_size, speed.precision) for speed in speeds] == [(8, 16, "fp32"), (8, 16, "bf16")]
    for speed in speeds:
        assert speed.ratio == pytest.approx(speed.images_per_second / speed.textbook_images_per_second)
        assert speed.epoch_seconds == pytest.approx(EPOCH_IMAGES / speed.images_per_second)
        assert speed.share > 0
    assert not torch.are_deterministic_algorithms_enabled()  # what follows in a notebook is as it was before
