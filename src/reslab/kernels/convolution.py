"""3x3 convolution whose weights get their gradient from our own kernel; all else in it is torch's."""

import ctypes
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from reslab.kernels.build import at, kernels, library

LANES = 16


def convolve(convolution: nn.Conv2d, maps: Tensor) -> Tensor:
    """Return convolution(maps), N x C x H x W, with a gradient of the weights as exact as float32 sums make it.

    Where the kernel cannot do it (it needs bfloat16 and a processor that multiplies it), this is
    `convolution(maps)`.
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
        maps.dtype == torch.bfloat16
        and maps.device.type == "cpu"
        and kernels().multiplies_bfloat16
        and convolution.kernel_size == (3, 3)
        and convolution.padding == (1, 1)
        and stride in (1, 2)
        and convolution.in_channels % LANES == convolution.out_channels % LANES == 0
        and maps.shape[2] % (2 * stride) == maps.shape[3] % (2 * stride) == 0
    )


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, maps: Tensor, weight: Tensor, stride: int) -> Tensor:
        maps = maps.contiguous(memory_format=torch.channels_last)
        narrow = weight.to(maps.dtype, memory_format=torch.channels_last)
        ctx.save_for_backward(maps, narrow)
        ctx.stride = stride
        return F.conv2d(maps, narrow, stride=stride, padding=1)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None]:
        maps, narrow = ctx.saved_tensors
        gradient = gradients[0].contiguous(memory_format=torch.channels_last)
        stride, one = [ctx.stride] * 2, [1, 1]
        of_maps = torch.ops.aten.convolution_backward(
            gradient, maps, narrow, None, stride, one, one, False, [0, 0], 1, [True, False, False]
        )[0]
        of_weight = torch.empty(narrow.shape, memory_format=torch.channels_last)
        images, channels, height, width = maps.shape
        library().reslab_convolution_weights(
            ctypes.c_int64(images),
            height,
            width,
            channels,
            len(narrow),
            ctx.stride,
            torch.get_num_threads(),
            at(maps),
            at(gradient),
            at(of_weight),
        )
        return of_maps, of_weight, None
