"""What trains in the user's process: calls of other threads wait, and what is set in torch around it changes no bit."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import reslab
from reslab.session.alone import alone

NETWORK = """
from torch import nn

def build(num_classes, seed):
    return nn.Sequential(nn.AvgPool2d(8), nn.Flatten(), nn.Linear(48, 32), nn.Dropout(0.5), nn.Linear(32, num_classes))
"""


@pytest.fixture
def train(tmp_path: Path) -> Callable[[str, int], bytes]:
    (tmp_path / "net.py").write_text(NETWORK)

    def trained(runs: str, seed: int) -> bytes:
        recipe: dict[str, Any] = {"dataset": "digits", "train_share": 0.1, "precision": "fp32", "threads": 1}
        run = reslab.train(network=f"{tmp_path}/net.py:build", epochs=2, seed=seed, runs=tmp_path / runs, **recipe)
        return run.weights.read_bytes()

    return trained


def test_trainings_of_several_threads_have_the_bits_of_trainings_in_turn(train: Callable[[str, int], bytes]) -> None:
    alone_each = [train("in turn", seed) for seed in (0, 1)]
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(lambda seed: train("at once", seed), (0, 1))) == alone_each


@pytest.mark.parametrize(
    "around", [torch.no_grad(), torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16)], ids=type
)
def test_what_surrounds_a_training_changes_no_bit(
    train: Callable[[str, int], bytes], around: AbstractContextManager[Any]
) -> None:
    plain = train("plain", 0)
    with around:
        assert train("around", 0) == plain


def test_what_is_set_in_torch_changes_no_bit_and_stays(train: Callable[[str, int], bytes]) -> None:
    plain = train("plain", 0)
    torch.set_float32_matmul_precision("medium")
    torch.set_default_device("meta")
    try:
        assert train("set", 0) == plain
        assert (torch.get_float32_matmul_precision(), torch.get_default_device().type) == ("medium", "meta")
    finally:
        torch.set_float32_matmul_precision("highest")
        torch.set_default_device(None)


def test_another_type_of_numbers_is_put_back_whatever_happens() -> None:
    torch.set_default_dtype(torch.float64)
    try:
        assert alone()(lambda: nn.Linear(1, 1).weight.dtype)() == torch.float32
        with pytest.raises(ZeroDivisionError), alone():
            1 / 0  # noqa: B018
        assert torch.get_default_dtype() == torch.float64
    finally:
        torch.set_default_dtype(torch.float32)
