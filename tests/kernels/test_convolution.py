"""The convolution by our kernels, against torch's in float64: exact on integers, near to rounding on real numbers."""

import platform
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from profiles import DEEP
from reslab import host
from reslab.errors import ResLabError
from reslab.kernels import build
from reslab.kernels import convolution as module
from reslab.kernels.build import kernels
from reslab.kernels.convolution import convolve
from reslab.kernels.norm import usable

pytestmark = pytest.mark.usefixtures("two_threads")

STRIDE_ONE = [
    *((16, 16, 32, 1), (32, 32, 16, 1), (64, 64, 8, 1), (48, 16, 4, 1), (16, 32, 6, 1), (128, 16, 4, 1)),
    *((16, 48, 5, 1), (48, 48, 7, 1), (32, 16, 37, 1), (80, 64, 1, 1)),
]
STRIDE_TWO = [(16, 32, 32, 2), (32, 64, 16, 2), (48, 16, 4, 2), (16, 16, 7, 2), (16, 16, 71, 2)]
ONE_BY_ONE = [((16, 32, 16, 2), 1), ((32, 64, 5, 2), 1), ((16, 16, 6, 1), 1)]
FIRST = [(3, 16, 32, 1), (1, 32, 6, 1), (4, 16, 5, 1)]


@pytest.fixture(params=["fp32", "bf16", *(["bf16 without tiles"] if kernels().tiles else [])])
def dtype(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> torch.dtype:
    """Return what is multiplied; bfloat16 also as where there are no matrix tiles."""
    if not kernels().convolves:
        pytest.skip("neither AVX-512 nor AVX2 here")
    if request.param == "bf16 without tiles":
        monkeypatch.setattr(module, "kernels", lambda: replace(kernels(), tiles=False))
    return torch.float32 if request.param == "fp32" else torch.bfloat16


def _tensor(*shape: int, integers: bool, generator: torch.Generator) -> Tensor:
    if integers:
        return torch.randint(-2, 3, shape, generator=generator).float()
    return torch.randn(shape, generator=generator)


def _case(
    shape: tuple[int, int, int, int],
    dtype: torch.dtype,
    *,
    taps: int = 3,
    integers: bool = False,
    images: int = 7,
    width: int = 0,
) -> tuple[nn.Conv2d, Tensor, Tensor]:
    """Return a convolution, maps and a gradient of its output; integers are such that no way has to round.

    Maps are square unless a width is given.
    """
    inputs, outputs, size, stride = shape
    generator = torch.Generator().manual_seed(0)
    convolution = nn.Conv2d(inputs, outputs, taps, stride=stride, padding=taps // 2, bias=False)
    with torch.no_grad():
        weight = _tensor(outputs, inputs, taps, taps, integers=integers, generator=generator)
        convolution.weight.copy_(4 * weight if integers else weight)
    sides = size, width or size
    maps = _tensor(images, inputs, *sides, integers=integers, generator=generator).to(dtype)
    small = [-(-side // stride) for side in sides]
    gradient = _tensor(images, outputs, *small, integers=integers, generator=generator).to(dtype)
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
    out = F.conv2d(wide, weight, stride=convolution.stride, padding=convolution.padding)
    out.backward(gradient.double())  # type: ignore[no-untyped-call]
    assert wide.grad is not None
    assert weight.grad is not None
    return out.detach(), wide.grad, weight.grad


def _far(found: Tensor, wanted: Tensor) -> float:
    return float((found.detach().double() - wanted).norm() / wanted.norm())


@pytest.fixture(params=[1, 2, 3])
def _threads(request: pytest.FixtureRequest, two_threads: None) -> None:
    torch.set_num_threads(request.param)


@pytest.mark.usefixtures("_threads")
@pytest.mark.parametrize("shape", STRIDE_ONE, ids=str)
def test_on_integers_it_is_exact(shape: tuple[int, int, int, int], dtype: torch.dtype) -> None:
    case = _case(shape, dtype, integers=True)
    for found, wanted in zip(_results(*case), _truth(*case), strict=True):
        assert torch.equal(found, wanted.to(found.dtype))


@pytest.mark.parametrize("images", [1, 17])
@pytest.mark.parametrize("sides", [(3, 40), (40, 3), (9, 4), (2, 66), (1, 2), (2, 128)], ids=str)
@pytest.mark.parametrize("stride", [1, 2])
def test_so_it_is_where_maps_are_oblong(sides: tuple[int, int], stride: int, images: int, dtype: torch.dtype) -> None:
    case = _case((16, 32, sides[0], stride), dtype, integers=True, images=images, width=sides[1])
    for found, wanted in zip(_results(*case), _truth(*case), strict=True):
        assert torch.equal(found, wanted.to(found.dtype))


@pytest.mark.parametrize("shape", STRIDE_ONE, ids=str)
def test_on_real_numbers_it_is_near_to_rounding(shape: tuple[int, int, int, int], dtype: torch.dtype) -> None:
    """Rounding to bfloat16 is 2^-9 at most, half of that on average; Winograd rounds what it transforms, too."""
    case = _case(shape, dtype)
    in_tiles = module._in_tiles(case[1])
    bounds = [3e-3, 3e-3, 1e-6] if in_tiles else [6e-3] * 3 if dtype == torch.bfloat16 else [1e-6] * 3
    results = _results(*case)
    assert [result.dtype for result in results] == [dtype, dtype, torch.float32]
    for found, wanted, bound in zip(results, _truth(*case), bounds, strict=True):
        assert _far(found, wanted) < bound


def test_its_errors_have_no_direction(dtype: torch.dtype) -> None:
    """Their mean is that of so many errors of either sign: within four standard errors of zero.

    In tiles all pixels share what the weights lose by rounding, so that they are rounded beforehand.
    """
    case = _case((32, 32, 16, 1), dtype, images=64)
    if module._in_tiles(case[1]):
        with torch.no_grad():
            case[0].weight.copy_(case[0].weight.bfloat16())
    for found, wanted in zip(_results(*case), _truth(*case), strict=True):
        errors = (found.double() - wanted) * wanted.sign()
        assert abs(errors.mean()) < 4 * errors.std() / errors.numel() ** 0.5 + 1e-4 * errors.std()


AT_THE_END = """
import ctypes, mmap
import torch
from reslab.kernels import convolution

PAGE, ROOM = mmap.PAGESIZE, 1 << 20
libc = ctypes.CDLL(None, use_errno=True)

def at_the_end(count, channels, height, width, dtype):
    size = count * channels * height * width * dtype.itemsize
    whole = -(-size // PAGE) * PAGE
    memory = mmap.mmap(-1, whole + ROOM)
    start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    assert libc.mprotect(ctypes.c_void_p(start + whole), ctypes.c_size_t(ROOM), 0) == 0
    numbers = torch.frombuffer(memory, dtype=dtype, offset=whole - size, count=size // dtype.itemsize)
    return numbers.view(count, height, width, channels).permute(0, 3, 1, 2).fill_(1)

for dtype in (torch.bfloat16, torch.float32):
    for count, height, width, stride in ((17, 1, 34, 1), (5, 4, 40, 1), (17, 2, 66, 2), (3, 8, 8, 1), (1, 32, 32, 2)):
        maps = at_the_end(count, 16, height, width, dtype)
        gradient = at_the_end(count, 32, -(-height // stride), -(-width // stride), dtype)
        weight = at_the_end(32, 16, 3, 3, torch.float32)
        convolution._of_weight(maps, gradient, weight, stride)
        if convolution._is_ours(maps, weight, stride):
            convolution._ours(maps, weight, back=False)
            convolution._ours(gradient, weight, back=True)
print("done")
"""


@pytest.mark.skipif(not kernels().convolves, reason="neither AVX-512 nor AVX2 here")
def test_nothing_beyond_the_maps_is_read() -> None:
    """Behind them is memory that must not be touched, more of it than images are large."""
    done = subprocess.run([sys.executable, "-c", AT_THE_END], capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr


@pytest.mark.usefixtures("_threads")
@pytest.mark.parametrize(("shape", "taps"), [*((shape, 3) for shape in STRIDE_TWO), *(ONE_BY_ONE)], ids=str)
def test_elsewhere_the_gradient_of_the_weights_is_that_of_float32(
    shape: tuple[int, int, int, int], taps: int, dtype: torch.dtype
) -> None:
    case = _case(shape, dtype, taps=taps)
    with torch.no_grad():
        case[0].weight.copy_(case[0].weight.bfloat16())
    out, of_maps, of_weight = _results(*case)
    expected, expected_maps, expected_weight = _truth(*case)
    assert of_weight.dtype == torch.float32
    scale = expected_weight.abs().max()
    torch.testing.assert_close(of_weight.double() / scale, expected_weight / scale, rtol=0, atol=2e-6)
    assert _far(out, expected) < 3e-3
    assert _far(of_maps, expected_maps) < 3e-3


@pytest.mark.usefixtures("_threads")
@pytest.mark.parametrize("integers", [True, False])
@pytest.mark.parametrize("shape", FIRST, ids=str)
def test_a_first_convolution(shape: tuple[int, int, int, int], dtype: torch.dtype, integers: bool) -> None:
    convolution, images, gradient = _case(shape, torch.float32, integers=integers)
    gradient = gradient.to(dtype)
    half = dtype == torch.bfloat16
    with torch.autocast("cpu", torch.bfloat16, enabled=half):
        out = convolve(convolution, images)
    assert type(out.grad_fn).__name__ == "_FirstBackward"
    out.backward(gradient)  # type: ignore[no-untyped-call]
    if half:  # what is multiplied is rounded
        with torch.no_grad():
            convolution.weight.copy_(convolution.weight.bfloat16())
        images = images.bfloat16()
    expected, _, of_weight = _truth(convolution, images, gradient)
    found = convolution.weight.grad
    assert found is not None
    if integers:
        assert torch.equal(out, expected.to(dtype))
        assert torch.equal(found, of_weight.float())
    else:
        assert _far(out, expected) < (3e-3 if half else 1e-6)
        assert _far(found, of_weight) < 1e-6


@pytest.mark.parametrize(
    ("shape", "taps"),
    [((16, 16, 32, 1), 3), ((64, 64, 8, 1), 3), ((16, 32, 32, 2), 3), ((16, 32, 16, 2), 1), ((3, 16, 32, 1), 3)],
    ids=str,
)
def test_any_number_of_threads_gives_the_same_bits(
    shape: tuple[int, int, int, int], taps: int, dtype: torch.dtype
) -> None:
    """More of them than cores, too, which take each other's pieces."""
    convolution, maps, gradient = _case(shape, dtype, taps=taps, images=37)
    maps.requires_grad_(shape[0] > 4)
    results = []
    for threads in (1, 2, 2, 3, 7):
        torch.set_num_threads(threads)
        convolution.weight.grad = maps.grad = None
        with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
            out = convolve(convolution, maps)
        out.backward(gradient)  # type: ignore[no-untyped-call]
        results.append([out.detach(), convolution.weight.grad, *([maps.grad] if maps.requires_grad else [])])
    for result in results[1:]:
        assert all(torch.equal(one, two) for one, two in zip(result, results[0], strict=True))  # type: ignore[arg-type]


def _changed(what: str) -> nn.Conv2d:
    """Return a convolution that differs from what the kernels do in one thing."""
    if what == "float64":
        return nn.Conv2d(16, 16, 3, padding=1, bias=False).double()
    return nn.Conv2d(
        16,
        24 if what == "24 filters" else 16,
        5 if what == "five by five" else 3,
        stride={"stride 3": 3, "two strides": (1, 2)}.get(what, 1),  # type: ignore[arg-type]
        padding={"another padding": 0, "two paddings": (1, 0), "padding by name": "same"}.get(what, 1),  # type: ignore[arg-type]
        dilation=2 if what == "dilation" else 1,
        groups=4 if what == "groups" else 1,
        bias=what == "a bias",
        padding_mode="reflect" if what == "reflection" else "zeros",
    )


@pytest.mark.parametrize(
    "what",
    [
        *("float64", "24 filters", "five by five", "stride 3", "two strides", "another padding", "two paddings"),
        *("padding by name", "dilation", "groups", "a bias", "reflection"),
    ],
)
def test_what_the_kernel_cannot_do_is_left_to_torch(what: str) -> None:
    torch.manual_seed(0)
    convolution = _changed(what)
    maps = torch.randn(2, 16, 8, 8, dtype=convolution.weight.dtype)
    expected = convolution(maps)
    out = convolve(convolution, maps)
    assert torch.equal(out, expected)
    assert type(out.grad_fn) is type(expected.grad_fn)


def test_a_gradient_of_images_is_left_to_torch() -> None:
    convolution, images, _ = _case((3, 16, 8, 1), torch.float32)
    assert type(convolve(convolution, images.requires_grad_()).grad_fn).__name__ == "ConvolutionBackward0"


@pytest.mark.parametrize("shape", [(16, 16, 8, 1), (3, 16, 8, 1)], ids=str)
def test_a_second_derivative_is_refused(shape: tuple[int, int, int, int], dtype: torch.dtype) -> None:
    convolution, maps, gradient = _case(shape, dtype)
    with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
        out = convolve(convolution, maps)
    with pytest.raises(ResLabError, match="no second derivative"):
        torch.autograd.grad(out, convolution.weight, gradient, create_graph=True)


FEATURES = {"x86-64": set[str](), "haswell": {"avx2", "fma"}, "skylake-avx512": {"avx512f", "avx512bw", "avx512vl"}}
SMALLER = [
    pytest.param(
        name,
        marks=[
            pytest.mark.skipif(not needed <= host.cpu_features(), reason="no such processor"),
            *([] if name == "haswell" else [pytest.mark.deep]),  # it compiles all, and is what most laptops have
        ],
    )
    for name, needed in FEATURES.items()
]


@pytest.fixture(params=SMALLER)
def smaller_processor(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Compile the kernels as for a processor of fewer features; optimised little, unless deep."""
    flags = [flag.replace("native", request.param) for flag in build.FLAGS]
    monkeypatch.setattr(build, "FLAGS", tuple(flags if DEEP else [flag.replace("-O3", "-O1") for flag in flags]))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for cached in (build.kernels, build._tools):
        cached.cache_clear()
    yield request.param
    monkeypatch.undo()
    for cached in (build.kernels, build._tools):
        cached.cache_clear()


@pytest.mark.skipif(
    kernels().library is None or platform.machine() != "x86_64", reason="no compiler, or other processors"
)
def test_a_smaller_processor_does_what_it_can(smaller_processor: str) -> None:
    if smaller_processor == "x86-64":
        assert kernels().words.startswith("batch norm; compiled")
        assert usable(nn.BatchNorm2d(16), torch.zeros(4, 16, 2, 2))
        return
    assert "bf16 (stored; multiplied in fp32);" in kernels().words
    cases = [*((shape, 3) for shape in (*STRIDE_ONE, *STRIDE_TWO, *FIRST)), *ONE_BY_ONE]
    for (shape, taps), dtype in product(cases, (torch.float32, torch.bfloat16)):
        convolution, maps, gradient = _case(shape, dtype, taps=taps, integers=True)
        maps.requires_grad_(shape[0] > 4)
        with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
            out = convolve(convolution, maps)
        out.backward(gradient)  # type: ignore[no-untyped-call]
        expected, of_maps, of_weight = _truth(convolution, maps.detach(), gradient)
        assert torch.equal(out, expected.to(dtype))
        assert maps.grad is None or torch.equal(maps.grad, of_maps.to(dtype))
        assert torch.equal(convolution.weight.grad, of_weight.float())  # type: ignore[arg-type]
