"""The fused kernels against torch's own operations, in float64 where it matters."""

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from reslab.errors import ResLabError
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


def applied(what: str, norm: nn.BatchNorm2d, maps: Tensor, shortcut: Tensor) -> list[Tensor]:
    match what:
        case "only":
            return [norm_only(norm, maps)]
        case "relu":
            return [norm_relu(norm, maps)]
        case "relu twice":
            return list(norm_relu_twice(norm, maps))
        case _:
            return list(norm_add_relu_twice(norm, maps, shortcut))


WHAT = ["only", "relu", "relu twice", "add"]


@needs_kernels
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("what", WHAT)
def test_evaluation_is_by_the_running_statistics_and_leaves_them(
    what: str, shape: tuple[int, ...], dtype: torch.dtype
) -> None:
    norm = norm_of(shape[1])
    norm(maps_like(shape, torch.float32, 6) * 3 + 5)
    norm.eval()
    exact = copy.deepcopy(norm).double()
    maps, shortcut = maps_like(shape, dtype, 2), maps_like(shape, dtype, 3)
    with torch.inference_mode():
        assert usable(norm, maps)
        outs = applied(what, norm, maps, shortcut)
        wanted = exact(maps.double()) + (shortcut.double() if what == "add" else 0)
    wanted = wanted if what == "only" else F.relu(wanted)
    assert all(far(out, wanted) < TOLERANCE[dtype] for out in outs)
    assert outs[0].dtype == dtype
    assert all(
        torch.equal(one, other.to(one.dtype)) for one, other in zip(norm.buffers(), exact.buffers(), strict=True)
    )


@needs_kernels
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("what", WHAT)
def test_values_gradients_and_statistics(what: str, shape: tuple[int, ...], dtype: torch.dtype) -> None:
    norm, exact = norm_of(shape[1]), norm_of(shape[1]).double()
    maps, shortcut = maps_like(shape, dtype, 2), maps_like(shape, dtype, 3)
    weights = [torch.randn(shape, generator=torch.Generator().manual_seed(seed)) for seed in (4, 5)]

    outs = applied(what, norm, maps, shortcut)
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
@pytest.mark.parametrize("ratio", [1e3, 1e4, -1e4])
def test_a_mean_of_many_deviations_costs_no_more_than_in_torch(ratio: float) -> None:
    """Outputs, gradients and statistics, of channels of which one begins with an outlier."""
    generator = torch.Generator().manual_seed(0)
    maps = torch.randn(32, 16, 16, 16, generator=generator)
    maps[0, 3] += 30
    maps = (maps + ratio).contiguous(memory_format=torch.channels_last)
    gradient = torch.randn(maps.shape, generator=generator)
    found: list[list[Tensor | None]] = []
    for way in (norm_only, lambda norm, maps: norm(maps), lambda norm, maps: norm.double()(maps.double())):
        norm, leaf = norm_of(16), maps.clone().requires_grad_()
        out = way(norm, leaf)
        out.backward(gradient.to(out.dtype))
        found.append([out, leaf.grad, norm.weight.grad, norm.bias.grad, norm.running_mean, norm.running_var])
    for ours, torchs, wanted in zip(*found, strict=True):
        assert far(ours, wanted) < max(far(torchs, wanted), 1e-6)


@needs_kernels
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("shape", [(37, 16, 16, 16), (16, 64, 8, 8)])
def test_any_number_of_threads_gives_the_same_bits(shape: tuple[int, ...], dtype: torch.dtype) -> None:
    """More of them than cores, too, which take each other's pieces."""
    results = []
    for threads in (1, 2, 2, 3, 7):
        torch.set_num_threads(threads)
        norm, maps, shortcut = norm_of(shape[1]), maps_like(shape, dtype, 0), maps_like(shape, dtype, 1)
        out, _ = norm_add_relu_twice(norm, maps, shortcut)
        out.sum().backward()  # type: ignore[no-untyped-call]
        results.append((out.detach(), maps.grad, shortcut.grad, norm.weight.grad, norm.running_var))
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
def test_bfloat16_keeps_what_is_not_a_number_whatever_its_bits() -> None:
    maps = torch.zeros(4, 16, 4, 4).contiguous(memory_format=torch.channels_last)
    maps[0, 3, 0, 0] = torch.tensor(0x7FFFFFFF, dtype=torch.int32).view(torch.float32)
    assert norm_relu(norm_of(16), maps.bfloat16())[:, 3].isnan().all()


