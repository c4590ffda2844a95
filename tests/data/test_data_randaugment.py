"""RandAugment's operations beside Pillow's, and which of them are done to which image."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageOps

from reslab.data.batches import random_words
from reslab.data.randaugment import RandAugment

SIZE = 32
CPU = torch.device("cpu")
GREY = (128, 128, 128)
Pixels = NDArray[np.uint8]
Pillow = Callable[[Image.Image], Image.Image]


@pytest.fixture(scope="module")
def images() -> Pixels:
    """Smooth images of N x 32 x 32 x 3: of all values, of few, of one, and noise."""
    rough = np.random.Generator(np.random.Philox(0)).integers(0, 256, (4, 8, 8, 3), dtype=np.uint8)
    smooth = np.stack([np.asarray(Image.fromarray(one).resize((SIZE, SIZE))) for one in rough])
    smooth[1] = smooth[1] // 3 + 40
    smooth[2] = 77
    smooth[3] = np.random.Generator(np.random.Philox(1)).integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)
    return smooth


def affine(*matrix: float) -> Pillow:
    return lambda image: image.transform((SIZE, SIZE), Image.Transform.AFFINE, matrix, fillcolor=GREY)


def of_pillow(name: str, magnitude: float, sign: int) -> Pillow:
    """Return the operation as the papers have it: AutoAugment's ranges, in tenths by the magnitude."""
    share, factor = sign * magnitude / 10, 0.1 + 1.8 * magnitude / 10
    pixels = sign * int(10 * magnitude / 10)
    found: dict[str, Pillow] = {
        "identity": lambda image: image,
        "rotate": lambda image: image.rotate(30 * share, fillcolor=GREY),
        "shear-x": affine(1, 0.3 * share, 0, 0, 1, 0),
        "shear-y": affine(1, 0, 0, 0.3 * share, 1, 0),
        "translate-x": affine(1, 0, pixels, 0, 1, 0),
        "translate-y": affine(1, 0, 0, 0, 1, pixels),
        "autocontrast": ImageOps.autocontrast,
        "equalize": ImageOps.equalize,
        "solarize": lambda image: ImageOps.solarize(image, 256 - int(256 * magnitude / 10)),
        "posterize": lambda image: ImageOps.posterize(image, max(1, 8 - int(4 * magnitude / 10))),
        "color": lambda image: ImageEnhance.Color(image).enhance(factor),
        "contrast": lambda image: ImageEnhance.Contrast(image).enhance(factor),
        "brightness": lambda image: ImageEnhance.Brightness(image).enhance(factor),
        "sharpness": lambda image: ImageEnhance.Sharpness(image).enhance(factor),
    }
    return found[name]


NAMES = RandAugment(0, SIZE, SIZE, CPU).names


def word(number: int, sign: int) -> int:
    """Return a random word that stands for an operation and a direction."""
    high = (1 << 63) if sign < 0 else 0
    return high + (number - high) % len(NAMES)


def test_they_are_the_papers_fourteen() -> None:
    assert len(NAMES) == len(set(NAMES)) == 14


@pytest.mark.parametrize("magnitude", [0, 3, 5, 9, 14, 30])
@pytest.mark.parametrize("name", NAMES)
def test_each_operation_is_pillows_to_the_pixel(name: str, magnitude: int, images: Pixels) -> None:
    augment = RandAugment(magnitude, SIZE, SIZE, CPU)
    batch = torch.from_numpy(images.transpose(0, 3, 1, 2).copy())
    for sign in (1, -1):
        words = np.full((len(images), 1), word(NAMES.index(name), sign), dtype=np.uint64)
        ours = augment(batch, words).permute(0, 2, 3, 1).numpy()
        change = of_pillow(name, magnitude, sign)
        theirs = np.stack([np.asarray(change(Image.fromarray(one))) for one in images])
        assert np.array_equal(ours, theirs)
    assert np.array_equal(batch.permute(0, 2, 3, 1).numpy(), images)  # what was given is left as it was


def test_images_get_their_own_operations_one_after_the_other(images: Pixels) -> None:
    augment = RandAugment(9, SIZE, SIZE, CPU)
    chosen = [("rotate", "solarize"), ("equalize", "shear-x"), ("translate-y", "color"), ("posterize", "posterize")]
    words = np.array([[word(NAMES.index(name), 1) for name in names] for names in chosen], dtype=np.uint64)
    ours = augment(torch.from_numpy(images.transpose(0, 3, 1, 2).copy()), words).permute(0, 2, 3, 1).numpy()
    for one, names, found in zip(images, chosen, ours, strict=True):
        expected = Image.fromarray(one)
        for name in names:
            expected = of_pillow(name, 9, 1)(expected)
        assert np.array_equal(found, np.asarray(expected))


def test_all_operations_and_directions_are_drawn_alike() -> None:
    words = random_words(28_000, 3, "randaugment", 0)
    kinds = 2 * (words % np.uint64(14)) + (words >> np.uint64(63))
    counts = np.bincount(kinds.astype(np.int64), minlength=28)
    assert np.abs(counts - 1000).max() < 5 * math.sqrt(1000)


@pytest.mark.parametrize("channels", [1, 3])
def test_images_of_other_shapes_are_taken(channels: int) -> None:
    pixels = torch.randint(
        0, 256, (28, channels, 20, 12), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )
    words = np.array([[word(number, sign)] for number in range(14) for sign in (1, -1)], dtype=np.uint64)
    assert RandAugment(7, 20, 12, CPU)(pixels, words).shape == pixels.shape
