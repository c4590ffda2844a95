"""The convolution by our kernels, against torch's in float64: exact on integers, near to rounding on real numbers."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from reslab import host
from reslab.kernels import build
from reslab.kernels.build import kernels
from reslab.kernels.convolution import convolve

pytestmark = pytest.mark.usefixtures("two_threads")

STRIDE_ONE = [(16, 16, 32, 1), (32, 32, 16, 1), (64, 64, 8, 1), (48, 16, 4, 1), (16, 32, 6, 1), (128, 16, 4, 1)]
STRIDE_TWO = [(16, 32, 32, 2), (32, 64, 16, 2), (48, 16, 4, 2)]
DTYPES = [
    pytest.param(
        torch.bfloat16,
        marks=pytest.mark.skipif(not kernels().multiplies_bfloat16, reason="no dot products of bfloat16 here"),
    ),
    pytest.param(
        torch.float32, marks=pytest.mark.skipif(not kernels().multiplies_float, reason="neither AVX-512 nor AVX2 here")
    ),
]


def _tensor(*shape: int, integers: bool, generator: torch.Generator) -> Tensor:
    if integers:
        return torch.randint(-2, 3, shape, generator=generator).float()
    return torch.randn(shape, generator=generator)


def _case(
    shape: tuple[int, int, int, int], dtype: torch.dtype, *, integers: bool = False, images: int = 7
) -> tuple[nn.Conv2d, Tensor, Tensor]:
    """Return a convolution, maps and a gradient of its output; integers are such that no way has to round."""
    inputs, outputs, size, stride = shape
    generator = torch.Generator().manual_seed(0)
    convolution = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
    with torch.no_grad():
        weight = _tensor(outputs, inputs, 3, 3, integers=integers, generator=generator)
        convolution.weight.copy_(4 * weight if integers else weight)
    maps = _tensor(images, inputs, size, size, integers=integers, generator=generator).to(dtype)
    small = size // stride
    gradient = _tensor(images, outputs, small, small, integers=integers, generator=generator).to(dtype)
    return convolution, maps.contiguous(memory_format=torch.channels_last), gradient


def _results(convolution: nn.Conv2d, maps: Tensor, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return our output and the gradients of the maps and the weight."""
    leaf = maps.clone().requires_grad_()
    convolution.weight.grad = None
    with torch.autocast("cpu", torch.bfloat16, enabled=maps.dtype == torch.bfloat16):
        out = convolve(convolution, leaf)
    out.backward(gradient)  # type: ignore[no-untyped-call]
    assert leaf.grad is not None
    assert convolution.weight.grad is not None
    return out.detach(), leaf.grad, convolution.weight.grad


