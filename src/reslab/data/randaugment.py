"""RandAugment (Cubuk et al. 2020): operations drawn at random, on whole batches of uint8 images.

The 14 operations are those of the paper, section 3, with AutoAugment's ranges (Cubuk et al. 2019, table 6): a magnitude
of 10 is the end of the range.  Translations go up to 10 of 32 pixels, as in AutoAugment's code for CIFAR; pixels from
outside the image are grey (128), as in RandAugment's own code.  Each does what Pillow does, in arithmetic that gives
the same pixels on every device.
"""

import math
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

GREY = 128
"""Fill value where an image was moved away."""

Change = Callable[[Tensor], Tensor]


class RandAugment:
    """The operations at one magnitude, for uint8 images of one height and width."""

    def __init__(self, magnitude: float, height: int, width: int, device: torch.device) -> None:
        moved = partial(_Moved, height=height, width=width, device=device)
        factor = 0.1 + 0.18 * magnitude
        shear, angle = 0.03 * magnitude, math.radians(3 * magnitude)
        across, down = int(magnitude * width / 32), int(magnitude * height / 32)
        signed: dict[str, Callable[[int], Change]] = {
            "rotate": lambda sign: moved(_about_centre(sign * angle, height, width)),
            "shear-x": lambda sign: moved((1, sign * shear, 0, 0, 1, 0)),
            "shear-y": lambda sign: moved((1, 0, 0, sign * shear, 1, 0)),
            "translate-x": lambda sign: moved((1, 0, sign * across, 0, 1, 0)),
            "translate-y": lambda sign: moved((1, 0, 0, 0, 1, sign * down)),
        }
        plain: dict[str, Change] = {
            "identity": lambda pixels: pixels,
            "autocontrast": autocontrast,
            "equalize": equalize,
            "solarize": partial(solarize, threshold=256 - int(25.6 * magnitude)),
            "posterize": partial(posterize, bits=max(1, 8 - int(0.4 * magnitude))),
            "color": partial(color, factor=factor),
            "contrast": partial(contrast, factor=factor),
            "brightness": partial(brightness, factor=factor),
            "sharpness": partial(sharpness, factor=factor),
        }
        self._changes: list[tuple[Change, Change]] = [
            *((signed[name](1), signed[name](-1)) for name in signed),
            *((plain[name], plain[name]) for name in plain),
        ]
        self.names = (*signed, *plain)

    def __call__(self, pixels: Tensor, words: NDArray[np.uint64]) -> Tensor:
        """Return the images after the operations chosen by random words, N x operations.

        A word modulo 14 is the operation; its highest bit is the direction, if there are two.
        """
        out = pixels.clone()
        for column in words.T:
            chosen = 2 * (column % np.uint64(len(self._changes))) + (column >> np.uint64(63))
            for number in np.unique(chosen).tolist():
                change = self._changes[number // 2][number % 2]
                here = torch.from_numpy(np.flatnonzero(chosen == number)).to(pixels.device)
                out[here] = change(out[here])
        return out


class _Moved:
    """An affine transform by nearest neighbour, as Pillow does it, in fixed point.

    The pixel (x, y) comes from (a x + b y + c, d x + e y + f), measured at pixel centres.
    """

    def __init__(
        self, matrix: tuple[float, float, float, float, float, float], height: int, width: int, device: torch.device
    ) -> None:
        a, b, c, d, e, f = matrix
        y, x = np.mgrid[:height, :width]
        columns = (_fixed(c + a / 2 + b / 2) + _fixed(a) * x + _fixed(b) * y) >> 16
        rows = (_fixed(f + d / 2 + e / 2) + _fixed(d) * x + _fixed(e) * y) >> 16
        inside = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
        places = np.where(inside, rows * width + columns, 0).ravel()
        self._places = torch.from_numpy(places).to(device)
        self._inside = torch.from_numpy(inside).to(device)

    def __call__(self, pixels: Tensor) -> Tensor:
        moved = pixels.flatten(2).index_select(2, self._places).reshape(pixels.shape)
        return torch.where(self._inside, moved, torch.full_like(moved, GREY))


def autocontrast(pixels: Tensor) -> Tensor:
    """Stretch each channel of each image to 0 to 255; a constant channel stays as it is."""
    values = pixels.int()
    low, high = values.amin((2, 3), keepdim=True), values.amax((2, 3), keepdim=True)
    stretched = (values - low) * 255 // (high - low).clamp(min=1)
    return torch.where(high > low, stretched, values).to(torch.uint8)


def equalize(pixels: Tensor) -> Tensor:
    """Equalise the histogram of each channel of each image."""
    rows = pixels.flatten(2).flatten(0, 1).int()
    every = torch.arange(256, dtype=torch.int32, device=pixels.device).expand(len(rows), 256).contiguous()
    below = torch.searchsorted(rows.sort(1).values, every)  # how many values are smaller
    last = rows.amax(1, keepdim=True).long()
    step = below.gather(1, last) // 255  # of all pixels but those of the highest value
    table = torch.where(step > 0, (step // 2 + below) // step.clamp(min=1), every).clamp(max=255)
    return table.gather(1, rows.long()).reshape(pixels.shape).to(torch.uint8)


def solarize(pixels: Tensor, threshold: int) -> Tensor:
    """Invert the values at or above the threshold."""
    return torch.where(pixels.int() < threshold, pixels, 255 - pixels)


def posterize(pixels: Tensor, bits: int) -> Tensor:
    """Keep the highest bits of each value."""
    return pixels & (256 - (1 << (8 - bits)))


def brightness(pixels: Tensor, factor: float) -> Tensor:
    """Blend with black."""
    return _blended(torch.zeros_like(pixels), pixels, factor)


def contrast(pixels: Tensor, factor: float) -> Tensor:
    """Blend with the mean grey of the image."""
    grey = _grey(pixels)
    count = grey[0].numel()
    mean = (2 * grey.sum((1, 2, 3), keepdim=True) + count) // (2 * count)
    return _blended(mean, pixels, factor)


def color(pixels: Tensor, factor: float) -> Tensor:
    """Blend with the greyscale image."""
    return _blended(_grey(pixels), pixels, factor)


def sharpness(pixels: Tensor, factor: float) -> Tensor:
    """Blend with the image smoothed, except at its border, by the kernel 1 1 1, 1 5 1, 1 1 1."""
    values = pixels.int()
    height, width = values.shape[2:]
    total = 4 * values[:, :, 1:-1, 1:-1]
    for row in range(3):
        for column in range(3):
            total = total + values[:, :, row : height - 2 + row, column : width - 2 + column]
    smooth = values.clone()
    smooth[:, :, 1:-1, 1:-1] = (2 * total + 13) // 26
    return _blended(smooth, pixels, factor)


def _blended(base: Tensor, pixels: Tensor, factor: float) -> Tensor:
    start = base.float()
    return (start + (pixels.float() - start) * factor).clamp(0, 255).to(torch.uint8)


def _grey(pixels: Tensor) -> Tensor:
    """Return images in greyscale, N x 1 x H x W: by Pillow's weights of red, green and blue, or the mean channel."""
    values = pixels.int()
    if values.shape[1] != 3:
        return values.sum(1, keepdim=True) // values.shape[1]
    red, green, blue = values.unbind(1)
    grey: Tensor = (red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16
    return grey[:, None]


def _about_centre(angle: float, height: int, width: int) -> tuple[float, float, float, float, float, float]:
    """Return the matrix of a rotation by an angle in radians, anticlockwise."""
    cosine, sine = round(math.cos(angle), 15), round(math.sin(-angle), 15)
    across, down = width / 2, height / 2
    return (
        cosine, sine, across - cosine * across - sine * down,
        -sine, cosine, down + sine * across - cosine * down,
    )  # fmt: skip


def _fixed(value: float) -> int:
    return math.floor(value * 65536 + 0.5)
