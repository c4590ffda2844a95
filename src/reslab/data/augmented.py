"""Augmentation beyond crop and mirror: RandAugment before them, cutout and mixup after them."""

import math
from collections.abc import Callable, Iterator
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from reslab.data.batches import random_words
from reslab.data.randaugment import Change, RandAugment

Draw = tuple[Tensor, ...]

AUGMENTING = ("randaugment", "cutout", "mixup")
"""Fields of the recipe any of which, unless it is zero, makes batches `AugmentedBatches`."""


class Augmentable(Protocol):
    """Cropped and mirrored batches: `TrainBatches` or `FileTrainBatches`."""

    @property
    def num_images(self) -> int:
        """Images per epoch."""

    @property
    def num_batches(self) -> int:
        """Batches per epoch."""

    def draws(self, epoch: int, start: int = 0) -> Iterator[Draw]:
        """Yield what each batch of an epoch is made from, skipping the first `start`."""

    def changed(self, draw: Draw, change: Change) -> Draw:
        """Return the draw of the same batch with its pixels (uint8, B x C x H x W) changed before anything else."""

    @property
    def render(self) -> Callable[..., tuple[Tensor, Tensor]]:
        """Make a batch's images and labels from a draw."""


class AugmentedBatches:
    """The batches of `inner`, augmented further; `size` is the height and the width of an image.

    `randaugment` operations at `magnitude` are applied to each image's pixels.  After normalisation a square with sides
    of `cutout` pixels is set to zero in each image: its centre is any pixel, so part of it may lie outside (DeVries and
    Taylor 2017; if the side is even, one more row and column lie before the centre than after it).  With `mixup`, the
    batch is mixed with itself in another order, share x its own + (1 - share) x the other, the share drawn once per
    batch from Beta(mixup, mixup) (Zhang et al. 2018); labels are then float32, B x num_classes, else int64, B.

    All random numbers follow from the seed and the epoch and are drawn on the CPU.
    """

    def __init__(
        self,
        inner: Augmentable,
        *,
        seed: int,
        batch_size: int,
        size: tuple[int, int],
        num_classes: int,
        randaugment: int,
        magnitude: float,
        cutout: int,
        mixup: float,
        device: torch.device,
    ) -> None:
        self.inner = inner
        self.num_images, self.num_batches = inner.num_images, inner.num_batches
        self._seed, self._batch_size, self._device = seed, batch_size, device
        self._size, self._num_classes = size, num_classes
        self._operations, self._cutout, self._mixup = randaugment, cutout, mixup
        self._randaugment = RandAugment(magnitude, *size, device) if randaugment else None
        self._lines = [torch.arange(side, device=device) for side in size]  # rows and columns

    @property
    def uses_kernel(self) -> bool:
        """Whether our own kernel makes the cropped images."""
        return self._randaugment is None and getattr(self.inner, "uses_kernel", False)

    def batches(self, epoch: int, start: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield images (B x C x H x W) and labels of an epoch (from 0), skipping the first `start` batches."""
        for draw in self.draws(epoch, start):
            yield self.render(*draw)

    def draws(self, epoch: int, start: int = 0) -> Iterator[Draw]:
        """Yield what `render` makes each batch from: the inner draw and, if enabled, centres, partners and share."""
        count = self.num_images
        words = random_words(count * self._operations, self._seed, "randaugment", epoch).reshape(count, -1)
        centres = random_words(2 * count, self._seed, "cutout", epoch).reshape(count, 2)
        centres %= np.array(self._size, dtype=np.uint64)
        orders = random_words(count, self._seed, "mixup order", epoch)
        shares = beta_shares(self.num_batches, self._mixup, self._seed, epoch) if self._mixup else None
        for batch, draw in enumerate(self.inner.draws(epoch, start), start=start):
            part = slice(batch * self._batch_size, (batch + 1) * self._batch_size)
            extras: list[NDArray[np.int64] | NDArray[np.float32]] = []
            if self._cutout:
                extras.append(centres[part].astype(np.int64))
            if shares is not None:
                extras.append(np.argsort(orders[part], kind="stable"))
                extras.append(np.array(shares[batch], dtype=np.float32))
            inner = draw if self._randaugment is None else self._augmented(draw, words[part])
            yield (*inner, *(torch.from_numpy(extra).to(self._device) for extra in extras))

    def render(self, *draw: Tensor) -> tuple[Tensor, Tensor]:
        """Return a batch's images and labels, which depend on nothing but the draw."""
        parts = list(draw)
        share = parts.pop() if self._mixup else None
        partners = parts.pop() if self._mixup else None
        centres = parts.pop() if self._cutout else None
        images, labels = self.inner.render(*parts)
        if centres is not None:
            images = images.masked_fill(self._squares(centres), 0.0)
        if share is None or partners is None:
            return images, labels
        targets = (labels[:, None] == torch.arange(self._num_classes, device=labels.device)).float()
        return mixed(images, partners, share), mixed(targets, partners, share)

    def _augmented(self, draw: Draw, words: NDArray[np.uint64]) -> Draw:
        randaugment = self._randaugment
        assert randaugment is not None
        return self.inner.changed(draw, lambda pixels: randaugment(pixels, words))

    def _squares(self, centres: Tensor) -> Tensor:
        """Return a mask of the squares, B x 1 x H x W."""
        before = self._cutout // 2
        rows, columns = (
            (offsets >= -before) & (offsets < self._cutout - before)
            for offsets in (line[None, :] - centres[:, axis, None] for axis, line in enumerate(self._lines))
        )
        return (rows[:, :, None] & columns[:, None, :])[:, None]


def mixed(values: Tensor, partners: Tensor, share: Tensor) -> Tensor:
    """Return share x values + (1 - share) x those of the partners, along the first dimension."""
    return values * share + values.index_select(0, partners) * (1 - share)


def beta_shares(count: int, alpha: float, seed: int, epoch: int) -> list[float]:
    """Return `count` draws from Beta(alpha, alpha), each as the share that one of two Gamma draws has of their sum."""
    draws = (_Words(seed, epoch, number) for number in range(count))
    return [1 / (1 + math.exp(min(700.0, words.log_gamma(alpha) - words.log_gamma(alpha)))) for words in draws]


class _Words:
    """The random numbers of one batch, drawn as needed."""

    def __init__(self, seed: int, epoch: int, batch: int) -> None:
        self._key = f"mixup share {batch}"
        self._seed, self._epoch, self._used = seed, epoch, 0
        self._numbers: list[float] = []

    def uniform(self) -> float:
        """Return a random number above 0 and at most 1."""
        if self._used == len(self._numbers):
            words = random_words(2 * max(8, self._used), self._seed, self._key, self._epoch)
            self._numbers = (((words >> np.uint64(11)) + np.uint64(1)) * 2.0**-53).tolist()
        self._used += 1
        return self._numbers[self._used - 1]

    def log_gamma(self, alpha: float) -> float:
        """Return the logarithm of a draw from Gamma(alpha), by the method of Marsaglia and Tsang 2000."""
        if alpha < 1:
            return self.log_gamma(alpha + 1) + math.log(self.uniform()) / alpha
        d = alpha - 1 / 3
        while True:
            normal = math.sqrt(-2 * math.log(self.uniform())) * math.cos(2 * math.pi * self.uniform())
            v = (1 + normal / math.sqrt(9 * d)) ** 3
            if v > 0 and math.log(self.uniform()) < normal**2 / 2 + d * (1 - v + math.log(v)):
                return math.log(d * v)
