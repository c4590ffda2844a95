"""Images and labels as values, their canonical order, and the fingerprint of their content.

Order and fingerprint are made from one SHA-256 per image, so that the order of the source files affects neither a
training nor its provenance.
"""

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reslab.datasets import DATASETS
from reslab.errors import DataError


@dataclass(frozen=True, slots=True, eq=False)
class ImageSet:
    """Images with their labels.

    `images` is uint8 of N x C x H x W (pixels 0 to 255), `labels` int64 of N; anything else raises
    `DataError`. The arrays are shared, never copied: treat them as read-only.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]

    def __post_init__(self) -> None:
        images, labels = self.images, self.labels
        if images.dtype != np.uint8 or images.ndim != 4:
            raise DataError(f"images must be uint8 of N x C x H x W, not {images.dtype} of {_shape(images)}")
        if labels.dtype != np.int64 or labels.ndim != 1:
            raise DataError(f"labels must be int64 of N, not {labels.dtype} of {_shape(labels)}")
        if len(images) != len(labels):
            raise DataError(f"{len(images):,} images cannot have {len(labels):,} labels")
        if len(images) == 0:
            raise DataError("there must be at least one image")
        if labels.min() < 0:
            raise DataError(f"labels must be 0 or more, not {labels.min()}")

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Channels, height and width of an image."""
        _, channels, height, width = self.images.shape
        return channels, height, width

    def take(self, indices: NDArray[np.int64]) -> "ImageSet":
        """Return the images at these places, copied, in this order."""
        return ImageSet(self.images[indices], self.labels[indices])


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """A data set: training and test images, class names, and the fingerprint of its content.

    `official` says whether fingerprint and class names are those of the published data set of this name.
    """

    name: str
    train: ImageSet
    test: ImageSet
    class_names: tuple[str, ...]
    fingerprint: str
    official: bool

    def __post_init__(self) -> None:
        if self.train.image_shape != self.test.image_shape:
            raise DataError(
                f"{self.name}: training images are {_times(self.train.image_shape)}, "
                f"but test images {_times(self.test.image_shape)}"
            )
        for part, images in (("training", self.train), ("test", self.test)):
            if (largest := int(images.labels.max())) >= self.num_classes:
                raise DataError(f"{self.name}: {part} label {largest} is not in 0 to {self.num_classes - 1}")

    @property
    def num_classes(self) -> int:
        """Number of classes."""
        return len(self.class_names)


def make_dataset(
    name: str,
    train: ImageSet,
    test: ImageSet,
    class_names: tuple[str, ...],
    *,
    digests: tuple[NDArray[np.uint64], NDArray[np.uint64]] | None = None,
) -> Dataset:
    """Return the data set with its fingerprint; `digests` are the pixel digests of both parts if known."""
    known = digests or (pixel_digests(train.images), pixel_digests(test.images))
    found = _fingerprint([("train", train, known[0]), ("test", test, known[1])])
    named = hashlib.sha256("\n".join(class_names).encode()).hexdigest()
    spec = DATASETS.get(name)
    official = spec is not None and found == spec.fingerprint and spec.class_names_sha256 in (None, named)
    return Dataset(name, train, test, class_names, found, official)


def pixel_digests(images: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Return each image's SHA-256 over its pixels as four big-endian words: uint64 of N x 4."""
    rows = np.ascontiguousarray(images).reshape(len(images), -1)
    joined = b"".join(hashlib.sha256(row.tobytes()).digest() for row in rows)
    return np.frombuffer(joined, dtype=">u8").reshape(-1, 4).astype(np.uint64)


def canonical_order(digests: NDArray[np.uint64], *labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the indices of images sorted by pixel digest, and of equal images by their labels."""
    words = [digests[:, word] for word in range(digests.shape[1])]
    return np.lexsort([*reversed(labels), *reversed(words)]).astype(np.int64)


def _fingerprint(parts: list[tuple[str, ImageSet, NDArray[np.uint64]]]) -> str:
    """Return the SHA-256 of the content, in hexadecimal.

    It covers all pixels and labels and the part they belong to, and does not depend on the order of images.
    """
    whole = hashlib.sha256()
    for part, images, digests in parts:
        order = canonical_order(digests, images.labels)
        whole.update(f"{part} {len(images)} {_times(images.image_shape)}\n".encode())
        whole.update(digests[order].astype(">u8").tobytes())
        whole.update(images.labels[order].astype(">i8").tobytes())
    return whole.hexdigest()


def _times(shape: tuple[int, ...]) -> str:
    return " x ".join(str(length) for length in shape)


def _shape(array: NDArray[np.generic]) -> str:
    return _times(array.shape) or "no dimension"
