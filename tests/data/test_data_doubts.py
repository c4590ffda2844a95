"""What is said of images in memory that will train, and perhaps should not as they are."""

import numpy as np

from reslab.data.doubts import doubts
from reslab.data.images import Dataset, ImageSet, make_dataset


def dataset(*, largest: int = 255, shared: int = 0, names: tuple[str, ...] = ("a", "b")) -> Dataset:
    images = np.random.default_rng(0).integers(0, largest + 1, (12, 3, 8, 8), dtype=np.uint8)
    labels = np.arange(12) % 2
    test = slice(8 - shared, 12 - shared)
    train = ImageSet(images[:8], labels[:8])
    return make_dataset("own", train, ImageSet(images[test], labels[test]), names)


def test_nothing_is_said_of_usual_images() -> None:
    assert list(doubts(dataset())) == []


def test_images_that_are_nearly_black_are_told() -> None:
    (words,) = doubts(dataset(largest=1))
    assert words == "the largest pixel is 1, of 255: should they be floats?  Those are of 0 to 1"
    assert list(doubts(dataset(largest=2))) == []


def test_images_for_both_parts_and_labels_are_counted() -> None:
    assert list(doubts(dataset(shared=3))) == ["3 of 4 test images are training images, too: the test error is too low"]
    images = np.full((3, 3, 8, 8), 9, np.uint8)
    twice = ImageSet(images, np.array([0, 1, 0]))
    assert list(doubts(make_dataset("own", twice, twice, ("a", "b"))))[1] == "1 image has more than one label"


def test_names_that_look_alike_are_told() -> None:
    (words,) = doubts(dataset(names=("caf\u00e9", "cafe\u0301")))
    assert words.endswith("(NFC and NFD): caf\u00e9")
