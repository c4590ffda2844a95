"""Softmax, cross-entropy, its gradient and an epoch's sums on a GPU in one Triton kernel."""

import torch
import triton
import triton.language as tl
from torch import Tensor

ROWS, NUMBERS = 128, 8192
"""Most images that the kernel processes at a time, and most logits."""


@triton.jit
def _cross_entropy(
    logits, labels, gradient, total_loss, total_wrong, total_updates, stopped, num_rows, smoothing,
    CLASSES: tl.constexpr, WIDTH: tl.constexpr, ROWS: tl.constexpr,
):  # fmt: skip
    """Process all images in one program; WIDTH is the number of classes rounded up to a power of two."""
    classes = tl.arange(0, WIDTH)
    is_class = (classes < CLASSES)[None, :]
    loss = tl.zeros((ROWS,), tl.float32)
    wrong = tl.zeros((ROWS,), tl.int32)
    for first in range(0, num_rows, ROWS):
        rows = first + tl.arange(0, ROWS)
        is_row = rows < num_rows
        is_here = is_row[:, None] & is_class
        at = rows[:, None] * CLASSES + classes[None, :]
        label = tl.load(labels + rows, mask=is_row, other=0).to(tl.int32)
        given = tl.load(logits + at, mask=is_here, other=0.0).to(tl.float32)
        values = tl.where(is_class, given, float("-inf"))
        values -= tl.max(values, 1)[:, None]
        exponentials = tl.exp(values)
        total = tl.sum(exponentials, 1)
        is_label = classes[None, :] == label[:, None]
        minus_logs = tl.log(total)[:, None] - values
        of_label = tl.sum(tl.where(is_label, minus_logs, 0.0), 1)
        of_all = tl.sum(tl.where(is_class, minus_logs, 0.0), 1) / CLASSES
        loss += tl.where(is_row, (1 - smoothing) * of_label + smoothing * of_all, 0.0)
        guess = tl.argmax(values, 1)
        wrong += (is_row & (guess != label)).to(tl.int32)
        wanted = tl.where(is_label, 1 - smoothing, 0.0) + smoothing / CLASSES
        slope = (exponentials / total[:, None] - wanted) / num_rows
        tl.store(gradient + at, slope.to(gradient.dtype.element_ty), mask=is_here)
    sum_of_losses = tl.sum(loss, 0)
    is_finite = tl.abs(sum_of_losses) < float("inf")  # false for NaN, too
    stops = tl.maximum(tl.load(stopped), 1 - is_finite.to(tl.float32))
    tl.store(stopped, stops)
    tl.store(total_updates, tl.load(total_updates) + (1 - stops).to(tl.int64))
    tl.store(total_loss, tl.load(total_loss) + sum_of_losses.to(tl.float64))
    tl.store(total_wrong, tl.load(total_wrong) + tl.sum(wrong, 0).to(tl.int64))


def cross_entropy(
    logits: Tensor, labels: Tensor, smoothing: float, *, loss: Tensor, wrong: Tensor, updates: Tensor, stopped: Tensor
) -> Tensor:
    """Return the gradient of the mean cross-entropy of logits N x classes with labels N, and update the sums in place.

    Adds the loss of all images to `loss` (float64), the number of images whose largest logit is not their label's to
    `wrong` (int64), and 1 to `updates` (int64) unless `stopped` (float32), which becomes 1 if the loss is not finite.
    """
    number, classes = logits.shape
    logits, gradient = logits.contiguous(), torch.empty(logits.shape, dtype=logits.dtype, device=logits.device)
    width = 1 << (classes - 1).bit_length()
    _cross_entropy[(1,)](
        logits, labels, gradient, loss, wrong, updates, stopped, number, smoothing,
        classes, width, max(1, min(ROWS, NUMBERS // width)), num_warps=8,
    )  # fmt: skip
    return gradient
