"""A linear layer whose bits do not depend on the number of threads: torch's, on one thread.

It is less than a thousandth of a network's work, and torch's matrix products add in a different order on more threads.
"""

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from reslab.kernels.derivative import first_only


def linear(layer: nn.Linear, rows: Tensor) -> Tensor:
    """Return layer(rows), N x features.  A second derivative raises `ResLabError`."""
    weight: Tensor = layer.weight
    bias: Tensor | None = layer.bias
    floats = (torch.float32, torch.bfloat16)
    if rows.dtype not in floats or weight.dtype not in floats or rows.device.type != "cpu":
        plain: Tensor = layer(rows)
        return plain
    if torch.is_autocast_enabled("cpu"):
        dtype = torch.get_autocast_dtype("cpu")
        rows, weight = rows.to(dtype), weight.to(dtype)
        bias = bias if bias is None else bias.to(dtype)
    out: Tensor = _Linear.apply(rows, weight, bias)  # type: ignore[no-untyped-call]
    return out


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Make torch compute on one thread."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(rows, weight)
        with one_thread():
            return F.linear(rows, weight, bias)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        first_only()
        rows, weight = ctx.saved_tensors
        with one_thread():
            return gradient @ weight, gradient.mT @ rows, gradient.sum(0) if ctx.needs_input_grad[2] else None
