"""Batch norm, addition and ReLU as one operation, by our own kernels, in training and evaluation.

If the kernels cannot do it, torch's operations are used.
"""

import ctypes
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from reslab.kernels.build import at, call, kernels
from reslab.kernels.derivative import first_only

KINDS: set[type[nn.BatchNorm2d]] = {nn.BatchNorm2d}
"""The layer types that compute exactly what `nn.BatchNorm2d` does."""


def usable(norm: nn.BatchNorm2d, maps: Tensor) -> bool:
    """Say whether the kernels can do this: on the CPU, with maps of float32 or bfloat16 and all else float32.

    In evaluation mode they have no gradient, so gradients must be disabled.  The number of channels must be 16, 32 or a
    multiple of 64, and the maps' number of elements a multiple of 64.  Otherwise torch's operations are used, or raise
    their own error.
    """
    if type(norm) not in KINDS or maps.ndim != 4:
        return False
    images, channels, height, width = maps.shape
    parameters, buffers = norm._parameters, norm._buffers
    return (
        (norm.training or not torch.is_grad_enabled())
        and maps.device.type == "cpu"
        and maps.dtype in (torch.float32, torch.bfloat16)
        and fits(norm)
        and images * height * width > 1
        and maps.numel() % max(channels, 64) == 0
        and norm.momentum is not None  # else torch averages over all batches
        and norm.eps > 0  # else torch raises
        and buffers["num_batches_tracked"] is not None
        and all(
            _is_row(row, channels)
            for row in (parameters["weight"], parameters["bias"], buffers["running_mean"], buffers["running_var"])
        )
        and kernels().library is not None
    )


def fits(norm: nn.BatchNorm2d) -> bool:
    """Say whether the kernels support the number of channels: 16, 32 or a multiple of 64."""
    return norm.num_features in (16, 32) or norm.num_features % 64 == 0


def _is_row(row: Tensor | None, channels: int) -> bool:
    return (
        row is not None
        and row.dtype == torch.float32
        and row.shape == (channels,)
        and row.device.type == "cpu"
        and row.is_contiguous()
    )


def norm_relu(norm: nn.BatchNorm2d, maps: Tensor) -> Tensor:
    """Return relu(norm(maps)); maps are N x C x H x W, channels-last."""
    return _one(norm, maps, relu=True)


def norm_only(norm: nn.BatchNorm2d, maps: Tensor) -> Tensor:
    """Return norm(maps)."""
    return _one(norm, maps, relu=False)


def norm_relu_twice(norm: nn.BatchNorm2d, maps: Tensor) -> tuple[Tensor, Tensor]:
    """Return relu(norm(maps)) as two tensors that share memory, for two uses.

    Their gradients are added within the kernel, not before it.
    """
    return _two(norm, maps, None)


def norm_add_relu_twice(norm: nn.BatchNorm2d, maps: Tensor, shortcut: Tensor) -> tuple[Tensor, Tensor]:
    """Return relu(norm(maps) + shortcut) as two tensors that share memory, for two uses."""
    return _two(norm, maps, shortcut)


def _one(norm: nn.BatchNorm2d, maps: Tensor, *, relu: bool) -> Tensor:
    out: Tensor
    if usable(norm, maps):
        (out,) = _by_kernel(norm, maps, None, relu=relu, uses=1)
    else:
        out = F.relu(norm(maps)) if relu else norm(maps)
    return out


def _two(norm: nn.BatchNorm2d, maps: Tensor, shortcut: Tensor | None) -> tuple[Tensor, Tensor]:
    alike = shortcut is None or (shortcut.shape, shortcut.dtype, shortcut.device) == (
        maps.shape,
        maps.dtype,
        maps.device,
    )
    if alike and usable(norm, maps):
        one, two = _by_kernel(norm, maps, shortcut, relu=True, uses=2)
        return one, two
    out = F.relu(norm(maps) if shortcut is None else norm(maps) + shortcut)
    return out, out


def _by_kernel(
    norm: nn.BatchNorm2d, maps: Tensor, shortcut: Tensor | None, *, relu: bool, uses: int
) -> tuple[Tensor, ...]:
    """Return the kernel's output for one use or two, which share memory."""
    maps = maps.contiguous(memory_format=torch.channels_last)
    if shortcut is not None:
        shortcut = shortcut.contiguous(memory_format=torch.channels_last)
    rows = (norm.weight, norm.bias, norm.running_mean, norm.running_var)
    if not norm.training:
        out = torch.empty_like(maps)
        places = map(at, (maps, shortcut, out, *rows))
        call("reslab_norm_evaluate", *_shape(maps), *places, ctypes.c_double(norm.eps), int(relu))
        return (out,) * uses
    assert norm.num_batches_tracked is not None
    norm.num_batches_tracked.add_(1)
    outs: tuple[Tensor, ...] = _Norm.apply(maps, shortcut, *rows, norm.momentum, norm.eps, relu, uses)  # type: ignore[no-untyped-call]
    return outs


class _Norm(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        maps: Tensor,
        shortcut: Tensor | None,
        gamma: Tensor,
        beta: Tensor,
        running_mean: Tensor,
        running_var: Tensor,
        momentum: float,
        epsilon: float,
        relu: bool,
        uses: int,
    ) -> tuple[Tensor, ...]:
        channels = maps.shape[1]
        out = torch.empty_like(maps)
        saved = torch.empty(5 * max(channels, 64), dtype=torch.float32, device="cpu")
        call(
            "reslab_norm_forward",
            *_shape(maps),
            at(maps),
            at(shortcut),
            at(out),
            at(gamma),
            at(beta),
            at(running_mean),
            at(running_var),
            ctypes.c_double(momentum),
            ctypes.c_double(epsilon),
            at(saved),
            int(relu),
        )
        ctx.save_for_backward(maps, out if shortcut is not None else None, gamma, saved)
        ctx.relu = relu
        ctx.set_materialize_grads(False)  # the last block's output has only one use, and so one gradient
        return (out, out.view_as(out)) if uses == 2 else (out,)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        first_only()
        maps, out, gamma, saved = ctx.saved_tensors
        given = [
            gradient.to(maps.dtype).contiguous(memory_format=torch.channels_last)
            for gradient in gradients
            if gradient is not None
        ]
        one, two = given[0], given[1] if len(given) > 1 else None
        to = torch.empty_like(maps)
        kept = torch.empty_like(maps) if out is not None else None
        gamma_gradient, beta_gradient = torch.empty_like(gamma), torch.empty_like(gamma)
        call(
            "reslab_norm_backward",
            *_shape(maps),
            at(one),
            at(two),
            at(out),
            at(maps),
            at(kept),
            at(to),
            at(gamma),
            at(saved),
            at(gamma_gradient),
            at(beta_gradient),
            int(ctx.relu),
        )
        return to, kept, gamma_gradient, beta_gradient, None, None, None, None, None, None


def _shape(maps: Tensor) -> tuple[Any, ...]:
    is_bfloat = int(maps.dtype == torch.bfloat16)
    return is_bfloat, ctypes.c_int64(maps.numel()), maps.shape[1], torch.get_num_threads()
