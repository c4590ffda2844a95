"""Convolutions by our own kernels where these are faster than torch's, or give the same bits with any thread count.

The rest of a convolution is torch's.
"""

import ctypes
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from reslab.kernels.build import AVX2_LANES, at, call, kernels
from reslab.kernels.derivative import first_only

LANES = 16
MOST_FIRST_CHANNELS = 4
"""Most input channels for the kernels of a first convolution, on CPU and GPU."""

KINDS: set[type[nn.Conv2d]] = {nn.Conv2d}
"""The layer types that compute exactly what `nn.Conv2d` does, which excludes parametrised weights."""


def convolve(convolution: nn.Conv2d, maps: Tensor) -> Tensor:
    """Return convolution(maps), N x C x H x W, in float32 or, under autocast to bfloat16, in bfloat16.

    With 3x3 taps and stride 1, maps with even sides use Winograd convolution, which needs 16 multiplications where the
    direct method needs 36; bfloat16 on a CPU with matrix tiles, and images of at most four channels, use the direct
    method with any sides.  Sums are float32, and so is the gradient of the weights.  With stride 2 or 1x1 taps only
    gradients are ours: that of the weights and, for 3x3 taps with AVX2, that of the maps.  If the CPU has no bfloat16
    dot products, everything is multiplied in float32 and only the maps are bfloat16.  If the kernels cannot do it (they
    need a CPU with AVX2), this is `convolution(maps)`.  A second derivative raises `ResLabError`.
    """
    out: Tensor = by_kernel(convolution, maps) if usable(convolution, maps) else convolution(maps)
    return out


def by_kernel(convolution: nn.Conv2d, maps: Tensor) -> Tensor:
    """Return what `convolve` does, given that the kernels are `usable`."""
    out: Tensor
    dtype = _multiplied(maps)
    if maps.shape[1] <= MOST_FIRST_CHANNELS:
        out = _First.apply(maps, convolution.weight, dtype)  # type: ignore[no-untyped-call]
    else:
        out = _Convolution.apply(maps.to(dtype), convolution.weight, convolution.stride[0])  # type: ignore[no-untyped-call]
    return out


def fits(convolution: nn.Conv2d) -> bool:
    """Say whether the kernels support a layer of these sizes and options, whatever maps it is given."""
    leaving, entering, *taps = convolution.weight.shape
    return (
        convolution.bias is None
        and leaving % LANES == 0
        and leaving > 0
        and convolution.groups == 1
        and convolution.dilation == (1, 1)
        and convolution.padding_mode == "zeros"
        and convolution.stride in ((1, 1), (2, 2))
        and (taps, convolution.padding) in (([3, 3], (1, 1)), ([1, 1], (0, 0)))
        and (
            entering % LANES == 0
            or (entering <= MOST_FIRST_CHANNELS and taps == [3, 3] and convolution.stride == (1, 1))
        )
    )


def _multiplied(maps: Tensor) -> torch.dtype:
    """Return the type in which torch would multiply these maps."""
    return torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else maps.dtype


def usable(convolution: nn.Conv2d, maps: Tensor) -> bool:
    """Say whether the kernels can do this on this machine, in the type that torch would multiply in."""
    weight, dtype = convolution.weight, _multiplied(maps)
    return (
        type(convolution) in KINDS
        and weight.dtype == torch.float32
        and (dtype != torch.bfloat16 or torch.is_autocast_enabled("cpu"))  # else torch rejects the weight
        and kernels().convolves
        and dtype in (torch.float32, torch.bfloat16)
        and maps.dtype in (torch.float32, torch.bfloat16)
        and maps.device.type == weight.device.type == "cpu"
        and maps.ndim == weight.ndim == 4
        and maps.numel() > 0
        and maps.shape[1] == weight.shape[1]
        and fits(convolution)
        and not (maps.shape[1] <= MOST_FIRST_CHANNELS and maps.requires_grad)
    )


class _First(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, images: Tensor, weight: Tensor, dtype: torch.dtype) -> Tensor:
        images, weight = _channels_last(images.float()), _channels_last(weight)
        ctx.save_for_backward(images)
        ctx.dtype = dtype
        count, _, height, width = images.shape
        out = _empty(count, len(weight), height, width, dtype)
        call("reslab_first", *_sizes(dtype, images, len(weight)), _threads(), at(images), at(weight), at(out))
        return out

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[None, Tensor, None]:
        first_only()
        (images,) = ctx.saved_tensors
        gradient = _channels_last(gradient)
        leaving = gradient.shape[1]
        to = _empty(leaving, images.shape[1], 3, 3, torch.float32)
        call("reslab_first_weights", *_sizes(ctx.dtype, images, leaving), _threads(), at(images), at(gradient), at(to))
        return None, to, None


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, maps: Tensor, weight: Tensor, stride: int) -> Tensor:
        maps, weight = _channels_last(maps), _channels_last(weight)
        ctx.save_for_backward(maps, weight)
        ctx.stride = stride
        if _is_ours(maps, weight, stride):
            return _ours(maps, weight, back=False)
        wide = _torchs(maps)
        with torch.autocast("cpu", enabled=False):
            out = F.conv2d(wide, _as(weight, maps, wide), stride=stride, padding=weight.shape[2] // 2)
        return out.to(maps.dtype)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor, None]:
        first_only()
        maps, weight = ctx.saved_tensors
        gradient = _channels_last(gradient)
        of_maps: Tensor | None = None
        if ctx.needs_input_grad[0]:
            if _is_ours(maps, weight, ctx.stride):
                of_maps = _ours(gradient, weight, back=True)
            # With AVX2, torch's bits depend on the number of threads.
            elif kernels().lanes == AVX2_LANES and ctx.stride == 2 and weight.shape[2] == 3 and _is_winograds(maps):
                of_maps = _ours(_with_gaps(gradient), weight, back=True)
            else:
                of_maps = _of_maps_by_torch(maps, gradient, weight, ctx.stride)
        return of_maps, _of_weight(maps, gradient, weight, ctx.stride), None


