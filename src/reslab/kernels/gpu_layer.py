"""A convolution, its batch norm and what follows on a graphics card: forward, evaluation and gradients, by Triton."""

import contextlib
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import cache
from typing import Self

import torch
from torch import Tensor, nn

from reslab.kernels.build import gpu_reason, triton_version

ELEMENTS = 8192
"""Numbers that a program works on at a time, at most, where each is worked on alone."""
PROGRAMS = 128
"""Programs that share all rows where each puts the same pieces together first: as many as a large card can run."""
PROGRAM_BYTES = 96 * 1024
"""Memory that a program of the smallest of these cards can share, rounded down."""
COLUMNS = 64
"""Sums that a program adds up from their pieces."""


@cache
def available(device: torch.device) -> bool:
    """Say whether the kernels run on a device: NVIDIA's from Ampere on, with Triton, unless RESLAB_KERNELS is 0."""
    return device.type == "cuda" and not _reason(device)


def on_device(device: torch.device) -> AbstractContextManager[object]:
    """Return the context in which Triton starts kernels on this device, and not on the first."""
    return torch.cuda.device(device) if device.type == "cuda" else contextlib.nullcontext()


def words(device: torch.device) -> str:
    """Say which kernels a graphics card uses."""
    if reason := _reason(device):
        return f"those of PyTorch: {reason}"
    return f"convolution with batch norm, images and loss by Triton {triton_version()}; else those of PyTorch"


def _reason(device: torch.device) -> str:
    if device.type != "cuda" or torch.version.hip is not None:
        return "ours are for NVIDIA's cards"
    if torch.cuda.get_device_capability(device) < (8, 0):
        return "ours are for cards from Ampere on"
    return gpu_reason() or failure(device)


@cache
def failure(device: torch.device) -> str:
    """Return what keeps Triton from compiling and running a kernel on a device, in words; "" where nothing does.

    Where there is no C compiler, for one, it cannot make what launches its kernels.
    """
    try:
        from reslab.kernels import gpu

        pieces, table = torch.ones(3 * 16, device=device), torch.tensor([0, 0, 16, 16, 3], device=device)
        sums = torch.zeros(16, device=device)
        with on_device(device):
            gpu.add_pieces[(1,)](pieces, sums, table, 16, COLUMNS)
        return "" if sums.tolist() == [3.0] * 16 else "Triton adds wrongly here"
    except Exception as error:  # whatever it is, torch's operations serve
        return f"Triton does not work here ({(str(error).splitlines() or [repr(error)])[0]})"


def multiplied(device: torch.device) -> torch.dtype | None:
    """Return the type in which float32 maps are to be multiplied: bfloat16 under its autocast; None for another."""
    if not torch.is_autocast_enabled(device.type):
        return torch.float32
    return torch.bfloat16 if torch.get_autocast_dtype(device.type) == torch.bfloat16 else None


def cast(weights: Sequence[Tensor], dtype: torch.dtype) -> list[Tensor]:
    """Return weights in another type, channels-last and without a gradient: all in one go."""
    weights = [weight.detach().contiguous(memory_format=torch.channels_last) for weight in weights]
    if all(weight.dtype == dtype for weight in weights):
        return weights
    to = [torch.empty_like(weight, dtype=dtype) for weight in weights]
    torch._foreach_copy_(to, weights)
    return to


