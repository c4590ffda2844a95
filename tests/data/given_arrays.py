"""Arrays and a torch dataset, as a user would give them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

Pixels = NDArray[Any]


def arrays(side: int = 12, channels: int = 3, seed: int = 0) -> tuple[Pixels, Pixels, Pixels, Pixels]:
    """Return 24 and 8 images, N x H x W x C, of 2 classes that differ in brightness."""
    generator = np.random.default_rng(seed)
    parts: list[Pixels] = []
    for count in (24, 8):
        labels = np.arange(count) % 2
        noise = generator.integers(0, 100, (count, side, side + 2, channels))
        parts += [(noise + 120 * labels[:, None, None, None]).astype(np.uint8), labels]
    return parts[0], parts[1], parts[2], parts[3]


class Pairs:
    """What torch's loaders take for a dataset."""

    def __init__(
        self, pixels: Pixels, labels: Pixels, random: bool = False, classes: Sequence[str] | None = ("dark", "light")
    ) -> None:
        self.pixels, self.labels, self.random, self.classes = pixels, labels, random, classes

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, place: int) -> tuple[torch.Tensor, int]:
        image = torch.from_numpy(self.pixels[place]).permute(2, 0, 1) / 255
        return image.flip(2) if self.random and torch.rand(()) < 0.5 else image, int(self.labels[place])
