"""Batches on the device: cropped, mirrored and normalised whole, from pixels kept as uint8."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from reslab.data.images import ImageSet
from reslab.data.normalisation import Normaliser, per_image_bound
from reslab.errors import ResLabError
from reslab.kernels.gpu_layer import available, on_device
from reslab.recipe import CHOICES, random_stream


class TrainBatches:
    """The training images, shuffled and augmented anew in each epoch; the last batch may be smaller.

    Each image is mirrored or not (`mirror` random; alternating: drawn for the first epoch, then the other way in each
    next one; or none), padded by `crop_padding` on each side, and cropped to its size at one of
    (2 x crop_padding + 1)^2 offsets, all equally likely (He et al. 2016, section 4.2).  Padded pixels are zero after
    normalisation (`padding` mean), 0 before it (black) or the image mirrored at its edge (reflect); a mean image is
    subtracted where the pixel came from.  All chance comes from the seed and the epoch, drawn on the CPU, so that
    every device and every version of NumPy sees the same images.
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
        dtype: torch.dtype = torch.float32,
        channels_last: bool = False,
    ) -> None:
        if batch_size < 1 or crop_padding < 0:
            raise ResLabError("batch_size must be 1 or more, and crop_padding 0 or more")
        for name, value in (("padding", padding), ("mirror", mirror)):
            if value not in CHOICES[name]:
                raise ResLabError(f"{name} must be one of {', '.join(CHOICES[name])}; not {value!r}")
        self.num_images = len(images)
        self.num_batches = -(-self.num_images // batch_size)
        self._batch_size = batch_size
        self._crop_padding = crop_padding
        self._reflects = padding == "reflect"
        self._mirrors = mirror != "none"
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
            dtype=dtype,
            channels_last=channels_last,
        )
        self._worker = ThreadPoolExecutor(1) if self._device.type == "cuda" else None
        self._ahead: tuple[int, Future[Tensor] | None] = (0, None)
        # One kernel in place of some twenty, to the same bits.
        self._by_kernel = available(self._device) and self._normalise.has_kernel

    def batches(self, epoch: int, start: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield images (B x C x H x W) and labels (int64, B) of an epoch, counted from 0.

        `start` leaves out that many batches; the others are what they would have been.  No image is copied to
        or from the device, which is never waited for.
        """
        for draw in self.draws(epoch, start):
            yield self.render(*draw)

    def draws(self, epoch: int, start: int = 0) -> Iterator[tuple[Tensor]]:
        """Yield what `render` makes each batch from: an image's place, row, column and 1 if mirrored (int64, B x 4)."""
        draws = self._drawn(epoch)
        for batch in range(start, self.num_batches):
            yield (draws[batch * self._batch_size : (batch + 1) * self._batch_size],)

    def render(self, draw: Tensor) -> tuple[Tensor, Tensor]:
        """Return a batch's images and labels; nothing but the draw tells one batch from another."""
        if self._by_kernel:
            return self._normalise.by_kernel(
                self._images, self._labels, draw, edge=self._crop_padding, reflects=self._reflects
            )
        places, rows, columns, mirrored = draw.unbind(1)
        pixels = self._images.index_select(0, places)
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
        """Return an epoch's draws on the device; while a card works on them, the next epoch's are made."""
        if self._worker is None:
            return self._draw(epoch).to(self._device)
        ready, ahead = self._ahead
        draws = ahead.result() if ahead is not None and ready == epoch else self._draw(epoch)
        self._ahead = epoch + 1, self._worker.submit(self._draw, epoch + 1)
        return draws.to(self._device)

    def _draw(self, epoch: int) -> Tensor:
        """Return the epoch's order and, for each place in it, the crop's row and column and 1 if mirrored."""
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
        """Return room for a padded batch, its border 0 for good, and the numbers of the images in it."""
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
    """Images unaugmented and in their order: iterates over images (B x C x H x W) and labels (int64, B)."""

    def __init__(
        self,
        images: ImageSet,
        normaliser: Normaliser,
        *,
        batch_size: int = 500,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
        channels_last: bool = False,
    ) -> None:
        if batch_size < 1:
            raise ResLabError("batch_size must be 1 or more")
        self.num_images = len(images)
        self.num_batches = -(-self.num_images // batch_size)
        self._batch_size = batch_size
        where = torch.device(device)
        self._images, self._labels = _to_device(images, where)
        self._normalise = Normalise(
            normaliser,
            images.image_shape,
            crop_padding=0,
            padding="mean",
            mirrors=False,
            device=where,
            dtype=dtype,
            channels_last=channels_last,
        )

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        for start in range(0, self.num_images, self._batch_size):
            part = slice(start, start + self._batch_size)
            yield self._normalise(self._images[part], None), self._labels[part]


class Normalise:
    """Pixels of a cropped batch to the network's input.

    A crop's shift depends on its window (mirrored or not, row and column of the offset) where a mean image
    moves with the pixels or the border must come out as zero; then there is a table with the shift image of
    every window.
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
        dtype: torch.dtype,
        channels_last: bool,
    ) -> None:
        self._dtype = dtype
        self._memory_format = torch.channels_last if channels_last else torch.contiguous_format
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
        """Whether `by_kernel` makes what is asked for: images that are not normalised by their own statistics."""
        is_usual = self._dtype == torch.float32 and self._memory_format == torch.channels_last
        return is_usual and self._scale is not None

    def by_kernel(
        self, pixels: Tensor, labels: Tensor, draw: Tensor, *, edge: int, reflects: bool
    ) -> tuple[Tensor, Tensor]:
        """Return the input and the labels of a draw of a batch on a graphics card, mirrored, cropped and normalised."""
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
        """Return the input of a batch; `windows` (B) are needed where anything was cropped or mirrored."""
        if self._scale is None:
            values = self._by_own_statistics(pixels, windows)
        elif self._table is not None and windows is not None:
            values = torch.sub(pixels, self._table.index_select(0, windows)).mul_(self._scale)
        else:
            assert self._shift is not None
            values = torch.sub(pixels, self._shift).mul_(self._scale)
        return values.to(dtype=self._dtype, memory_format=self._memory_format)

    def _by_own_statistics(self, pixels: Tensor, windows: Tensor | None) -> Tensor:
        """Standardise each image; padded pixels count as black, or as the image's mean, which becomes zero.

        Sums are exact, so that no device's order of summation shows.
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
        # torch's root of float32 is not always the nearest one on a CPU; by way of float64, which MPS lacks, it is
        wide = variance if variance.device.type == "mps" else variance.double()
        scale = 1 / wide.sqrt().float().clamp(min=self._bound)
        values.sub_(mean[:, None, None, None]).mul_(scale[:, None, None, None])
        return values if inside is None else torch.where(inside, values, 0.0)


def _to_device(images: ImageSet, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return the images and labels there; on the CPU they share the image set's memory and are only read."""
    arrays = (np.require(array, requirements=["C", "W"]) for array in (images.images, images.labels))
    pixels, labels = (torch.from_numpy(array).to(device) for array in arrays)
    return pixels, labels


def _windows(
    image: NDArray[np.float32], border: NDArray[np.float32] | None, crop_padding: int, mirrors: bool
) -> NDArray[np.float32]:
    """Return what each crop sees of an image in its border: (mirrored, row, column) flattened x C x H x W.

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


def random_words(count: int, seed: int, purpose: str, epoch: int) -> NDArray[np.uint64]:
    """Return raw 64-bit words of a counter-based generator, whose stream NumPy promises never to change."""
    return np.random.Philox(key=random_stream(seed, purpose, epoch)).random_raw(count)
