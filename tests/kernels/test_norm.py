"""The fused kernels against torch's own operations, in float64 where it matters."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from reslab.kernels.build import kernels
from reslab.kernels.norm import norm_add_relu_twice, norm_only, norm_relu, norm_relu_twice, usable

pytestmark = pytest.mark.usefixtures("two_threads")
needs_kernels = pytest.mark.skipif(kernels().library is None, reason=kernels().reason)
SHAPES = [(5, 16, 8, 8), (3, 32, 4, 4), (2, 64, 4, 4), (2, 192, 4, 4), (37, 16, 2, 2)]
TOLERANCE = {torch.float32: 2e-6, torch.bfloat16: 1e-2}


def maps_like(shape: tuple[int, ...], dtype: torch.dtype, seed: int) -> Tensor:
    noise = torch.randn(shape, generator=torch.Generator().manual_seed(seed)) * 2 + 0.5
    return noise.to(dtype).contiguous(memory_format=torch.channels_last).requires_grad_()


def norm_of(channels: int) -> nn.BatchNorm2d:
    norm = nn.BatchNorm2d(channels)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        norm.weight.copy_(torch.rand(channels, generator=generator) + 0.5)
        norm.bias.copy_(torch.randn(channels, generator=generator))
    return norm


def far(found: Tensor | None, wanted: Tensor | None) -> float:
    assert found is not None
    assert wanted is not None
    difference = (found.detach().double() - wanted.detach().double()).norm()
    return float(difference / wanted.detach().double().norm())


@needs_kernels
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("what", ["only", "relu", "relu twice", "add"])
def test_values_gradients_and_statistics(what: str, shape: tuple[int, ...], dtype: torch.dtype) -> None:
    norm, exact = norm_of(shape[1]), norm_of(shape[1]).double()
    maps, shortcut = maps_like(shape, dtype, 2), maps_like(shape, dtype, 3)
    weights = [torch.randn(shape, generator=torch.Generator().manual_seed(seed)) for seed in (4, 5)]

    match what:
        case "only":
            outs = [norm_only(norm, maps)]
        case "relu":
            outs = [norm_relu(norm, maps)]
        case "relu twice":
            outs = list(norm_relu_twice(norm, maps))
        case _:
            outs = list(norm_add_relu_twice(norm, maps, shortcut))
    sum((out.float() * weight).sum() for out, weight in zip(outs, weights, strict=False)).backward()  # type: ignore[union-attr]

    maps64 = maps.detach().double().requires_grad_()
    shortcut64 = shortcut.detach().double().requires_grad_()
    wanted = exact(maps64) + (shortcut64 if what == "add" else 0)
    wanted = wanted if what == "only" else F.relu(wanted)
    sum((wanted * weight).sum() for weight in weights[: len(outs)]).backward()  # type: ignore[union-attr]

    tolerance = TOLERANCE[dtype]
    assert all(far(out, wanted) < tolerance for out in outs)
    assert far(maps.grad, maps64.grad) < 2 * tolerance
    assert far(norm.weight.grad, exact.weight.grad) < 2 * tolerance
    assert far(norm.bias.grad, exact.bias.grad) < 2 * tolerance
    assert far(norm.running_mean, exact.running_mean) < 1e-6
    assert far(norm.running_var, exact.running_var) < 1e-6
    assert norm.num_batches_tracked == exact.num_batches_tracked == 1
    if what == "add":
        assert far(shortcut.grad, shortcut64.grad) < tolerance
    assert outs[0].dtype == dtype
    assert outs[0].is_contiguous(memory_format=torch.channels_last)


@needs_kernels
def test_a_large_mean_does_not_drown_the_variance() -> None:
    maps = (torch.randn(8, 16, 16, 16, generator=torch.Generator().manual_seed(0)) + 100).contiguous(
        memory_format=torch.channels_last
    )
    norm = nn.BatchNorm2d(16)
    out = norm_only(norm, maps)
    wanted = nn.BatchNorm2d(16).double()(maps.double())
    assert far(out, wanted) < 1e-3


@needs_kernels
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_the_same_threads_give_the_same_bits(threads: int) -> None:
    torch.set_num_threads(threads)
    results = []
    for _ in range(3):
        norm, maps = norm_of(16), maps_like((16, 16, 8, 8), torch.float32, 0)
        out, _ = norm_relu_twice(norm, maps)
        out.sum().backward()  # type: ignore[no-untyped-call]
        results.append((out.detach(), maps.grad, norm.weight.grad))
    for result in results[1:]:
        assert all(torch.equal(one, two) for one, two in zip(result, results[0], strict=True))  # type: ignore[arg-type]


@needs_kernels
def test_what_is_not_a_number_is_not_hidden() -> None:
    maps = maps_like((4, 16, 4, 4), torch.float32, 0).detach()
    maps[0, 3, 0, 0] = float("nan")
    out = norm_relu(norm_of(16), maps)
    assert out[:, 3].isnan().all()
    assert out[:, :3].isfinite().all()


@needs_kernels
def test_where_the_kernels_are_usable() -> None:
    assert usable(nn.BatchNorm2d(16), torch.zeros(4, 16, 2, 2))
    assert not usable(nn.BatchNorm2d(24), torch.zeros(8, 24, 2, 2))
    assert not usable(nn.BatchNorm2d(16), torch.zeros(1, 16, 1, 1))
    assert not usable(nn.BatchNorm2d(16), torch.zeros(4, 16, 2, 2, dtype=torch.float64))
