"""How a layer's work on a GPU is divided among programs: its sizes, and what was fastest."""

from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor, nn

ELEMENTS = 8192
"""Most numbers that a program processes at a time in elementwise work."""
PROGRAMS = 128
"""Programs that share all rows if each first combines the same pieces: as many as a large GPU can run."""
PROGRAM_BYTES = 96 * 1024
"""Shared memory of a program on the smallest of these GPUs, rounded down."""
COLUMNS = 64
"""Sums per program that adds up pieces."""


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
        """Return the sizes of a convolution of maps N x C x H x W."""
        images, channels, height, width = maps.shape
        return cls(
            images, channels, convolution.out_channels, height, width, convolution.kernel_size[0], convolution.stride[0]
        )

    @property
    def constants(self) -> tuple[int, ...]:
        """The constants that the kernels are compiled for."""
        return self.channels, self.leaving, self.height, self.width, self.side, self.stride

    @property
    def size_out(self) -> tuple[int, int, int, int]:
        """Shape of the output, N x K x H x W."""
        return self.images, self.leaving, (self.height - 1) // self.stride + 1, (self.width - 1) // self.stride + 1

    @property
    def rows_in(self) -> int:
        """Number of pixels of the input."""
        return self.images * self.height * self.width

    @property
    def rows_out(self) -> int:
        """Number of pixels of the output."""
        images, _, height, width = self.size_out
        return images * height * width

    def out(self, maps: Tensor) -> Tensor:
        """Return a buffer for the output."""
        return torch.empty(self.size_out, dtype=maps.dtype, device=maps.device, memory_format=torch.channels_last)

    def taps(self, wanted: int) -> tuple[int, int]:
        """Return how many filter positions are processed at a time, and the power of two that holds their channels.

        With fewer than 16 channels, as for images, these are all positions.
        """
        taps = self.side**2 if self.channels < 16 else wanted if self.side > 1 else 1
        return taps, max(16, 1 << (taps * self.channels - 1).bit_length())

    def split(self, tile: "Tile") -> tuple[int, int]:
        """Return the number of pieces of a weight's gradient, and the rows of each."""
        each = up(up(self.rows_out, tile.pieces), tile.rows) * tile.rows
        return up(self.rows_out, each), each


@dataclass(frozen=True, slots=True)
class Tile:
    """How a matrix product is divided among programs, by what was fastest on an H100.

    A program processes `rows` rows; for a weight's gradient, `rows` at a time, with all rows divided into `pieces`.
    """

    rows: int
    warps: int = 4
    stages: int = 4
    pieces: int = 1
    taps: int = 1

    @classmethod
    def of_convolution(cls, sizes: Sizes, dtype: torch.dtype) -> Self:
        """Return the tile for a convolution."""
        return cls(*TILES["convolution", sizes.leaving]).fit(sizes.taps(1)[1], sizes.leaving, dtype)

    @classmethod
    def of_maps_gradient(cls, sizes: Sizes, dtype: torch.dtype) -> Self:
        """Return the tile for the gradient of a convolution's input."""
        return cls(*TILES["maps", sizes.channels]).fit(sizes.leaving, sizes.channels, dtype)

    @classmethod
    def of_weight_gradient(cls, sizes: Sizes) -> Self:
        """Return the tile for the gradient of a convolution's weight."""
        return cls(*TILES["weight", sizes.leaving])

    def fit(self, inner: int, columns: int, dtype: torch.dtype) -> Self:
        """Return it with no more stages of rows x inner times inner x columns than fit into a program's memory."""
        stage = (self.rows + columns) * inner * dtype.itemsize
        return replace(self, stages=max(1, min(self.stages, 1 + PROGRAM_BYTES // stage)))  # one stage is in registers


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
    """Return number / by, rounded up."""
    return -(-number // by)


def shares(num_rows: int, channels: int) -> tuple[int, int, int]:
    """Return how many programs share the rows, how many rows each has, and how many it processes at a time."""
    share = max(1, num_rows * channels // PROGRAMS)
    rows = max(16, min(ELEMENTS, 1 << (share.bit_length() - 1)) // channels)
    each = up(up(num_rows, PROGRAMS), rows) * rows
    return up(num_rows, each), each, rows
