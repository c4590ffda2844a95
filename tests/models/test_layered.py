"""Networks of any kind with our kernels in the layers that fit: tried first, and torch's where the trial disagrees."""

import contextlib
from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor, nn

from reslab.kernels import convolution
from reslab.kernels.build import kernels
from reslab.models.layered import DISAGREED, count_layers, try_kernels

SHAPE = (3, 8, 8)
pytestmark = [
    pytest.mark.usefixtures("two_threads"),
    pytest.mark.skipif(not kernels().convolves, reason="no kernels that convolve"),
]


@contextlib.contextmanager
def seeded() -> Iterator[None]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        yield


class Net(nn.Module):
    """Two convolutions, dropout, and whatever is done to the maps before the last layer."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 16, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(16)
        self.second = nn.Conv2d(16, 32, 3, padding=1, bias=False)
        self.drop = nn.Dropout(0.3)
        self.fc = nn.Linear(32, 5)
        self.steps = 0

    def forward(self, images: Tensor) -> Tensor:
        self.steps += 1
        maps = self.second(torch.relu(self.norm(self.first(images))))
        logits: Tensor = self.fc(self.drop(self.pooled(maps)))
        return logits

    def pooled(self, maps: Tensor) -> Tensor:
        return maps.mean((2, 3))


class Twice(Net):
    """Differentiates within its forward pass in training, which the kernels cannot."""

    def pooled(self, maps: Tensor) -> Tensor:
        if not self.training:
            return super().pooled(maps)
        (slope,) = torch.autograd.grad(maps.square().sum(), self.first.weight, create_graph=True)
        return maps.mean((2, 3)) + slope.mean()


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_layers_that_fit_are_served_and_the_network_is_not_touched(precision: str) -> None:
    torch.manual_seed(0)
    network = Net()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    assert try_kernels(network, SHAPE, precision, seeded) == ""
    assert count_layers(network) == 3
    assert network.steps == 0
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())


def test_a_part_that_is_not_used_in_the_trial_keeps_no_layer_from_the_kernels() -> None:
    network = Net()
    network.unused = nn.Conv2d(16, 16, 3, padding=1, bias=False)
    assert try_kernels(network, SHAPE, "fp32", seeded) == ""
    assert count_layers(network) == 4


def test_a_network_that_the_kernels_cannot_serve_keeps_torchs_layers() -> None:
    network = Twice()
    remark = try_kernels(network, SHAPE, "fp32", seeded)
    assert DISAGREED in remark
    assert "second derivative" in remark
    assert count_layers(network) == 0


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_another_result_is_noticed(monkeypatch: pytest.MonkeyPatch, precision: str) -> None:
    right: Callable[[nn.Conv2d, Tensor], Tensor] = convolution.by_kernel

    def wrong(layer: nn.Conv2d, maps: Tensor) -> Tensor:
        return right(layer, maps) * (1.1 if maps.shape[1] == 16 else 1.0)

    monkeypatch.setattr(convolution, "by_kernel", wrong)
    network = Net()
    assert DISAGREED in try_kernels(network, SHAPE, precision, seeded)
    assert count_layers(network) == 0


def test_another_result_in_evaluation_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    right: Callable[[nn.Conv2d, Tensor], Tensor] = convolution.by_kernel
    monkeypatch.setattr(
        convolution, "by_kernel", lambda layer, maps: right(layer, maps) * (1.0 if layer.training else 1.1)
    )
    network = Net()
    assert DISAGREED in try_kernels(network, SHAPE, "fp32", seeded)
    assert count_layers(network) == 0


def test_a_network_without_a_layer_that_fits_is_not_tried() -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(192, 5))
    assert try_kernels(network, SHAPE, "fp32", seeded) == ""
    assert count_layers(network) == 0