@dataclass(frozen=True, slots=True)
class Layer:
    """A convolution without bias and the batch norm after it."""

    convolution: nn.Conv2d
    norm: nn.BatchNorm2d
    weight: Tensor
    """The convolution's weight in the type that is multiplied, channels-last."""

    def evaluate(self, maps: Tensor, shortcut: Tensor | None = None, *, relu: bool = True) -> Tensor:
        """Return relu(norm(convolution(maps)) + shortcut), N x K x H x W, by the norm's running statistics."""
        from reslab.kernels import gpu

        norm, sizes = self.norm, Sizes.of(maps, self.convolution)
        out = sizes.out(maps)
        tile = Tile.of_convolution(sizes, maps.dtype)
        gpu.evaluate_layer[(_up(sizes.rows_out, tile.rows),)](
            maps, self.weight, shortcut, out, norm.weight, norm.bias, norm.running_mean, norm.running_var, norm.eps,
            sizes.rows_out, *sizes.constants, *sizes.taps(1), shortcut is not None, relu,
            tile.rows, tile.stages, num_warps=tile.warps,
        )  # fmt: skip
        return out

    def train(self, maps: Tensor, shortcut: Tensor | None = None, *, relu: bool = True) -> "Done":
        """Do the same by the statistics of these maps, which go into the running ones; keep what gradients need."""
        from reslab.kernels import gpu

        norm, sizes = self.norm, Sizes.of(maps, self.convolution)
        convolved, out = sizes.out(maps), sizes.out(maps)
        tile = Tile.of_convolution(sizes, maps.dtype)
        num_rows, channels = sizes.rows_out, sizes.leaving
        pieces = Pieces.of(num_rows, tile.rows, channels, maps.device)
        gpu.convolve[(pieces.number,)](
            maps, self.weight, convolved, pieces.values, num_rows, *sizes.constants,
            *sizes.taps(1), tile.rows, tile.stages, num_warps=tile.warps,
        )  # fmt: skip
        saved = torch.empty(2 * channels, device=maps.device)
        programs, each, rows = _shares(num_rows, channels)
        gpu.normalise[(programs,)](
            convolved, pieces.values, shortcut, out, saved, norm.weight, norm.bias, norm.running_mean,
            norm.running_var, norm.num_batches_tracked, norm.momentum, norm.eps, num_rows, pieces.number, tile.rows,
            each, channels, shortcut is not None, relu, rows, ELEMENTS // channels, num_warps=8,
        )  # fmt: skip
        return Done(self, sizes, maps, convolved, out, saved, shortcut is not None, relu)


