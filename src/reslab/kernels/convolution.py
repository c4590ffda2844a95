"""3x3 convolution by our own kernels where they are faster than torch's; all else in it is torch's."""

import ctypes
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from reslab.kernels.build import at, kernels, library

LANES = 16


def convolve(convolution: nn.Conv2d, maps: Tensor) -> Tensor:
    """Return convolution(maps), N x C x H x W, in float32 or, with its products of bfloat16, in bfloat16.

    With stride 1 it is Winograd's way of convolving, which multiplies 16 times for each 36 of the direct way; sums are
    float32, and so is the gradient of the weights.  Where the kernels cannot do it (they need a processor with AVX2 or,
    for bfloat16, AVX-512 with its dot products), this is `convolution(maps)`.
    """
    out: Tensor
    if _usable(convolution, maps):
        out = _Convolution.apply(maps, convolution.weight, convolution.stride[0])  # type: ignore[no-untyped-call]
    else:
        out = convolution(maps)
    return out


def _usable(convolution: nn.Conv2d, maps: Tensor) -> bool:
    stride = convolution.stride[0]
    return (
        maps.device.type == "cpu"
        and (
            (maps.dtype == torch.bfloat16 and stride in (1, 2) and kernels().multiplies_bfloat16)
            or (maps.dtype == torch.float32 and stride == 1 and kernels().multiplies_float)
        )
        and convolution.weight.dtype == torch.float32
        and convolution.kernel_size == (3, 3)
        and convolution.padding == (1, 1)
        and convolution.in_channels % LANES == convolution.out_channels % LANES == 0
        and maps.shape[2] % (2 * stride) == maps.shape[3] % (2 * stride) == 0
    )


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, maps: Tensor, weight: Tensor, stride: int) -> Tensor:
        maps, weight = _channels_last(maps), _channels_last(weight)
        ctx.save_for_backward(maps, weight)
        ctx.stride = stride
        if stride == 1:
            return _winograd(maps, weight, back=False)
        return F.conv2d(maps, weight.to(maps.dtype), stride=stride, padding=1)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None]:
        maps, weight = ctx.saved_tensors
        gradient = _channels_last(gradients[0])
        if ctx.stride == 1:
            of_maps = _winograd(gradient, weight, back=True)
        else:
            of_maps = _by_torch(maps, gradient, weight, ctx.stride, [True, False, False])[0]
        return of_maps, _of_weight(maps, gradient, weight, ctx.stride), None


def _winograd(maps: Tensor, weight: Tensor, *, back: bool) -> Tensor:
    """Return maps convolved with the weight or, `back`, with the weight turned round and its channels exchanged."""
    images, channels, height, width = maps.shape
    leaving = weight.shape[1 if back else 0]
    out = torch.empty((images, leaving, height, width), dtype=maps.dtype, memory_format=torch.channels_last)
    library().reslab_winograd(
        int(maps.dtype == torch.bfloat16),
        ctypes.c_int64(images),
        height,
        width,
        channels,
        leaving,
        torch.get_num_threads(),
        at(maps),
        at(weight),
        int(back),
        at(out),
    )
    return out


def _of_weight(maps: Tensor, gradient: Tensor, weight: Tensor, stride: int) -> Tensor:
    """Return the gradient of the weight, in float32, from the maps and the gradient of the output."""
    images, channels, height, width = maps.shape
    to = torch.empty_like(weight)
    is_bfloat = maps.dtype == torch.bfloat16
    # In float32 with few channels, the transforms cost what the products save.
    worth = is_bfloat or min(channels, len(weight)) > LANES
    sizes = (ctypes.c_int64(images), height, width, channels, len(weight))
    places = (torch.get_num_threads(), at(maps), at(gradient), at(to))
    if stride == 1 and width % 4 == 0 and worth:
        library().reslab_winograd_weights(int(is_bfloat), *sizes, *places)
    elif is_bfloat:
        library().reslab_convolution_weights(*sizes, stride, *places)
    else:
        to = _by_torch(maps, gradient, weight, stride, [False, True, False])[1]
    return to


def _by_torch(
    maps: Tensor, gradient: Tensor, weight: Tensor, stride: int, which: list[bool]
) -> tuple[Tensor, Tensor, Tensor]:
    """Return torch's gradients of maps, weight and bias, of which only those in `which` are worked out."""
    one = [1, 1]
    gradients: tuple[Tensor, Tensor, Tensor] = torch.ops.aten.convolution_backward(
        gradient, maps, weight.to(maps.dtype), None, [stride, stride], one, one, False, [0, 0], 1, which
    )
    return gradients


def _channels_last(tensor: Tensor) -> Tensor:
    return tensor.contiguous(memory_format=torch.channels_last)
