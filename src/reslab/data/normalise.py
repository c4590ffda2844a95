"""Turn the pixels of a batch into the network's input, on the device."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from reslab.data.normalisation import Normaliser, per_image_bound
from reslab.kernels.gpu_device import on_device


class Normalise:
    """Turns the pixels of a cropped batch into the network's input, float32 and channels last.

    If a mean image moves with the pixels or the border must come out as zero, a crop's shift depends on its window
    (mirrored or not, row and column of the offset), and a table holds the shift image of every window.
    """

    def __init__(
        self,
        normaliser: Normaliser,
        image_shape: tuple[int, int, int],
        *,
        crop_padding: int,
        padding: str,
        mirrors: bool,
        device: torch.device,
    ) -> None:
        self._table = self._inside = self._shift = self._scale = None
        self._for_kernel: tuple[Tensor, Tensor] | None = None
        pads_with_mean = crop_padding > 0 and padding == "mean"
        if normaliser.shift is None or normaliser.scale is None or normaliser.border is None:
            self._bound = per_image_bound(int(np.prod(image_shape)))
            if pads_with_mean:
                ones = np.ones((1, *image_shape[1:]), dtype=np.float32)
                inside = _windows(ones, np.zeros((1, 1, 1), dtype=np.float32), crop_padding, mirrors)
                self._inside = torch.from_numpy(inside > 0).to(device)
                self._num_inside = self._inside.sum(dim=(1, 2, 3)) * image_shape[0]
            return
        self._scale = torch.from_numpy(normaliser.scale).to(device)
        moves = normaliser.shift.shape[1:] != (1, 1) and (mirrors or crop_padding > 0)
        if moves or pads_with_mean:
            border = {"mean": np.zeros_like(normaliser.border), "black": normaliser.border, "reflect": None}[padding]
            image = np.broadcast_to(normaliser.shift, image_shape)
            self._table = torch.from_numpy(_windows(image, border, crop_padding, mirrors)).to(device)
        else:
            self._shift = torch.from_numpy(normaliser.shift).to(device)

    @property
    def has_kernel(self) -> bool:
        """Whether `by_kernel` supports this normalisation: it does not support per-image."""
        return self._scale is not None

    def by_kernel(
        self, pixels: Tensor, labels: Tensor, draw: Tensor, *, edge: int, reflects: bool
    ) -> tuple[Tensor, Tensor]:
        """Return the mirrored, cropped and normalised input, and the labels, of a batch's draw on a GPU."""
        from reslab.kernels.gpu_images import render

        assert self._scale is not None
        if self._for_kernel is None:
            shape = pixels.shape[1:]
            shifts = self._shift.expand(1, *shape) if self._table is None and self._shift is not None else self._table
            assert shifts is not None
            self._for_kernel = shifts.contiguous(), self._scale.expand(shape).contiguous()
        with on_device(pixels.device):
            return render(pixels, labels, draw, *self._for_kernel, edge=edge, reflects=reflects)

    def __call__(self, pixels: Tensor, windows: Tensor | None) -> Tensor:
        """Return the input of a batch; `windows` (B) is needed if anything was cropped or mirrored."""
        if self._scale is None:
            values = self._by_own_statistics(pixels, windows)
        elif self._table is not None and windows is not None:
            values = torch.sub(pixels, self._table.index_select(0, windows)).mul_(self._scale)
        else:
            assert self._shift is not None
            values = torch.sub(pixels, self._shift).mul_(self._scale)
        return values.to(dtype=torch.float32, memory_format=torch.channels_last)

    def _by_own_statistics(self, pixels: Tensor, windows: Tensor | None) -> Tensor:
        """Standardise each image; padded pixels count as black, or as the image's mean, which becomes zero.

        Sums are exact, so that a device's order of summation has no effect.
        """
        values = pixels.float()
        size = values[0].numel()
        # within a row of up to 256 pixels, float32 holds every sum of squares exactly
        sums = values.sum(dim=3).long().sum(dim=(1, 2))
        squares = values.square().sum(dim=3).long().sum(dim=(1, 2))
        inside = None if self._inside is None or windows is None else self._inside.index_select(0, windows)
        counts = torch.full_like(sums, size)
        if inside is not None and windows is not None:
            counts = self._num_inside.index_select(0, windows)
        mean = sums.float() / counts.float()
        variance = (counts * squares - sums.square()).float() / (counts * size).float()
        # on a CPU, torch's float32 square root is not always correctly rounded; via float64, which MPS lacks, it is
        wide = variance if variance.device.type == "mps" else variance.double()
        scale = 1 / wide.sqrt().float().clamp(min=self._bound)
        values.sub_(mean[:, None, None, None]).mul_(scale[:, None, None, None])
        return values if inside is None else torch.where(inside, values, 0.0)


def _windows(
    image: NDArray[np.float32], border: NDArray[np.float32] | None, crop_padding: int, mirrors: bool
) -> NDArray[np.float32]:
    """Return every possible crop of a bordered image: (mirrored, row, column) flattened x C x H x W.

    Without a border the image is reflected.
    """
    channels, height, width = image.shape
    edge = crop_padding
    padded = np.empty((channels, height + 2 * edge, width + 2 * edge), dtype=np.float32)
    crops = []
    for turned in (image, image[:, :, ::-1]) if mirrors else (image,):
        if border is None:
            padded[:] = np.pad(turned, ((0, 0), (edge, edge), (edge, edge)), mode="reflect")
        else:
            padded[:] = border
            padded[:, edge : edge + height, edge : edge + width] = turned
        for row in range(2 * edge + 1):
            for column in range(2 * edge + 1):
                crops.append(padded[:, row : row + height, column : column + width].copy())
    return np.stack(crops)
