"""One layer's kernels for a graphics card against the same mathematics in float64."""

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gpu_interpreter import DEVICE, distance
from reslab.kernels import gpu_layer, gpu_sizes
from reslab.kernels.gpu_device import failure
from reslab.kernels.gpu_layer import Layer, WeightGradients, cast
from reslab.kernels.gpu_sizes import PROGRAM_BYTES, Sizes, Tile

BOUND = {torch.float32: 2e-6, torch.bfloat16: 2e-2}


@dataclass(frozen=True)
class Case:
    channels: int
    leaving: int
    side: int
    size: int
    stride: int = 1
    images: int = 3
    adds: bool = False
    relu: bool = True


CASES = [
    Case(3, 16, 3, 9),
    Case(1, 16, 3, 8),
    Case(16, 16, 3, 8, adds=True),
    Case(16, 32, 3, 9, stride=2),
    Case(32, 32, 3, 6, images=5),
    Case(64, 64, 3, 5, adds=True),
    Case(16, 32, 1, 8, stride=2, relu=False),
    Case(16, 16, 3, 20, images=2),  # more rows than one program works on
]


@pytest.fixture(autouse=True)
def _few_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Share work among several programs, but no more: the interpreter does one after the other."""
    if DEVICE.type == "cpu":
        monkeypatch.setattr(gpu_layer, "COLUMNS", 1024)
        monkeypatch.setattr(gpu_sizes, "PROGRAMS", 8)


def modules(case: Case) -> tuple[nn.Conv2d, nn.BatchNorm2d]:
    generator = torch.Generator().manual_seed(0)
    convolution = nn.Conv2d(
        case.channels, case.leaving, case.side, stride=case.stride, padding=case.side // 2, bias=False
    )
    norm = nn.BatchNorm2d(case.leaving)
    with torch.no_grad():
        convolution.weight.normal_(0, 0.2, generator=generator)
        norm.weight.uniform_(0.5, 1.5, generator=generator)
        norm.bias.normal_(generator=generator)
        norm.running_mean.normal_(generator=generator)  # type: ignore[union-attr]
        norm.running_var.uniform_(0.5, 1.5, generator=generator)  # type: ignore[union-attr]
    return convolution.to(DEVICE, memory_format=torch.channels_last), norm.to(DEVICE)  # type: ignore[call-overload]


def exact(convolution: nn.Conv2d, norm: nn.BatchNorm2d, weight: Tensor) -> tuple[nn.Conv2d, nn.BatchNorm2d]:
    """Return the same layer in float64, with the weight as it is multiplied."""
    one = nn.Conv2d(
        convolution.in_channels,
        convolution.out_channels,
        convolution.kernel_size,  # type: ignore[arg-type]
        stride=convolution.stride,  # type: ignore[arg-type]
        padding=convolution.padding,  # type: ignore[arg-type]
        bias=False,
    )
    two = nn.BatchNorm2d(norm.num_features)
    two.load_state_dict(norm.state_dict())
    one, two = one.to(DEVICE).double(), two.to(DEVICE).double()
    with torch.no_grad():
        one.weight.copy_(weight.double())
    return one, two


def random(shape: tuple[int, ...], seed: int, dtype: torch.dtype) -> Tensor:
    values = torch.randn(shape, generator=torch.Generator().manual_seed(seed)).to(DEVICE, dtype)
    return values.contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("dtype", BOUND)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_layer_is_the_same_as_in_float64(case: Case, dtype: torch.dtype) -> None:
    convolution, norm = modules(case)
    (weight,) = cast([convolution.weight], dtype)
    layer = Layer(convolution, norm, weight)
    maps = random((case.images, case.channels, case.size, case.size), 1, dtype)
    sizes = Sizes.of(maps, convolution)
    shortcut = random(sizes.size_out, 2, dtype) if case.adds else None
    plain, plain_norm = exact(convolution, norm, weight)

    wide = maps.double().requires_grad_()
    convolved = plain(wide)
    convolved.retain_grad()

    def after(training: bool) -> Tensor:
        out: Tensor = plain_norm.train(training)(convolved) + (0 if shortcut is None else shortcut.double())
        return F.relu(out) if case.relu else out

    assert distance(layer.evaluate(maps, shortcut, relu=case.relu), after(False)) < BOUND[dtype]
    done = layer.train(maps, shortcut, relu=case.relu)
    wanted = after(True)
    assert distance(done.out, wanted) < BOUND[dtype]
    assert done.out.is_contiguous(memory_format=torch.channels_last)
    for found, buffer in zip(norm.buffers(), plain_norm.buffers(), strict=True):
        assert distance(found, buffer) < BOUND[dtype]

    gradient = random(sizes.size_out, 3, dtype)
    # Where rounding opened or closed a ReLU, neither gradient is wrong: the exact one goes through ours.
    opened = (done.out > 0).double() if case.relu else torch.ones_like(wanted)
    before_relu = plain_norm(convolved) + (0 if shortcut is None else shortcut.double())
    before_relu.backward(gradient.double() * opened)

    passed = done.of_norm(gradient)
    assert torch.equal(passed.gradient, gradient * opened.to(dtype))
    of_convolved, of_gamma, of_beta = done.of_convolved(passed)
    assert convolved.grad is not None
    assert distance(of_convolved, convolved.grad) < BOUND[dtype]
    assert plain_norm.weight.grad is not None
    assert plain_norm.bias.grad is not None
    assert distance(of_gamma, plain_norm.weight.grad) < BOUND[dtype]
    assert distance(of_beta, plain_norm.bias.grad) < BOUND[dtype]
    way = WeightGradients([sizes], DEVICE)
    room = way.room()
    done.of_weight(of_convolved, room[0])
    assert plain.weight.grad is not None
    assert distance(way.add(room)[0], plain.weight.grad) < BOUND[dtype]
    if case.channels >= 16:
        assert wide.grad is not None
        assert distance(done.of_maps(of_convolved), wide.grad) < BOUND[dtype]


def test_a_gradient_goes_through_the_layer_before_in_one_kernel() -> None:
    """The sum of two uses' gradients, through a ReLU after an addition and through one after a norm alone."""
    case = Case(16, 16, 3, 8)
    convolution, norm = modules(case)
    layer = Layer(convolution, norm, cast([convolution.weight], torch.float32)[0])
    shape = (case.images, 16, 8, 8)
    for shortcut, more in ((random(shape, 2, torch.float32), random(shape, 4, torch.float32)), (None, None)):
        before = layer.train(random(shape, 1, torch.float32), shortcut)
        after = layer.train(before.out)
        of_convolved = random(shape, 3, torch.float32)
        at_once = after.of_norm_before(of_convolved, more, before)
        of_maps = after.of_maps(of_convolved)
        one_by_one = before.of_norm(of_maps if more is None else of_maps + more)
        assert distance(at_once.gradient, one_by_one.gradient) < 1e-6
        for found, wanted in zip(before.of_convolved(at_once), before.of_convolved(one_by_one), strict=True):
            assert distance(found, wanted) < 1e-6


