"""Whatever a convolution or a batch norm is like, the kernels do as torch: to rounding, or by its own operations."""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from profiles import EXAMPLES
from reslab.kernels.convolution import convolve
from reslab.kernels.norm import norm_add_relu_twice, norm_only, norm_relu, norm_relu_twice, usable

BOUND = {torch.float32: 2e-5, torch.bfloat16: 3e-2, torch.float64: 1e-12}
FLOATS = (torch.float32, torch.bfloat16, torch.float64)


def _mostly(usual: Any, *others: Any) -> st.SearchStrategy[Any]:
    """Give the usual value two times in three, so that many layers are unusual in one thing only."""
    return st.sampled_from([usual] * 2 * len(others) + list(others))


@dataclass(frozen=True)
class _Layer:
    """How a layer is called: the maps' size, type and layout, the parameters' type, and whether under autocast."""

    shape: tuple[int, ...]
    maps: torch.dtype
    parameters: torch.dtype
    autocast: bool
    channels_last: bool
    needs_gradient: bool
    threads: int

    def tensor(self, shape: tuple[int, ...], seed: int) -> Tensor:
        made = torch.randn(shape, generator=torch.Generator().manual_seed(seed)).to(self.maps)
        return made.contiguous(memory_format=torch.channels_last) if self.channels_last and made.ndim == 4 else made


def _layers(channels: st.SearchStrategy[int]) -> st.SearchStrategy[_Layer]:
    sizes = st.integers(1, 9)
    shapes = st.tuples(st.integers(0, 5), channels, sizes, sizes)
    return st.builds(
        lambda shape, whole, pair, **others: _Layer(shape if whole else shape[1:], pair[0], pair[1], pair[2], **others),
        shapes,
        _mostly(True, False),
        st.sampled_from(
            [
                (torch.float32, torch.float32, False),
                (torch.bfloat16, torch.float32, True),
                (torch.float32, torch.float32, True),
            ]
        )
        | st.tuples(st.sampled_from(FLOATS), st.sampled_from(FLOATS), st.booleans()),
        channels_last=st.booleans(),
        needs_gradient=_mostly(True, False),
        threads=st.integers(1, 3),
    )


def _result(layer: nn.Module, how: _Layer, call: Callable[[nn.Module, list[Tensor]], Any], num_maps: int) -> Any:
    """Return all that two calls and their gradients leave behind, or the error that they raise."""
    layer = copy.deepcopy(layer)
    leaves = [how.tensor(how.shape, seed).requires_grad_(how.needs_gradient) for seed in range(num_maps)]
    before = torch.get_num_threads()
    torch.set_num_threads(how.threads)
    try:
        for _ in range(2):
            with torch.autocast("cpu", torch.bfloat16, enabled=how.autocast):
                outs = call(layer, leaves)
            back = [how.tensor(tuple(out.shape), 9).to(out.dtype) for out in outs]
            if outs[0].requires_grad:
                torch.autograd.backward(outs, back)
    except (RuntimeError, ValueError) as error:
        return type(error), str(error).splitlines()[0]
    finally:
        torch.set_num_threads(before)
    gradients = [one.grad for one in (*leaves, *layer.parameters())]
    return [*outs, *layer.buffers(), *(one for one in gradients if one is not None)]


def _agree(ours: Any, torchs: Any, bound: float, scale: float) -> None:
    """Compare results; `scale` is the size of what is subtracted where the result is small."""
    if isinstance(torchs, tuple):
        assert ours == torchs
        return
    assert [(one.shape, one.dtype) for one in ours] == [(one.shape, one.dtype) for one in torchs]
    for one, other in zip(ours, torchs, strict=True):
        assert torch.equal(one.isnan(), other.isnan())
        wide = other.detach().double().nan_to_num()
        off = (one.detach().double().nan_to_num() - wide).norm()
        assert off <= bound * (wide.norm() + scale * wide.numel() ** 0.5), float(off)


