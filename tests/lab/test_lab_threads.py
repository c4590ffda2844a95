"""Threads follow the load only where trying them on this machine leaves every bit as it is."""

import pytest
import torch
from torch import Tensor, nn

from reslab.kernels.build import kernels
from reslab.lab import threads
from reslab.lab.assembly import training_network
from reslab.lab.threads import are_free
from reslab.load import Reading
from reslab.models.fused import thread_invariant
from reslab.recipe import Recipe

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def nothing_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget what this process has tried."""
    monkeypatch.setattr(threads, "_TRIED", {})


class Counting(nn.Module):
    """A layer whose gradient, and nothing else, depends on the number of threads."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 10, 3)

    def forward(self, images: Tensor) -> Tensor:
        return GradientOfThreads.apply(self.conv(images)).mean((2, 3))  # type: ignore[no-any-return,no-untyped-call]


class GradientOfThreads(torch.autograd.Function):
    @staticmethod
    def forward(ctx: object, maps: Tensor) -> Tensor:
        return maps.clone()

    @staticmethod
    def backward(ctx: object, *gradients: Tensor) -> Tensor:
        return gradients[0] * (1 + 1e-6 * torch.get_num_threads())


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_network_whose_bits_stay_is_free(precision: str, torch_settings: None) -> None:
    recipe = Recipe(depth=8, batch_size=16, precision=precision)
    module = training_network(recipe, 10, 0, CPU)
    if not thread_invariant(module):
        pytest.skip(f"nothing is promised here: {kernels().words}")
    before = [value.clone() for value in module.state_dict().values()]
    assert are_free(CPU, module, recipe, 3)
    assert all(map(torch.equal, before, module.state_dict().values()))
    assert torch.get_num_threads() == 1


def test_what_is_frozen_plays_no_part(torch_settings: None) -> None:
    recipe = Recipe(depth=8, batch_size=16, precision="fp32")
    module = training_network(recipe, 10, 0, CPU)
    if not thread_invariant(module):
        pytest.skip(f"nothing is promised here: {kernels().words}")
    module.get_parameter("conv1.weight").requires_grad_(False)
    assert are_free(CPU, module, recipe, 3)


def test_one_whose_bits_do_not_is_not_whatever_is_promised(
    monkeypatch: pytest.MonkeyPatch, torch_settings: None
) -> None:
    monkeypatch.setattr(threads, "thread_invariant", lambda module: True)
    assert not are_free(CPU, Counting(), Recipe(batch_size=4), 2)


@pytest.mark.parametrize(("idle", "expected"), [(4.0, 4), (1.9, 2), (1.5, 1), (0.0, 1)])
def test_what_cannot_follow_the_load_begins_with_the_threads_that_it_leaves_cores_for(
    monkeypatch: pytest.MonkeyPatch, idle: float, expected: int
) -> None:
    readings = iter([Reading(0.0, 10.0, 0.0, 0.0), Reading(2.0, 10.0 + 2 * idle, 0.0, 0.0)])
    monkeypatch.setattr("reslab.load.read", lambda: next(readings))
    monkeypatch.setattr("time.sleep", lambda _: None)
    assert threads.threads_for_load(4) == expected


def test_without_a_word_on_the_load_all_threads_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reslab.load.read", lambda: None)
    assert threads.threads_for_load(4) == 4
