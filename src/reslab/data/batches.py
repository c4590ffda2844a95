"""Batches made on the device from uint8 pixels: whole batches are cropped, mirrored and normalised at once."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from reslab.data.images import ImageSet
from reslab.data.normalisation import Normaliser
from reslab.data.normalise import Normalise
from reslab.errors import ResLabError
from reslab.kernels.gpu_device import available
from reslab.recipe import CHOICES, random_stream


class TrainBatches:
    """The training images, shuffled and augmented anew in each epoch; the last batch may be smaller.

    Each image is mirrored or not (`mirror` random; alternating: drawn for the first epoch and flipped in each later
    one; or none), padded by `crop_padding` on each side, and cropped to its size at one of (2 x crop_padding + 1)^2
    offsets, all equally likely (He et al. 2016, section 4.2).  Padded pixels are zero after normalisation (`padding`
    mean), 0 before it (black) or the image mirrored at its edge (reflect); a mean image moves with the pixels that it
    is subtracted from.  All random numbers follow from the seed and the epoch and are drawn on the CPU, so that every
    device and every version of NumPy yields the same images.
    """

    def __init__(
        self,
        images: ImageSet,
        normaliser: Normaliser,
        *,
        batch_size: int,
        crop_padding: int,
        padding: str,
        mirror: str,
        seed: int,
        device: torch.device | str = "cpu",
    ) -> None:
        if batch_size < 1 or crop_padding < 0:
            raise ResLabError("batch_size must be 1 or more, and crop_padding 0 or more")
        for name, value in (("padding", padding), ("mirror", mirror)):
            if value not in CHOICES[name]:
                raise ResLabError(f"{name} must be one of {', '.join(CHOICES[name])}; not {value!r}")
        height, width = images.image_shape[1:]
        if padding == "reflect" and crop_padding >= min(height, width):
            raise ResLabError(
                f"with padding reflect, crop_padding must be below the height and width of the images, {height} x "
                f"{width}, not {crop_padding}"
            )
        self.num_images = len(images)
        self.num_batches = -(-self.num_images // batch_size)
        self._batch_size = batch_size
        self._crop_padding = crop_padding
        self._reflects = {"mean": False, "black": False, "reflect": True}[padding]
        self._mirrors = {"random": True, "alternating": True, "none": False}[mirror]
        self._alternates = mirror == "alternating"
        self._seed = seed
        self._device = torch.device(device)
        self._images, self._labels = _to_device(images, self._device)
        self._padded, self._everyone = self._room_for_padded()
        self._normalise = Normalise(
            normaliser,
            images.image_shape,
            crop_padding=crop_padding,
            padding=padding,
            mirrors=self._mirrors,
            device=self._device,
        )
        self._worker = ThreadPoolExecutor(1) if self._device.type == "cuda" else None
        self._ahead: tuple[int, Future[Tensor] | None] = (0, None)
        # One kernel in place of about twenty, with bit-identical results.
        self._by_kernel = available(self._device) and self._normalise.has_kernel

    @property
    def uses_kernel(self) -> bool:
        """Whether our own kernel makes the images of a batch."""
        return self._by_kernel

    def batches(self, epoch: int, start: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield images (B x C x H x W) and labels (int64, B) of an epoch, counted from 0.

        `start` skips that many batches without changing the others.  No image is copied to or from the device, and the
        CPU never waits for it.
        """
        for draw in self.draws(epoch, start):
            yield self.render(*draw)

    def draws(self, epoch: int, start: int = 0) -> Iterator[tuple[Tensor]]:
        """Yield what `render` makes each batch from: an image's place, row, column and 1 if mirrored (int64, B x 4)."""
        draws = self._drawn(epoch)
        for batch in range(start, self.num_batches):
            yield (draws[batch * self._batch_size : (batch + 1) * self._batch_size],)

    def changed(self, draw: tuple[Tensor, ...], change: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor]:
        """Return the draw with its images' pixels (uint8, B x C x H x W) changed before anything else."""
        return draw[0], change(self._images.index_select(0, draw[0][:, 0]))

    def render(self, draw: Tensor, pixels: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return a batch's images and labels, which depend on nothing but the draw.

        `pixels` holds the pixels of the batch's images if they were changed.
        """
        if pixels is not None:
            return self._rendered(pixels, *draw.unbind(1))
        if self._by_kernel:
            return self._normalise.by_kernel(
                self._images, self._labels, draw, edge=self._crop_padding, reflects=self._reflects
            )
        places, rows, columns, mirrored = draw.unbind(1)
        return self._rendered(self._images.index_select(0, places), places, rows, columns, mirrored)

    def _rendered(
        self, pixels: Tensor, places: Tensor, rows: Tensor, columns: Tensor, mirrored: Tensor
    ) -> tuple[Tensor, Tensor]:
        if self._mirrors:
            pixels = torch.where(mirrored[:, None, None, None] > 0, pixels.flip(3), pixels)
        if self._crop_padding:
            pixels = self._crop(pixels, rows, columns)
        windows = (mirrored * self._num_offsets + rows) * self._num_offsets + columns
        return self._normalise(pixels, windows), self._labels.index_select(0, places)

    @property
    def _num_offsets(self) -> int:
        return 2 * self._crop_padding + 1

    def _drawn(self, epoch: int) -> Tensor:
        """Return an epoch's draws on the device; while a GPU works on them, the next epoch's are prepared."""
        if self._worker is None:
            return self._draw(epoch).to(self._device)
        ready, ahead = self._ahead
        draws = ahead.result() if ahead is not None and ready == epoch else self._draw(epoch)
        self._ahead = epoch + 1, self._worker.submit(self._draw, epoch + 1)
        return draws.to(self._device)

    def _draw(self, epoch: int) -> Tensor:
        """Return the epoch's order of images and, for each of them, the crop's row and column and 1 if mirrored."""
        count = self.num_images
        order = np.argsort(random_words(count, self._seed, "order", epoch), kind="stable")
        offsets = random_words(2 * count, self._seed, "crop", epoch) % np.uint64(self._num_offsets)
        mirrored = np.zeros(count, dtype=np.uint64)
        if self._alternates:
            first = random_words(count, self._seed, "mirror", 0) >> np.uint64(63)
            mirrored = first[order] ^ np.uint64(epoch % 2)
        elif self._mirrors:
            mirrored = random_words(count, self._seed, "mirror", epoch) >> np.uint64(63)
        draws = (order, offsets[:count], offsets[count:], mirrored)
        return torch.from_numpy(np.stack([draw.astype(np.int64) for draw in draws], axis=1))

    def _room_for_padded(self) -> tuple[Tensor, Tensor]:
        """Return a buffer for a padded batch, whose border stays 0, and the indices of the images in it."""
        channels, height, width = self._images.shape[1:]
        extra = 2 * self._crop_padding
        size = (min(self._batch_size, self.num_images), channels, height + extra, width + extra)
        padded = torch.zeros(size if extra else (0,), dtype=torch.uint8, device=self._device)
        return padded, torch.arange(size[0], device=self._device)

    def _crop(self, pixels: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        count, _, height, width = pixels.shape
        edge = self._crop_padding
        padded = self._padded[:count]
        padded[:, :, edge : edge + height, edge : edge + width] = pixels
        if self._reflects:
            for side in (padded[:, :, edge : edge + height], padded.mT):
                side[..., :edge] = side[..., edge + 1 : 2 * edge + 1].flip(-1)
                side[..., -edge:] = side[..., -2 * edge - 1 : -edge - 1].flip(-1)
        crops = padded.unfold(2, height, 1).unfold(3, width, 1)  # a view: B x C x offsets x offsets x H x W
        return crops[self._everyone[:count], :, rows, columns]


class EvaluationBatches:
    """Images unaugmented and in order: iterates over images (B x C x H x W) and labels (int64, B)."""

    def __init__(
        self,
        images: ImageSet,
        normaliser: Normaliser,
        *,
        batch_size: int = 500,
        device: torch.device | str = "cpu",
    ) -> None:
        if batch_size < 1:
            raise ResLabError("batch_size must be 1 or more")
        self.num_images = len(images)
        self.num_batches = -(-self.num_images // batch_size)
        self.batch_size = batch_size
        where = torch.device(device)
        self._images, self._labels = _to_device(images, where)
        self._normalise = Normalise(
            normaliser,
            images.image_shape,
            crop_padding=0,
            padding="mean",
            mirrors=False,
            device=where,
        )

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        for start in range(0, self.num_images, self.batch_size):
            part = slice(start, start + self.batch_size)
            yield self._normalise(self._images[part], None), self._labels[part]


def _to_device(images: ImageSet, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return the images and labels on the device; on the CPU they share the image set's memory and are read-only."""
    arrays = (np.require(array, requirements=["C", "W"]) for array in (images.images, images.labels))
    pixels, labels = (torch.from_numpy(array).to(device) for array in arrays)
    return pixels, labels


def random_words(count: int, seed: int, purpose: str, epoch: int) -> NDArray[np.uint64]:
    """Return raw 64-bit words of a counter-based generator whose stream NumPy promises never to change."""
    return np.random.Philox(key=random_stream(seed, purpose, epoch)).random_raw(count)