@st.composite
def _convolutions(draw: st.DrawFn) -> tuple[nn.Conv2d, _Layer]:
    how = draw(_layers(st.sampled_from([1, 2, 3, 4, 5, 8, 16, 16, 32, 48])))
    channels = how.shape[-3]
    kernel: Any = draw(_mostly((3, 3), (1, 1), (5, 5), (2, 2), (3, 1)))
    padding: Any = draw(_mostly((kernel[0] // 2, kernel[1] // 2), (0, 0), (1, 0), (2, 2), "same", "valid"))
    stride: Any = draw(_mostly((1, 1), (2, 2), (1, 2), (2, 1), (3, 3)))
    torch.manual_seed(0)
    convolution = nn.Conv2d(
        channels,
        draw(st.sampled_from([16, 32, 48, 8, 20])),
        kernel,
        stride=(1, 1) if padding == "same" else stride,
        padding=padding,
        dilation=draw(_mostly(1, 2)),
        groups=draw(_mostly(1, 2)) if channels % 2 == 0 else 1,
        bias=draw(_mostly(False, True)),
        padding_mode=draw(_mostly("zeros", "circular", "replicate")),
    ).to(how.parameters)
    if draw(st.booleans()):
        convolution.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return convolution, how


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
@given(_convolutions())
@settings(max_examples=EXAMPLES)
def test_any_convolution(case: tuple[nn.Conv2d, _Layer]) -> None:
    convolution, how = case
    ours, torchs = (_forward(way, convolution, how) for way in (convolve, lambda layer, maps: layer(maps)))
    if isinstance(ours, tuple) or type(ours.grad_fn) is type(torchs.grad_fn):
        # Torch's operation or error.  No backward pass: torch 2.13's gives other numbers each time with some shapes.
        assert ours == torchs if isinstance(ours, tuple) else ours.shape == torchs.shape
        return
    ours = _result(convolution, how, lambda layer, maps: [convolve(layer, maps[0])], 1)  # type: ignore[arg-type]
    torchs = _result(convolution, how, lambda layer, maps: [layer(maps[0])], 1)
    half = how.autocast or torch.bfloat16 in (how.maps, how.parameters)
    _agree(ours, torchs, BOUND[torch.bfloat16 if half else torch.float32], 0.1)


def _forward(way: Callable[[nn.Conv2d, Tensor], Tensor], convolution: nn.Conv2d, how: _Layer) -> Any:
    try:
        with torch.autocast("cpu", torch.bfloat16, enabled=how.autocast):
            return way(convolution, how.tensor(how.shape, 0).requires_grad_(how.needs_gradient))
    except (RuntimeError, ValueError) as error:
        return type(error), str(error).splitlines()[0]


@st.composite
def _norms(draw: st.DrawFn) -> tuple[nn.BatchNorm2d, _Layer, str]:
    how = draw(_layers(st.sampled_from([16, 16, 32, 64, 128, 24, 1])))
    torch.manual_seed(0)
    norm = nn.BatchNorm2d(
        how.shape[-3],
        momentum=draw(_mostly(0.1, 0.0, 1.0, None)),
        affine=draw(_mostly(True, False)),
        track_running_stats=draw(_mostly(True, False)),
        eps=draw(_mostly(1e-5, 1e-2)),
    )
    for row in norm.parameters():
        nn.init.normal_(row)
    norm.to(how.parameters)
    match draw(_mostly("whole", "a row of another type", "frozen rows", "no count")):
        case "a row of another type" if norm.running_var is not None:
            norm.running_var = norm.running_var.bfloat16()
        case "frozen rows":
            norm.requires_grad_(False)
        case "no count":
            norm.num_batches_tracked = None
    norm.train(draw(_mostly(True, False)))
    return norm, how, draw(st.sampled_from(["only", "relu", "twice", "add"]))


def _by_kernels(what: str, norm: nn.BatchNorm2d, maps: list[Tensor]) -> list[Tensor]:
    match what:
        case "only":
            return [norm_only(norm, maps[0])]
        case "relu":
            return [norm_relu(norm, maps[0])]
        case "twice":
            return list(norm_relu_twice(norm, maps[0]))
        case _:
            return list(norm_add_relu_twice(norm, *maps))


def _by_torch(what: str, norm: nn.BatchNorm2d, maps: list[Tensor]) -> list[Tensor]:
    out = norm(maps[0]) + (maps[1] if what == "add" else 0)
    out = out if what == "only" else F.relu(out)
    return [out, out] if what in ("twice", "add") else [out]


@given(_norms())
@settings(max_examples=EXAMPLES)
def test_any_batch_norm(case: tuple[nn.BatchNorm2d, _Layer, str]) -> None:
    norm, how, what = case
    num_maps = 2 if what == "add" else 1
    ours = _result(norm, how, lambda layer, maps: _by_kernels(what, layer, maps), num_maps)  # type: ignore[arg-type]
    torchs = _result(norm, how, lambda layer, maps: _by_torch(what, layer, maps), num_maps)  # type: ignore[arg-type]
    maps = how.tensor(how.shape, 0)
    if not usable(copy.deepcopy(norm), maps) and isinstance(ours, list):
        assert all(torch.equal(one.nan_to_num(), other.nan_to_num()) for one, other in zip(ours, torchs, strict=True))
    # What is left of a gradient when its mean and its share along the maps are taken off is as exact as those are.
    spread = maps.float().transpose(0, -3).flatten(1).var(dim=1, correction=0) if maps.numel() else torch.ones(1)
    scale = float((spread + norm.eps).rsqrt().max()) if norm.training else 1.0
    half = torch.bfloat16 in (how.maps, how.parameters)
    if half and what != "only" and isinstance(ours, list) and not torch.equal(ours[0] > 0, torchs[0] > 0):
        # A sum that is rounded once more opened a ReLU on one side only: what went back through it differs.
        num_kept = (1 if what == "relu" else 2) + len(list(norm.buffers()))
        ours, torchs = ours[:num_kept], torchs[:num_kept]
    _agree(ours, torchs, BOUND[torch.bfloat16 if half else torch.float32] * (2 if half else 1), scale)
