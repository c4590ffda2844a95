"""A convolution with batch norm, shortcut and ReLU on a GPU, by Triton: training, evaluation and gradients."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn

from reslab.kernels.gpu_sizes import COLUMNS, ELEMENTS, Sizes, Tile, shares, up


def cast(weights: Sequence[Tensor], dtype: torch.dtype) -> list[Tensor]:
    """Return weights in another type, channels-last and detached, all converted at once."""
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
    """The convolution's weight in the type to multiply in, channels-last."""

    def evaluate(self, maps: Tensor, shortcut: Tensor | None = None, *, relu: bool = True) -> Tensor:
        """Return relu(norm(convolution(maps)) + shortcut), N x K x H x W, by the norm's running statistics."""
        from reslab.kernels import gpu

        norm, sizes = self.norm, Sizes.of(maps, self.convolution)
        out = sizes.out(maps)
        tile = Tile.of_convolution(sizes, maps.dtype)
        gpu.evaluate_layer[(up(sizes.rows_out, tile.rows),)](
            maps, self.weight, shortcut, out, norm.weight, norm.bias, norm.running_mean, norm.running_var, norm.eps,
            sizes.rows_out, *sizes.constants, *sizes.taps(1), shortcut is not None, relu,
            tile.rows, tile.stages, num_warps=tile.warps,
        )  # fmt: skip
        return out

    def train(self, maps: Tensor, shortcut: Tensor | None = None, *, relu: bool = True) -> "Done":
        """Do the same by the statistics of these maps, which update the running ones; keep what the gradients need."""
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
        programs, each, rows = shares(num_rows, channels)
        gpu.normalise[(programs,)](
            convolved, pieces.values, shortcut, out, saved, norm.weight, norm.bias, norm.running_mean,
            norm.running_var, norm.num_batches_tracked, norm.momentum, norm.eps, num_rows, pieces.number, tile.rows,
            each, channels, shortcut is not None, relu, rows, ELEMENTS // channels, num_warps=8,
        )  # fmt: skip
        return Done(self, sizes, maps, convolved, out, saved, shortcut is not None, relu)


@dataclass(frozen=True, slots=True)
class Done:
    """A layer's forward pass: what its gradients are computed from."""

    layer: Layer
    sizes: Sizes
    maps: Tensor
    convolved: Tensor
    out: Tensor
    saved: Tensor
    """Mean and inverse standard deviation of each channel of the convolution's output."""
    adds: bool
    relu: bool

    def of_norm(self, gradient: Tensor, pool: int = 1) -> "Passed":
        """Pass a gradient of the output, or of its mean over every `pool` pixels, back through the ReLU."""
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
        """Return the gradients of the convolution's output, of gamma and of beta."""
        from reslab.kernels import gpu

        norm, channels = self.layer.norm, self.sizes.leaving
        to, of_gamma, of_beta = (torch.empty_like(like) for like in (self.convolved, norm.weight, norm.bias))
        num_rows = self.sizes.rows_out
        programs, each, rows = shares(num_rows, channels)
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
        """Add `more` to the gradient of the maps, and pass it back through the ReLU of the layer that produced them."""
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
        tile: Tile,
    ) -> None:
        from reslab.kernels import gpu

        out, maps, to, saved, gamma, beta = before
        gpu.maps_gradient[(up(self.sizes.rows_in, tile.rows),)](
            gradient, self.layer.weight, more, to, out, maps, saved, gamma, beta, pieces,
            self.sizes.rows_in, *self.sizes.constants, more is not None, is_through, adds,
            tile.rows, tile.stages, num_warps=tile.warps,
        )  # fmt: skip

    def of_weight(self, of_convolved: Tensor, pieces: Tensor) -> None:
        """Compute the gradient of the weight in float32 pieces, K x side x side x C each, as many as `split` says."""
        from reslab.kernels import gpu

        tile = Tile.of_weight_gradient(self.sizes)
        number, each = self.sizes.split(tile)
        taps, width = self.sizes.taps(tile.taps)
        gpu.weight_gradient[(number, self.sizes.side**2 // taps)](
            self.maps, of_convolved, pieces, self.sizes.rows_out, each, *self.sizes.constants, taps, width,
            tile.rows, tile.stages, num_warps=tile.warps,
        )  # fmt: skip

    def _for_relu(self, to: Tensor) -> tuple[Tensor | None, ...]:
        """Return what a kernel needs to pass a gradient back through the ReLU, to `to`."""
        norm = self.layer.norm
        return self.out, self.convolved, to, self.saved, norm.weight, norm.bias


@dataclass(frozen=True, slots=True)
class Pieces:
    """Sums over all rows in pieces, one per program, each with two numbers per channel."""

    values: Tensor
    number: int

    @classmethod
    def of(cls, num_rows: int, rows_each: int, channels: int, device: torch.device) -> Self:
        """Return a buffer for them."""
        number = up(num_rows, rows_each)
        return cls(torch.empty(number * 2 * channels, device=device), number)


@dataclass(frozen=True, slots=True)
class Passed:
    """A gradient passed back through a ReLU, and the pieces of the gradients of beta and gamma."""

    gradient: Tensor
    pieces: Pieces


class WeightGradients:
    """Buffers for the pieces of all weights' gradients, which it adds up in a single launch."""

    def __init__(self, all_sizes: Sequence[Sizes], device: torch.device) -> None:
        self._places: list[tuple[int, int]] = []
        """For each weight, the offsets of its first piece and of its sum."""
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
        """Return buffers for the pieces of each weight, one after the other in one tensor."""
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
