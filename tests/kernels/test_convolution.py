"""The convolution whose weights get their gradient from our kernel, against torch's in float32."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from reslab.kernels.build import kernels
from reslab.kernels.convolution import convolve

SHAPES = [(16, 16, 32, 1), (32, 32, 16, 1), (64, 64, 8, 1), (16, 32, 32, 2), (32, 64, 16, 2), (48, 16, 4, 1)]
needs_kernel = pytest.mark.skipif(not kernels().multiplies_bfloat16, reason="no dot products of bfloat16 here")


def _case(inputs: int, outputs: int, size: int, stride: int, images: int) -> tuple[nn.Conv2d, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    convolution = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
    with torch.no_grad():
        convolution.weight.normal_(generator=generator)
    maps = torch.randn(images, inputs, size, size, generator=generator).bfloat16()
    gradient = torch.randn(images, outputs, size // stride, size // stride, generator=generator).bfloat16()
    return convolution, maps.contiguous(memory_format=torch.channels_last), gradient


def _gradients(convolution: nn.Conv2d, maps: Tensor, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    leaf = maps.clone().requires_grad_()
    out = convolve(convolution, leaf)
    convolution.weight.grad = None
    out.backward(gradient)  # type: ignore[no-untyped-call]
    assert leaf.grad is not None
    assert convolution.weight.grad is not None
    return out.detach(), leaf.grad, convolution.weight.grad


@needs_kernel
@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_gradient_of_the_weights_is_that_of_float32(shape: tuple[int, int, int, int], threads: int) -> None:
    convolution, maps, gradient = _case(*shape, images=7)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with torch.autocast("cpu", torch.bfloat16):
            out, of_maps, of_weight = _gradients(convolution, maps, gradient)
    finally:
        torch.set_num_threads(before)
    stride = convolution.stride[0]
    weight = convolution.weight.detach().bfloat16().float()
    wide = maps.float().requires_grad_()
    weight.requires_grad_()
    expected = F.conv2d(wide, weight, stride=stride, padding=1)
    expected.backward(gradient.float())  # type: ignore[no-untyped-call]
    assert wide.grad is not None
    assert weight.grad is not None
    assert of_weight.dtype == torch.float32
    scale = weight.grad.abs().max()
    torch.testing.assert_close(of_weight / scale, weight.grad / scale, rtol=0, atol=2e-6)
    torch.testing.assert_close(out.float(), expected.detach(), rtol=1e-2, atol=0.3)
    torch.testing.assert_close(of_maps.float(), wide.grad, rtol=1e-2, atol=0.3)


@needs_kernel
def test_the_same_threads_give_the_same_bits() -> None:
    convolution, maps, gradient = _case(16, 32, 32, 2, images=5)
    with torch.autocast("cpu", torch.bfloat16):
        first = _gradients(convolution, maps, gradient)
        second = _gradients(convolution, maps, gradient)
    assert all(torch.equal(one, two) for one, two in zip(first, second, strict=True))


@pytest.mark.parametrize("case", ["float32", "three channels", "odd width"])
def test_what_the_kernel_cannot_do_is_left_to_torch(case: str) -> None:
    inputs, size = (3, 8) if case == "three channels" else (16, 7 if case == "odd width" else 8)
    convolution, maps, gradient = _case(inputs, 16, size, 1, images=2)
    if case == "float32":
        maps, gradient = maps.float(), gradient.float()
    else:
        convolution = convolution.bfloat16()
    leaf = maps.clone().requires_grad_()
    expected = convolution(leaf)
    expected.backward(gradient)
    of_weight = convolution.weight.grad
    out, of_maps, _ = _gradients(convolution, maps, gradient)
    assert torch.equal(out, expected)
    assert leaf.grad is not None
    assert torch.equal(of_maps, leaf.grad)
    assert convolution.weight.grad is not None
    assert of_weight is not None
    assert torch.equal(convolution.weight.grad, of_weight)
