"""The built-in default: the scanned digits that come with scikit-learn, enlarged to the size of CIFAR's images.

Source: E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning Repository,
1998 (its test part), 8 x 8 pixels of 0 to 16.
"""

import importlib.util
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reslab.data.images import Dataset, ImageSet, canonical_order, make_dataset, pixel_digests
from reslab.errors import DataError

ENLARGEMENT = 4
"""Factor of enlargement in both directions."""

TEST_DIVISOR = 5
"""One in this many images of each class is a test image."""


def load(_: str, data_root: Path | None = None, progress: object = None) -> Dataset:
    """Return the digits, with the signature that the table of data sets expects."""
    return load_digits()


def load_digits() -> Dataset:
    """Return the digits as images of 3 x 32 x 32 (the channels alike) in 10 classes, a fifth for testing.

    The test images of a class are its first fifth in canonical order: always the same ones, chosen by content.  Raises
    `DataError` if scikit-learn is not installed.
    """
    scans, labels = _scans()
    images = np.repeat(enlarge(scans)[:, np.newaxis], 3, axis=1)
    digests = pixel_digests(images)
    order = canonical_order(digests, labels)
    is_test = np.zeros(len(labels), dtype=bool)
    for digit in range(10):
        members = order[labels[order] == digit]
        is_test[members[: len(members) // TEST_DIVISOR]] = True
    train, test = order[~is_test[order]], order[is_test[order]]
    whole = ImageSet(images, labels)
    names = tuple(str(digit) for digit in range(10))
    return make_dataset("digits", whole.take(train), whole.take(test), names, digests=(digests[train], digests[test]))


def enlarge(scans: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return images of 0 to 16 enlarged bilinearly four times in both directions and scaled to 0 to 255.

    N x H x W becomes N x 4H x 4W.  Pixel centres stay in place and edges are repeated.  The weights are whole eighths,
    and halves are rounded up, so that every pixel is exact with any library.
    """
    weighted = _along(_along(scans.astype(np.int64), 1), 2)  # 64 times the interpolated value
    return ((weighted * 255 + 512) // 1024).astype(np.uint8)


def _along(scans: NDArray[np.int64], axis: int) -> NDArray[np.int64]:
    """Interpolate along one axis, times 8: new pixel i lies at (2i - 3) / 8 of the old ones."""
    size = scans.shape[axis]
    eighths = 2 * np.arange(ENLARGEMENT * size) - (ENLARGEMENT - 1)
    left, weight = eighths // 8, eighths % 8
    shape = [1, 1, 1]
    shape[axis] = -1
    weight = weight.reshape(shape)
    below = np.take(scans, np.clip(left, 0, size - 1), axis=axis)
    above = np.take(scans, np.clip(left + 1, 0, size - 1), axis=axis)
    blended: NDArray[np.int64] = below * (8 - weight) + above * weight
    return blended


def _scans() -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Read scikit-learn's table: 64 pixels and a label per row.

    The file is read directly, because importing scikit-learn takes longer than training a small epoch.
    """
    spec = importlib.util.find_spec("sklearn")
    if spec is None or not spec.submodule_search_locations:
        raise DataError("the digits come with scikit-learn, which is not installed: pip install scikit-learn")
    path = Path(spec.submodule_search_locations[0]) / "datasets" / "data" / "digits.csv.gz"
    if path.is_file():
        table = np.loadtxt(path, delimiter=",")
        pixels, labels = table[:, :-1], table[:, -1]
    else:
        from sklearn import datasets

        pixels, labels = datasets.load_digits(return_X_y=True)
    return pixels.astype(np.uint8).reshape(-1, 8, 8), labels.astype(np.int64)