def test_the_gradient_of_a_mean_over_pixels() -> None:
    case = Case(16, 16, 3, 8)
    convolution, norm = modules(case)
    layer = Layer(convolution, norm, cast([convolution.weight], torch.float32)[0])
    done = layer.train(random((case.images, 16, 8, 8), 1, torch.float32))
    pooled = torch.randn(case.images, 16, generator=torch.Generator().manual_seed(2)).to(DEVICE)
    spread = (pooled / 64)[:, :, None, None].expand(-1, -1, 8, 8).contiguous(memory_format=torch.channels_last)
    assert distance(done.of_norm(pooled, pool=64).gradient, done.of_norm(spread).gradient) < 1e-6


def test_statistics_of_maps_far_from_zero_do_not_cancel() -> None:
    convolution, norm = modules(Case(16, 16, 1, 20))
    with torch.no_grad():
        convolution.weight.copy_(torch.eye(16)[:, :, None, None])
    layer = Layer(convolution, norm, cast([convolution.weight], torch.float32)[0])
    maps = random((4, 16, 20, 20), 1, torch.float32) + 1000
    done = layer.train(maps)
    variance = maps.double().var(dim=(0, 2, 3), unbiased=False)
    assert distance(done.saved[16:], (variance + norm.eps).rsqrt()) < 1e-4


def test_weights_are_cast_all_at_once_and_hold_no_gradient() -> None:
    weights = [nn.Parameter(torch.randn(16, channels, 3, 3, device=DEVICE)) for channels in (3, 16)]
    for dtype in BOUND:
        for weight, half in zip(weights, cast(weights, dtype), strict=True):
            assert torch.equal(half, weight.detach().to(dtype))
            assert half.is_contiguous(memory_format=torch.channels_last)
            assert not half.requires_grad


@pytest.mark.parametrize("dtype", BOUND)
@pytest.mark.parametrize(
    ("channels", "leaving", "stride", "side"),
    [(3, 16, 1, 3), (16, 16, 1, 3), (16, 32, 2, 3), (32, 32, 1, 3), (32, 64, 2, 3), (64, 64, 1, 3), (32, 64, 2, 1)],
)
def test_stages_fit_into_a_programs_memory(
    channels: int, leaving: int, stride: int, side: int, dtype: torch.dtype
) -> None:
    sizes = Sizes(128, channels, leaving, 32, 32, side, stride)
    tile = Tile.of_convolution(sizes, dtype)
    inner = sizes.taps(1)[1]
    assert (tile.stages - 1) * (tile.rows * inner + inner * leaving) * dtype.itemsize <= PROGRAM_BYTES
    if channels >= 16:
        tile = Tile.of_maps_gradient(sizes, dtype)
        assert tile.stages > 1
        assert (tile.stages - 1) * (tile.rows * leaving + leaving * channels) * dtype.itemsize <= PROGRAM_BYTES
    tile = Tile.of_weight_gradient(sizes)
    columns = leaving + sizes.taps(tile.taps)[1]
    assert (tile.stages - 1) * tile.rows * columns * dtype.itemsize <= PROGRAM_BYTES


def test_where_triton_does_not_work_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    assert failure(DEVICE) == ""

    def broken(*_: object) -> None:
        raise RuntimeError("Failed to find C compiler.\nPlease specify one")

    monkeypatch.setattr("reslab.kernels.gpu.add_pieces", {(1,): broken})
    failure.cache_clear()
    assert failure(DEVICE) == "Triton does not work here (Failed to find C compiler.)"
    failure.cache_clear()


@pytest.mark.parametrize(("images", "size"), [(1, 1), (1, 8), (37, 32), (128, 32)])
def test_pieces_of_a_weights_gradient_cover_all_rows_once(images: int, size: int) -> None:
    sizes = Sizes(images, 16, 16, size, size, 3, 1)
    tile = Tile.of_weight_gradient(sizes)
    number, each = sizes.split(tile)
    assert number <= tile.pieces
    assert each % tile.rows == 0
    assert (number - 1) * each < sizes.rows_out <= number * each
