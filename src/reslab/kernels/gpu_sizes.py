"""How a layer's work on a graphics card is divided among programs: its sizes, and what was fastest."""

from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor, nn

ELEMENTS = 8192
"""Numbers that a program works on at a time, at most, where each is worked on alone."""
PROGRAMS = 128
"""Programs that share all rows where each puts the same pieces together first: as many as a large card can run."""
PROGRAM_BYTES = 96 * 1024
"""Memory that a program of the smallest of these cards can share, rounded down."""
COLUMNS = 64
"""Sums that a program adds up from their pieces."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """The sizes of a convolution's maps and filters."""

    images: int
    channels: int
    leaving: int
    height: int
    width: int
    side: int
    stride: int

    @classmethod
    def of(cls, maps: Tensor, convolution: nn.Conv2d) -> Self:
        """Return those of a convolution of maps N x C x H x W."""
        images, channels, height, width = maps.shape
        return cls(
            images, channels, convolution.out_channels, height, width, convolution.kernel_size[0], convolution.stride[0]
        )

    @property
    def constants(self) -> tuple[int, ...]:
        """What the kernels are compiled for."""
        return self.channels, self.leaving, self.height, self.width, self.side, self.stride

    @property
    def size_out(self) -> tuple[int, int, int, int]:
        """N x K x H x W of the output."""
        return self.images, self.leaving, (self.height - 1) // self.stride + 1, (self.width - 1) // self.stride + 1

    @property
    def rows_in(self) -> int:
        """Pixels of the input."""
        return self.images * self.height * self.width

    @property
    def rows_out(self) -> int:
        """Pixels of the output."""
        images, _, height, width = self.size_out
        return images * height * width

    def out(self, maps: Tensor) -> Tensor:
        """Return room for the output."""
        return torch.empty(self.size_out, dtype=maps.dtype, device=maps.device, memory_format=torch.channels_last)

    def taps(self, wanted: int) -> tuple[int, int]:
        """Return the positions of the filter that are worked on at a time, and the power of two that holds them.

        With the three channels of an image these are all.
        """
        taps = self.side**2 if self.channels < 16 else wanted if self.side > 1 else 1
        return taps, max(16, 1 << (taps * self.channels - 1).bit_length())

    def split(self, tile: "Tile") -> tuple[int, int]:
        """Return the number of pieces that a weight's gradient is made in, and the rows of each."""
        each = up(up(self.rows_out, tile.pieces), tile.rows) * tile.rows
        return up(self.rows_out, each), each


@dataclass(frozen=True, slots=True)
class Tile:
    """How a product of matrices is divided among programs, by what was fastest on an H100.

    A program works on so many rows; that of a weight's gradient on so many at a time, in so many pieces for all rows.
    """

    rows: int
    warps: int = 4
    stages: int = 4
    pieces: int = 1
    taps: int = 1

    @classmethod
    def of_convolution(cls, sizes: Sizes, dtype: torch.dtype) -> Self:
        """Return it for a convolution."""
        return cls(*TILES["convolution", sizes.leaving]).fit(sizes.taps(1)[1], sizes.leaving, dtype)

    @classmethod
    def of_maps_gradient(cls, sizes: Sizes, dtype: torch.dtype) -> Self:
        """Return it for the gradient of a convolution's input."""
        return cls(*TILES["maps", sizes.channels]).fit(sizes.leaving, sizes.channels, dtype)

    @classmethod
    def of_weight_gradient(cls, sizes: Sizes) -> Self:
        """Return it for the gradient of a convolution's weight."""
        return cls(*TILES["weight", sizes.leaving])

    def fit(self, inner: int, columns: int, dtype: torch.dtype) -> Self:
        """Return it with no more stages of rows x inner times inner x columns than the memory of a program holds."""
        stage = (self.rows + columns) * inner * dtype.itemsize
        return replace(self, stages=max(1, min(self.stages, 1 + PROGRAM_BYTES // stage)))  # one is in registers


TILES = {
    ("convolution", 16): (256, 4, 2),
    ("convolution", 32): (256, 8, 4),
    ("convolution", 64): (64, 4, 4),
    ("maps", 16): (256, 4, 2),
    ("maps", 32): (256, 8, 4),
    ("maps", 64): (64, 4, 4),
    ("weight", 16): (64, 4, 4, 128, 3),
    ("weight", 32): (64, 4, 2, 32, 1),
    ("weight", 64): (32, 4, 4, 16, 1),
}


def up(number: int, by: int) -> int:
    """Return a quotient, rounded up."""
    return -(-number // by)


def shares(num_rows: int, channels: int) -> tuple[int, int, int]:
    """Return how many programs share the rows, how many rows each has, and on how many it works at a time."""
    share = max(1, num_rows * channels // PROGRAMS)
    rows = max(16, min(ELEMENTS, 1 << (share.bit_length() - 1)) // channels)
    each = up(up(num_rows, PROGRAMS), rows) * rows
    return up(num_rows, each), each, rows
