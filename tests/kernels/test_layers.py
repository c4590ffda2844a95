"""Single layers by the kernels: torch's numbers to rounding, torch's own layers wherever the kernels do not fit."""

import copy
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from reslab.kernels import convolution
from reslab.kernels import layers as kernel_layers
from reslab.kernels.build import kernels
from reslab.kernels.layers import KernelBatchNorm2d, KernelConv2d, use_kernels, use_torch

pytestmark = [
    pytest.mark.usefixtures("two_threads"),
    pytest.mark.skipif(not kernels().convolves, reason="no kernels that convolve"),
]


def layers(channels: int = 16) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, channels, 3, padding=1, bias=False),
        nn.BatchNorm2d(channels),
        nn.ReLU(inplace=True),
        nn.Conv2d(channels, 32, 3, padding=1, bias=False),
        nn.BatchNorm2d(32),
    )


def step(network: nn.Module, images: Tensor) -> list[Tensor]:
    out = network(images)
    to = torch.randn(out.shape, generator=torch.Generator().manual_seed(2))  # batch norm leaves no slope of plain sums
    gradients = torch.autograd.grad((out * to).sum(), list(network.parameters()))
    return [out.detach(), *gradients, *(one.float() for one in network.buffers())]


def far(one: Tensor, other: Tensor) -> float:
    return float((one - other).norm() / (other.norm() + 1e-12))


@pytest.mark.parametrize("shape", [(4, 3, 8, 8), (3, 3, 7, 9), (1, 3, 8, 8)])
def test_a_step_is_torchs_to_rounding(shape: tuple[int, ...]) -> None:
    images = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    plain = layers()
    ours = copy.deepcopy(plain)
    assert use_kernels(ours) == 4
    assert list(ours.state_dict()) == list(plain.state_dict())
    for one, other in zip(step(ours, images), step(plain, images), strict=True):
        assert far(one, other) < 1e-4


def test_an_evaluation_is_torchs_to_rounding() -> None:
    images = torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    ours = layers()
    use_kernels(ours)
    ours(images)
    plain = copy.deepcopy(ours).eval()
    use_torch(plain)
    with torch.inference_mode():
        found, wanted = ours.eval()(images), plain(images)
    assert 0 < far(found, wanted) < 1e-5


def test_the_kernels_compute_in_training_and_torch_what_is_differentiated_in_evaluation() -> None:
    images = torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    ours = layers()
    use_kernels(ours)
    out = ours(images)
    assert "Norm" in type(out.grad_fn).__name__  # an autograd function of ours
    assert type(out.grad_fn).__name__ != type(layers()(images).grad_fn).__name__
    plain = copy.deepcopy(ours)
    use_torch(plain)
    assert torch.equal(ours.eval()(images), plain.eval()(images))
    second = torch.autograd.grad(ours(images).square().sum(), ours.get_parameter("0.weight"), create_graph=True)[0]
    torch.autograd.grad(second.sum(), ours.get_parameter("0.weight"))  # the kernels would refuse


@pytest.mark.parametrize("emulates", [True, False])
@pytest.mark.parametrize(("taps", "stride"), [(3, 2), (1, 1), (1, 2)])
def test_other_layers_are_ours_only_where_torch_would_emulate_bf16(
    monkeypatch: pytest.MonkeyPatch, taps: int, stride: int, emulates: bool
) -> None:
    has = replace(kernels(), multiplies_bfloat16=not emulates)
    for module in (kernel_layers, convolution):
        monkeypatch.setattr(module, "kernels", lambda: has)
    torch.manual_seed(0)
    plain = nn.Sequential(nn.Conv2d(16, 32, taps, stride=stride, padding=taps // 2, bias=False))
    ours = copy.deepcopy(plain)
    assert use_kernels(ours) == 0  # in fp32 torch is as fast
    assert use_kernels(ours, "bf16") == emulates
    images = torch.randn(4, 16, 8, 8, generator=torch.Generator().manual_seed(1)).bfloat16().float()
    with torch.autocast("cpu", torch.bfloat16):
        out = ours(images)
        assert out.dtype == torch.bfloat16
        assert (type(out.grad_fn).__name__ == "_ConvolutionBackward") == emulates
        for one, other in zip(step(ours, images), step(plain, images), strict=True):
            assert far(one.float(), other.float()) < 1e-2


def test_hooks_are_called_and_copies_go_on_with_the_kernels() -> None:
    ours = layers()
    use_kernels(ours)
    told: list[nn.Module] = []
    for layer in ours:
        layer.register_forward_hook(lambda layer, *_: told.append(layer))
    ours(torch.zeros(4, 3, 8, 8))
    assert told == list(ours)
    assert [type(one) for one in copy.deepcopy(ours)] == [type(one) for one in ours]


class Mine(nn.Conv2d):
    """A convolution with another way through it."""


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(16, 16, 3, padding=1),
        nn.Conv2d(16, 16, 3, padding=1, bias=False, groups=2),
        nn.Conv2d(16, 16, 3, padding=1, bias=False, stride=2),
        nn.Conv2d(16, 16, 3, padding=2, dilation=2, bias=False),
        nn.Conv2d(16, 16, 3, padding="same", bias=False),
        nn.Conv2d(16, 16, 3, padding=1, bias=False, padding_mode="reflect"),
        nn.Conv2d(16, 12, 3, padding=1, bias=False),
        nn.Conv2d(16, 16, 1, bias=False),
        nn.Conv2d(8, 16, 3, padding=1, bias=False),
        nn.BatchNorm2d(24),
        Mine(16, 16, 3, padding=1, bias=False),
        nn.utils.parametrizations.weight_norm(nn.Conv2d(16, 16, 3, padding=1, bias=False)),
    ],
)
def test_layers_that_do_not_fit_stay_torchs(layer: nn.Module) -> None:
    assert use_kernels(layer) == 0
    assert not isinstance(layer, KernelConv2d | KernelBatchNorm2d)


def test_a_layer_with_a_forward_of_its_own_keeps_it() -> None:
    layer = nn.Conv2d(16, 16, 3, padding=1, bias=False)
    layer.__dict__["forward"] = lambda maps: maps
    assert use_kernels(layer) == 0


def test_what_is_not_numbers_in_memory_is_left_to_torch() -> None:
    """Under `torch.func`, as in per-sample gradients, a tensor has no memory that a kernel could read."""
    layer = nn.Conv2d(16, 16, 3, padding=1, bias=False)
    maps = torch.randn(3, 1, 16, 8, 8)
    wanted = torch.vmap(layer)(maps)
    use_kernels(layer)
    assert torch.equal(torch.vmap(layer)(maps), wanted)