def _truth(convolution: nn.Conv2d, maps: Tensor, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the same in float64."""
    weight = convolution.weight.detach().double().requires_grad_()
    wide = maps.double().requires_grad_()
    out = F.conv2d(wide, weight, stride=convolution.stride, padding=1)
    out.backward(gradient.double())  # type: ignore[no-untyped-call]
    assert wide.grad is not None
    assert weight.grad is not None
    return out.detach(), wide.grad, weight.grad


def _far(found: Tensor, wanted: Tensor) -> float:
    return float((found.double() - wanted).norm() / wanted.norm())


@pytest.fixture(params=[1, 2, 3])
def _threads(request: pytest.FixtureRequest, two_threads: None) -> None:
    torch.set_num_threads(request.param)


@pytest.mark.usefixtures("_threads")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", STRIDE_ONE, ids=str)
def test_on_integers_it_is_exact(shape: tuple[int, int, int, int], dtype: torch.dtype) -> None:
    case = _case(shape, dtype, integers=True)
    for found, wanted in zip(_results(*case), _truth(*case), strict=True):
        assert torch.equal(found, wanted.to(found.dtype))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", STRIDE_ONE, ids=str)
def test_on_real_numbers_it_is_near_to_rounding(shape: tuple[int, int, int, int], dtype: torch.dtype) -> None:
    """Products of bfloat16 (2^-9 at most, half of that on average) are of transformed numbers, each rounded once."""
    case = _case(shape, dtype)
    bound = 6e-3 if dtype == torch.bfloat16 else 1e-6
    results = _results(*case)
    assert [result.dtype for result in results] == [dtype, dtype, torch.float32]
    for found, wanted in zip(results, _truth(*case), strict=True):
        assert _far(found, wanted) < bound


@pytest.mark.parametrize("dtype", DTYPES)
def test_its_errors_have_no_direction(dtype: torch.dtype) -> None:
    """Their mean is that of so many errors of either sign: within four standard errors of zero."""
    case = _case((32, 32, 16, 1), dtype, images=64)
    for found, wanted in zip(_results(*case), _truth(*case), strict=True):
        errors = (found.double() - wanted) * wanted.sign()
        assert abs(errors.mean()) < 4 * errors.std() / errors.numel() ** 0.5 + 1e-4 * errors.std()


@pytest.mark.usefixtures("_threads")
@pytest.mark.parametrize("shape", STRIDE_TWO, ids=str)
@pytest.mark.parametrize("dtype", DTYPES[:1])
def test_with_stride_two_the_gradient_of_the_weights_is_that_of_float32(
    shape: tuple[int, int, int, int], dtype: torch.dtype
) -> None:
    case = _case(shape, dtype)
    with torch.no_grad():
        case[0].weight.copy_(case[0].weight.bfloat16())
    out, of_maps, of_weight = _results(*case)
    expected, expected_maps, expected_weight = _truth(*case)
    assert of_weight.dtype == torch.float32
    scale = expected_weight.abs().max()
    torch.testing.assert_close(of_weight.double() / scale, expected_weight / scale, rtol=0, atol=2e-6)
    assert _far(out, expected) < 3e-3
    assert _far(of_maps, expected_maps) < 3e-3


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(16, 16, 32, 1), (64, 64, 8, 1), (16, 32, 32, 2)], ids=str)
def test_the_same_threads_give_the_same_bits(shape: tuple[int, int, int, int], dtype: torch.dtype) -> None:
    case = _case(shape, dtype)
    assert all(torch.equal(one, two) for one, two in zip(_results(*case), _results(*case), strict=True))


@pytest.mark.parametrize("case", ["float64", "three channels", "odd width", "stride 2 in float32", "five by five"])
def test_what_the_kernel_cannot_do_is_left_to_torch(case: str) -> None:
    inputs, size = (3, 8) if case == "three channels" else (16, 7 if case == "odd width" else 8)
    convolution, maps, _ = _case((inputs, 16, size, 1), torch.float32, images=2)
    if case == "stride 2 in float32":
        convolution.stride = (2, 2)
    elif case == "five by five":
        convolution = nn.Conv2d(inputs, 16, 5, padding=1, bias=False)
    elif case == "float64":
        convolution, maps = convolution.double(), maps.double()
    leaf = maps.clone().requires_grad_()
    expected = convolution(leaf)
    gradient = torch.ones_like(expected)
    expected.backward(gradient)
    of_weight = convolution.weight.grad
    out, of_maps, found = _results(convolution, maps, gradient)
    assert torch.equal(out, expected)
    assert leaf.grad is not None
    assert torch.equal(of_maps, leaf.grad)
    assert of_weight is not None
    assert torch.equal(found, of_weight)


@pytest.fixture
def _smaller_processor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Compile the kernels as for a processor with AVX2 and no more."""
    monkeypatch.setattr(build, "FLAGS", tuple(f.replace("native", "haswell") for f in build.FLAGS))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for cached in (build.kernels, build._tools):
        cached.cache_clear()
    yield
    monkeypatch.undo()
    for cached in (build.kernels, build._tools):
        cached.cache_clear()


@pytest.mark.skipif(
    kernels().library is None or not {"avx2", "fma", "avx512f"} <= host.cpu_features(),
    reason="no larger processor than that, or no compiler",
)
@pytest.mark.usefixtures("_smaller_processor")
def test_a_processor_without_avx512_does_it_too() -> None:
    assert kernels().words.startswith("batch norm, 3x3 convolution (Winograd) in fp32;")
    for shape in STRIDE_ONE:
        case = _case(shape, torch.float32, integers=True)
        for found, wanted in zip(_results(*case), _truth(*case), strict=True):
            assert torch.equal(found, wanted.float())