@dataclass(frozen=True, slots=True)
class Done:
    """A layer's forward pass: what its gradients are made from."""

    layer: Layer
    sizes: "Sizes"
    maps: Tensor
    convolved: Tensor
    out: Tensor
    saved: Tensor
    """Mean and inverse deviation of each channel of what was convolved."""
    adds: bool
    relu: bool

    def of_norm(self, gradient: Tensor, pool: int = 1) -> "Passed":
        """Take a gradient of the output, or of its mean over every `pool` pixels, through the ReLU."""
        from reslab.kernels import gpu

        num_rows, channels = self.sizes.rows_out, self.sizes.leaving
        rows = ELEMENTS // channels
        pieces = Pieces.of(num_rows, rows, channels, self.out.device)
        to = torch.empty_like(self.out)
        gpu.norm_gradient[(pieces.number,)](
            gradient, *self._for_relu(to), pieces.values, num_rows, channels, self.adds, self.relu, pool, rows,
            num_warps=8,
        )  # fmt: skip
        return Passed(to, pieces)

    def of_convolved(self, passed: "Passed") -> tuple[Tensor, Tensor, Tensor]:
        """Return the gradients of what was convolved, of gamma and of beta."""
        from reslab.kernels import gpu

        norm, channels = self.layer.norm, self.sizes.leaving
        to, of_gamma, of_beta = (torch.empty_like(like) for like in (self.convolved, norm.weight, norm.bias))
        num_rows = self.sizes.rows_out
        programs, each, rows = _shares(num_rows, channels)
        gpu.norm_input_gradient[(programs,)](
            passed.gradient, self.convolved, to, self.saved, norm.weight, passed.pieces.values, of_gamma, of_beta,
            num_rows, passed.pieces.number, each, channels, rows, ELEMENTS // channels, num_warps=8,
        )  # fmt: skip
        return to, of_gamma, of_beta

    def of_maps(self, of_convolved: Tensor) -> Tensor:
        """Return the gradient of the maps."""
        to = torch.empty_like(self.maps)
        tile = Tile.of_maps_gradient(self.sizes, to.dtype)
        self._of_maps(of_convolved, None, (None, None, to, None, None, None), None, False, False, tile)
        return to

    def of_norm_before(self, of_convolved: Tensor, more: Tensor | None, before: "Done") -> "Passed":
        """Add `more` to the gradient of the maps, and take it through the ReLU of the layer whose output they are."""
        to = torch.empty_like(self.maps)
        tile = Tile.of_maps_gradient(self.sizes, to.dtype)
        pieces = Pieces.of(self.sizes.rows_in, tile.rows, self.sizes.channels, to.device)
        self._of_maps(of_convolved, more, before._for_relu(to), pieces.values, True, before.adds, tile)
        return Passed(to, pieces)

    def _of_maps(
        self,
        gradient: Tensor,
        more: Tensor | None,
        before: tuple[Tensor | None, ...],
        pieces: Tensor | None,
        is_through: bool,
        adds: bool,
        tile: "Tile",
    ) -> None:
        from reslab.kernels import gpu

        out, maps, to, saved, gamma, beta = before
        gpu.maps_gradient[(_up(self.sizes.rows_in, tile.rows),)](
            gradient, self.layer.weight, more, to, out, maps, saved, gamma, beta, pieces,
            self.sizes.rows_in, *self.sizes.constants, more is not None, is_through, adds,
            tile.rows, tile.stages, num_warps=tile.warps,
        )  # fmt: skip

    def of_weight(self, of_convolved: Tensor, pieces: Tensor) -> None:
        """Make the gradient of the weight, in pieces of float32, K x side x side x C each, as many as `split` says."""
        from reslab.kernels import gpu

        tile = Tile.of_weight_gradient(self.sizes)
        number, each = self.sizes.split(tile)
        taps, width = self.sizes.taps(tile.taps)
        gpu.weight_gradient[(number, self.sizes.side**2 // taps)](
            self.maps, of_convolved, pieces, self.sizes.rows_out, each, *self.sizes.constants, taps, width,
            tile.rows, tile.stages, num_warps=tile.warps,
        )  # fmt: skip

    def _for_relu(self, to: Tensor) -> tuple[Tensor | None, ...]:
        """Return what a kernel needs to take a gradient through the ReLU, to `to`."""
        norm = self.layer.norm
        return self.out, self.convolved, to, self.saved, norm.weight, norm.bias


@dataclass(frozen=True, slots=True)
class Pieces:
    """Sums over all rows in pieces, one a program, each with two numbers a channel."""

    values: Tensor
    number: int

    @classmethod
    def of(cls, num_rows: int, rows_each: int, channels: int, device: torch.device) -> Self:
        """Return room for them."""
        number = _up(num_rows, rows_each)
        return cls(torch.empty(number * 2 * channels, device=device), number)


@dataclass(frozen=True, slots=True)
class Passed:
    """A gradient taken through a ReLU, and the pieces of the gradients of beta and gamma."""

    gradient: Tensor
    pieces: Pieces


class WeightGradients:
    """Room for the gradients of all weights, in pieces, and the way to add the pieces up: one launch for them all."""

    def __init__(self, all_sizes: Sequence["Sizes"], device: torch.device) -> None:
        self._places: list[tuple[int, int]] = []
        """Of each weight the place of its first piece and that of its sum."""
        self._shapes = [(sizes.leaving, sizes.side, sizes.side, sizes.channels) for sizes in all_sizes]
        table = []
        start = end = 0
        for sizes in all_sizes:
            number, _ = sizes.split(Tile.of_weight_gradient(sizes))
            size = sizes.leaving * sizes.side**2 * sizes.channels
            self._places.append((start, end))
            for first in range(0, size, COLUMNS):
                table.append((start + first, end + first, min(COLUMNS, size - first), size, number))
            start, end = start + number * size, end + size
        self._num_pieces, self._num_sums = start, end
        self._table = torch.tensor(table, dtype=torch.int64).to(device)

    def room(self) -> list[Tensor]:
        """Return room for the pieces of each weight, one after the other in one tensor."""
        every = torch.empty(self._num_pieces, device=self._table.device)
        return [every[start:] for start, _ in self._places]

    def add(self, room: Sequence[Tensor]) -> list[Tensor]:
        """Return the gradients of the weights, K x C x side x side, channels-last, from their pieces."""
        from reslab.kernels import gpu

        sums = torch.empty(self._num_sums, device=self._table.device)
        gpu.add_pieces[(len(self._table),)](room[0], sums, self._table, 16, COLUMNS)
        return [
            sums[end : end + shape[0] * shape[1] * shape[2] * shape[3]].view(shape).permute(0, 3, 1, 2)
            for (_, end), shape in zip(self._places, self._shapes, strict=True)
        ]


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
        each = _up(_up(self.rows_out, tile.pieces), tile.rows) * tile.rows
        return _up(self.rows_out, each), each


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


def _up(number: int, by: int) -> int:
    return -(-number // by)


def _shares(num_rows: int, channels: int) -> tuple[int, int, int]:
    """Return how many programs share the rows, how many rows each has, and on how many it works at a time."""
    share = max(1, num_rows * channels // PROGRAMS)
    rows = max(16, min(ELEMENTS, 1 << (share.bit_length() - 1)) // channels)
    each = _up(_up(num_rows, PROGRAMS), rows) * rows
    return _up(num_rows, each), each, rows