def _is_ours(maps: Tensor, weight: Tensor, stride: int) -> bool:
    return stride == 1 and weight.shape[2] == 3 and (_in_tiles(maps) or _is_winograds(maps))


def _in_tiles(maps: Tensor) -> bool:
    return kernels().tiles and maps.dtype == torch.bfloat16


def _is_winograds(maps: Tensor) -> bool:
    return maps.shape[2] % 2 == maps.shape[3] % 2 == 0


def _ours(maps: Tensor, weight: Tensor, *, back: bool) -> Tensor:
    """Return maps convolved with the weight or, if `back`, with the weight rotated by 180 degrees and transposed."""
    images, _, height, width = maps.shape
    leaving = weight.shape[1 if back else 0]
    out = _empty(images, leaving, height, width, maps.dtype)
    places = (_threads(), at(maps), at(weight), int(back), at(out))
    is_bfloat, *sizes = _sizes(maps.dtype, maps, leaving)
    if _in_tiles(maps):
        call("reslab_tiles", *sizes, *places)
    else:
        call("reslab_winograd", is_bfloat, *sizes, *places)
    return out


def _of_weight(maps: Tensor, gradient: Tensor, weight: Tensor, stride: int) -> Tensor:
    """Return the gradient of the weight, in float32, from the maps and the gradient of the output."""
    leaving, entering, taps, _ = weight.shape
    to = _empty(leaving, entering, taps, taps, torch.float32)
    is_bfloat, *sizes = _sizes(maps.dtype, maps, leaving)
    places = (_threads(), at(maps), at(gradient), at(to))
    # In float32 with few channels, the transforms cost as much as the products save.
    worth = maps.dtype == torch.bfloat16 or min(entering, leaving) > LANES
    if taps == 3 and _in_tiles(maps):
        call("reslab_tiles_weights", *sizes, stride, *places)
    elif taps == 3 and stride == 1 and worth and _is_winograds(maps) and maps.shape[3] % 4 == 0:
        call("reslab_winograd_weights", is_bfloat, *sizes, *places)
    else:
        call("reslab_convolution_weights", is_bfloat, *sizes, taps, stride, *places)
    return to


def _with_gaps(gradient: Tensor) -> Tensor:
    """Return the gradient of a stride-1 output from that of its stride-2 subsample, with zeros in between."""
    count, channels, height, width = gradient.shape
    maps = _empty(count, channels, 2 * height, 2 * width, gradient.dtype).zero_()
    maps[:, :, ::2, ::2] = gradient
    return maps


def _of_maps_by_torch(maps: Tensor, gradient: Tensor, weight: Tensor, stride: int) -> Tensor:
    """Return torch's gradient of the maps, of which only the shape is used."""
    padding, one = weight.shape[2] // 2, [1, 1]
    wide = _torchs(gradient)
    gradients: tuple[Tensor, Tensor, Tensor] = torch.ops.aten.convolution_backward(
        wide,
        torch.empty_like(maps, dtype=wide.dtype),
        _as(weight, maps, wide),
        None,
        [stride, stride],
        [padding, padding],
        one,
        False,
        [0, 0],
        1,
        [True, False, False],
    )
    return gradients[0].to(maps.dtype)


def _torchs(maps: Tensor) -> Tensor:
    """Return maps in the type that torch convolves fast: float32 if bfloat16 products are emulated."""
    return maps if kernels().multiplies_bfloat16 else maps.float()


def _as(weight: Tensor, maps: Tensor, wide: Tensor) -> Tensor:
    """Return a weight rounded to the type of the maps, but stored in the type of `wide`."""
    return weight.to(maps.dtype).to(wide.dtype)


def _sizes(dtype: torch.dtype, maps: Tensor, leaving: int) -> tuple[Any, ...]:
    images, channels, height, width = maps.shape
    return int(dtype == torch.bfloat16), ctypes.c_int64(images), height, width, channels, leaving


def _threads() -> int:
    return torch.get_num_threads()


def _empty(count: int, channels: int, height: int, width: int, dtype: torch.dtype) -> Tensor:
    return torch.empty((count, channels, height, width), dtype=dtype, device="cpu", memory_format=torch.channels_last)


def _channels_last(tensor: Tensor) -> Tensor:
    return tensor.contiguous(memory_format=torch.channels_last)
