"""Batches from image files: threads decode, crop and resize ahead of the training; the device normalises."""

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from reslab.data.batches import random_words
from reslab.data.decoding import decode
from reslab.data.folders import FileSet
from reslab.data.normalisation import Normaliser
from reslab.data.normalise import Normalise
from reslab.recipe import random_stream

if TYPE_CHECKING:
    from PIL.Image import Image

AREA = (0.08, 1.0)
"""Smallest and largest share of an image's area that a random crop has."""

RATIO = (3 / 4, 4 / 3)
"""Smallest and largest ratio of a random crop's width to its height."""

NUM_TRIES = 10
"""Random crops tried before falling back on the central one, if none fits into the image."""

NUM_AHEAD = 2
"""Batches in preparation while one is trained on."""

EVALUATION_RESIZE = 256 / 224
"""Shorter side of a resized evaluation image, relative to the side of its central crop."""

_Pixels = NDArray[np.uint8]


class FileTrainBatches:
    """The training images in files, shuffled and augmented anew in each epoch; the last batch may be smaller.

    A crop of 8% to 100% of the image's area, its sides between 3:4 and 4:3, is resized to `image_size` and mirrored or
    not (`mirror` random or none), as usual since Szegedy et al. 2015.  An image's random numbers depend only on the
    seed, the epoch and its place in the set, so that neither the number of threads nor a stop changes a pixel.
    `workers` threads decode (None: as many as torch computes with).  A file that cannot be decoded raises `DataError`.
    """

    def __init__(
        self,
        images: FileSet,
        normaliser: Normaliser,
        *,
        image_size: int,
        batch_size: int,
        mirror: str,
        seed: int,
        device: torch.device | str = "cpu",
        workers: int | None = None,
    ) -> None:
        self.num_images = len(images)
        self.num_batches = -(-self.num_images // batch_size)
        self._batch_size = batch_size
        self._size = image_size
        self._mirrors = {"random": True, "none": False}[mirror]
        self._seed = seed
        self._source = _Source(images, normaliser, image_size, torch.device(device), workers)

    def batches(self, epoch: int, start: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield images (B x 3 x S x S) and labels (int64, B) of an epoch (from 0), skipping `start` batches."""
        for draw in self.draws(epoch, start):
            yield self.render(*draw)

    def draws(self, epoch: int, start: int = 0) -> Iterator[tuple[Tensor, ...]]:
        """Yield what `render` makes each batch from: its pixels (uint8, B x S x S x 3) and labels, on the device."""
        order = np.argsort(random_words(self.num_images, self._seed, "order", epoch), kind="stable")
        first = start * self._batch_size
        places = (order[at : at + self._batch_size] for at in range(first, len(order), self._batch_size))
        key = random_stream(self._seed, "augmentation", epoch)
        yield from self._source.serve(places, partial(_augment, size=self._size, key=key, mirrors=self._mirrors))

    def changed(self, draw: tuple[Tensor, ...], change: Callable[[Tensor], Tensor]) -> tuple[Tensor, ...]:
        """Return the draw with its pixels changed, as B x 3 x S x S: after the crop, since files differ in size."""
        pixels, labels = draw
        return change(pixels.permute(0, 3, 1, 2)).permute(0, 2, 3, 1), labels

    def render(self, pixels: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Return a batch's images and labels."""
        return self._source.normalised(pixels), labels


class FileEvaluationBatches:
    """Images in files, in order: resized to a shorter side of 256/224 of `image_size`, the centre cropped."""

    def __init__(
        self,
        images: FileSet,
        normaliser: Normaliser,
        *,
        image_size: int,
        batch_size: int = 100,
        device: torch.device | str = "cpu",
        workers: int | None = None,
    ) -> None:
        self.num_images = len(images)
        self.num_batches = -(-self.num_images // batch_size)
        self.batch_size = batch_size
        self._size = image_size
        self._source = _Source(images, normaliser, image_size, torch.device(device), workers)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        order = np.arange(self.num_images)
        places = (order[at : at + self.batch_size] for at in range(0, len(order), self.batch_size))
        for pixels, labels in self._source.serve(places, lambda image, _: central_crop(image, self._size)):
            yield self._source.normalised(pixels), labels


def random_crop(width: int, height: int, chances: Sequence[float]) -> tuple[int, int, int, int]:
    """Return left, top, right and bottom of a random crop; `chances` are 40 numbers in [0, 1).

    The area and the logarithm of the ratio are uniform; if ten tries do not fit, the crop is central and as large as
    the ratios allow.
    """
    for place in range(0, 4 * NUM_TRIES, 4):
        share, shape, across, down = chances[place : place + 4]
        area = width * height * (AREA[0] + share * (AREA[1] - AREA[0]))
        ratio = math.exp(math.log(RATIO[0]) + shape * (math.log(RATIO[1]) - math.log(RATIO[0])))
        wide, high = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < wide <= width and 0 < high <= height:
            left, top = int(across * (width - wide + 1)), int(down * (height - high + 1))
            return left, top, left + wide, top + high
    wide = max(1, min(width, round(height * RATIO[1])))
    high = max(1, min(height, round(width / RATIO[0])))
    left, top = (width - wide) // 2, (height - high) // 2
    return left, top, left + wide, top + high


_MOST_RESIZED = 2**24
"""Most pixels to which a whole image is resized."""


def central_crop(image: "Image", size: int) -> _Pixels:
    """Resize an image to a shorter side of 256/224 `size`, and return its central `size` x `size` pixels, H x W x 3."""
    shorter = round(EVALUATION_RESIZE * size)
    width, height = (int(shorter * side / min(image.size)) for side in image.size)
    left, top = round((width - size) / 2), round((height - size) / 2)
    if width * height > _MOST_RESIZED:  # a thin strip would become gigabytes: resize only its middle
        across, down = image.width / width, image.height / height
        box = (left * across, top * down, (left + size) * across, (top + size) * down)
        return np.asarray(image.resize((size, size), _bilinear(), box=box))
    resized = image.resize((width, height), _bilinear())
    return np.asarray(resized.crop((left, top, left + size, top + size)))


def _augment(image: "Image", place: int, *, size: int, key: int, mirrors: bool) -> _Pixels:
    words = np.random.Philox(key=key, counter=[0, 0, 0, place]).random_raw(4 * NUM_TRIES + 1)
    chances = ((words >> np.uint64(11)) * 2.0**-53).tolist()
    pixels = np.asarray(image.crop(random_crop(*image.size, chances[1:])).resize((size, size), _bilinear()))
    return pixels[:, ::-1] if mirrors and chances[0] < 0.5 else pixels


class _Source:
    """Turns files into batches on the device."""

    def __init__(
        self,
        images: FileSet,
        normaliser: Normaliser,
        image_size: int,
        device: torch.device,
        workers: int | None,
    ) -> None:
        self._images = images
        self._device = device
        self._workers = workers or torch.get_num_threads()
        self._normalise = Normalise(
            normaliser,
            (3, image_size, image_size),
            crop_padding=0,
            padding="mean",
            mirrors=False,
            device=device,
        )

    def serve(
        self, batches: Iterable[NDArray[np.int64]], crop: Callable[["Image", int], _Pixels]
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the cropped pixels and the labels of these batches, preparing `NUM_AHEAD` batches ahead."""

        def prepare(place: int) -> _Pixels:
            return crop(decode(self._images.path(place)), place)

        waiting: deque[tuple[NDArray[np.int64], list[Future[_Pixels]]]] = deque()
        pool = ThreadPoolExecutor(self._workers, thread_name_prefix="images")
        try:
            for places in batches:
                waiting.append((places, [pool.submit(prepare, place) for place in places.tolist()]))
                if len(waiting) > NUM_AHEAD:
                    yield self._to_device(*waiting.popleft())
            while waiting:
                yield self._to_device(*waiting.popleft())
        finally:
            pool.shutdown(cancel_futures=True)

    def _to_device(self, places: NDArray[np.int64], images: list[Future[_Pixels]]) -> tuple[Tensor, Tensor]:
        pixels = torch.from_numpy(np.stack([image.result() for image in images])).to(self._device)
        labels = torch.from_numpy(self._images.labels[places]).to(self._device)
        return pixels, labels

    def normalised(self, pixels: Tensor) -> Tensor:
        """Return pixels B x S x S x 3 as the network's input."""
        return self._normalise(pixels.permute(0, 3, 1, 2), None)


def _bilinear() -> "Image.Resampling":  # type: ignore[name-defined]
    from PIL import Image

    return Image.Resampling.BILINEAR
