"""Warnings about a set of images: duplicates, class names that look alike, images that are nearly black."""

import unicodedata
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from reslab.data.images import Dataset, pixel_digests
from reslab.files import one_line

Part = tuple[Sequence[bytes], NDArray[np.int64]]
"""The digest of each image, and the labels."""


def doubts(dataset: Dataset) -> Iterator[str]:
    """Yield warnings about images in memory before they are trained on."""
    largest = int(dataset.train.images.max())
    if largest <= 1:
        yield f"the largest pixel is {largest}, of 255: should they be floats?  Those are of 0 to 1"
    train, test = (
        ([row.tobytes() for row in pixel_digests(part.images)], part.labels) for part in (dataset.train, dataset.test)
    )
    yield from repeated(train, test)
    yield from alike(dataset.class_names)


def repeated(train: Part, test: Part) -> Iterator[str]:
    """Yield how many test images are also training images, and how many images have several labels."""
    of_training = set(train[0])
    num_shared = sum(digest in of_training for digest in test[0])
    if num_shared:
        verb = "is a training image" if num_shared == 1 else "are training images"
        yield f"{num_shared:,} of {len(test[0]):,} test images {verb}, too: the test error is too low"
    labels: dict[bytes, int] = {}
    several = {
        digest
        for digests, own in (train, test)
        for digest, label in zip(digests, own.tolist(), strict=True)
        if labels.setdefault(digest, label) != label
    }
    if several:
        yield f"{len(several):,} image{'s have' if len(several) > 1 else ' has'} more than one label"


def alike(names: Sequence[str]) -> Iterator[str]:
    """Yield class names that look the same: one name in two Unicode normalisation forms."""
    forms: dict[str, int] = {}
    for name in names:
        plain = unicodedata.normalize("NFC", name)
        forms[plain] = forms.get(plain, 0) + 1
    if several := [one_line(name) for name, count in forms.items() if count > 1]:
        yield f"two classes look alike, one name in two forms of Unicode (NFC and NFD): {', '.join(several[:5])}"