@needs_kernels
def test_where_the_kernels_are_usable() -> None:
    assert usable(nn.BatchNorm2d(16), torch.zeros(4, 16, 2, 2))
    assert not usable(nn.BatchNorm2d(24), torch.zeros(8, 24, 2, 2))
    assert not usable(nn.BatchNorm2d(16), torch.zeros(1, 16, 1, 1))
    assert not usable(nn.BatchNorm2d(16), torch.zeros(4, 16, 2, 2, dtype=torch.float64))
    assert not usable(nn.BatchNorm2d(16), torch.zeros(0, 16, 2, 2))
    assert not usable(nn.BatchNorm2d(16), torch.zeros(16, 2, 2))
    assert not usable(nn.BatchNorm2d(16).eval(), torch.zeros(4, 16, 2, 2))
    with torch.no_grad():
        assert usable(nn.BatchNorm2d(16).eval(), torch.zeros(4, 16, 2, 2))
    assert not usable(nn.BatchNorm2d(16).bfloat16(), torch.zeros(4, 16, 2, 2, dtype=torch.bfloat16))
    assert not usable(nn.BatchNorm2d(16, affine=False), torch.zeros(4, 16, 2, 2))
    assert not usable(nn.BatchNorm2d(16, track_running_stats=False), torch.zeros(4, 16, 2, 2))
    assert not usable(nn.BatchNorm2d(16, momentum=None), torch.zeros(4, 16, 2, 2))
    assert not usable(nn.BatchNorm2d(32), torch.zeros(4, 16, 2, 2))
    sparse = nn.BatchNorm2d(16)
    sparse.weight = nn.Parameter(torch.ones(32)[::2])
    assert not usable(sparse, torch.zeros(4, 16, 2, 2))
    assert not usable(type("Other", (nn.BatchNorm2d,), {})(16), torch.zeros(4, 16, 2, 2))


@needs_kernels
def test_a_module_in_bfloat16_is_torchs() -> None:
    norm, maps = norm_of(64).bfloat16(), maps_like((4, 64, 4, 4), torch.bfloat16, 0)
    twin = copy.deepcopy(norm)
    assert torch.equal(norm_relu(norm, maps), F.relu(twin(maps)))
    assert torch.equal(norm.running_var, twin.running_var)  # type: ignore[arg-type]


@needs_kernels
def test_another_default_type_is_no_matter() -> None:
    norm, maps = norm_of(64), maps_like((4, 64, 4, 4), torch.float32, 0)
    expected = norm_relu(copy.deepcopy(norm), maps)
    torch.set_default_dtype(torch.bfloat16)
    try:
        assert torch.equal(norm_relu(norm, maps), expected)
    finally:
        torch.set_default_dtype(torch.float32)


@needs_kernels
def test_one_value_a_channel_is_refused_as_by_torch() -> None:
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        norm_relu(nn.BatchNorm2d(64), torch.zeros(1, 64, 1, 1))


@needs_kernels
def test_a_shortcut_of_another_shape_or_type_is_torchs_to_add() -> None:
    norm, maps = norm_of(16), maps_like((4, 16, 4, 4), torch.bfloat16, 0)
    for shortcut in (torch.ones(4, 16, 1, 1, dtype=torch.bfloat16), torch.ones(4, 16, 4, 4)):
        twin = copy.deepcopy(norm)
        out, again = norm_add_relu_twice(norm, maps, shortcut)
        assert torch.equal(out, F.relu(twin(maps) + shortcut))
        assert torch.equal(out, again)


@needs_kernels
def test_a_second_derivative_is_refused() -> None:
    norm, maps = norm_of(16), maps_like((4, 16, 4, 4), torch.float32, 0)
    out = norm_relu(norm, maps)
    with pytest.raises(ResLabError, match="no second derivative"):
        torch.autograd.grad(out.square().sum(), maps, create_graph=True)


def test_an_epsilon_of_zero_is_torchs_to_refuse() -> None:
    norm, maps = nn.BatchNorm2d(16, eps=0.0), torch.ones(4, 16, 8, 8)
    assert not usable(norm, maps)
    with pytest.raises(ValueError, match="eps must be positive"):
        norm_relu(norm, maps)
