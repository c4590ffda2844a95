"""Augmented images on a GPU in one Triton kernel: mirrored, cropped and normalised."""

import torch
import triton
import triton.language as tl
from torch import Tensor


@triton.jit
def _render(
    pixels, labels, draw, shifts, scales, images, of_images,
    C: tl.constexpr, H: tl.constexpr, W: tl.constexpr, EDGE: tl.constexpr, REFLECTS: tl.constexpr,
    MOVES: tl.constexpr, WIDTH: tl.constexpr,
):  # fmt: skip
    """Make image `program_id`, H x W x C: (pixel - shift) x scale; WIDTH is H x W rounded up to a power of two."""
    number = tl.program_id(0)
    place = tl.load(draw + number * 4)
    row = tl.load(draw + number * 4 + 1)
    column = tl.load(draw + number * 4 + 2)
    mirrored = tl.load(draw + number * 4 + 3)
    at = tl.arange(0, WIDTH)
    is_here = at < H * W
    y = at // W + row - EDGE
    x = at % W + column - EDGE
    if REFLECTS:
        y = tl.where(y < 0, -y, tl.where(y >= H, 2 * (H - 1) - y, y))
        x = tl.where(x < 0, -x, tl.where(x >= W, 2 * (W - 1) - x, x))
    inside = is_here & (y >= 0) & (y < H) & (x >= 0) & (x < W)
    x = tl.where(mirrored > 0, W - 1 - x, x)
    window = (mirrored * (2 * EDGE + 1) + row) * (2 * EDGE + 1) + column if MOVES else row * 0
    for channel in tl.static_range(C):
        value = tl.load(pixels + (place * C + channel) * (H * W) + y * W + x, mask=inside, other=0).to(tl.float32)
        shift = tl.load(shifts + (window * C + channel) * (H * W) + at, mask=is_here, other=0.0)
        scale = tl.load(scales + channel * (H * W) + at, mask=is_here, other=0.0)
        tl.store(images + (number * (H * W) + at) * C + channel, (value - shift) * scale, mask=is_here)
    tl.store(of_images + number, tl.load(labels + place))


def render(
    pixels: Tensor, labels: Tensor, draw: Tensor, shifts: Tensor, scales: Tensor, *, edge: int, reflects: bool
) -> tuple[Tensor, Tensor]:
    """Return images B x C x H x W in float32, channels-last, and labels, of a draw B x 4.

    A row of the draw is an image's index in `pixels` (uint8, N x C x H x W), the row and column of its crop, each from
    0 to 2 x edge, and 1 if mirrored.  `scales` is C x H x W; `shifts` is 1 x C x H x W, or has one shift for each
    window: mirrored or not, each row, each column.
    """
    _, channels, height, width = pixels.shape
    number = len(draw)
    images = torch.empty((number, channels, height, width), device=pixels.device, memory_format=torch.channels_last)
    of_images = torch.empty(number, dtype=labels.dtype, device=labels.device)
    _render[(number,)](
        pixels, labels, draw, shifts, scales, images, of_images, channels, height, width, edge, reflects,
        len(shifts) > 1, 1 << (height * width - 1).bit_length(),
    )  # fmt: skip
    return images, of_images
