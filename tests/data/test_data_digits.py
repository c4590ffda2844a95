"""The digits: exact enlargement, fixed split, known content."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from sklearn import datasets

from reslab.data.digits import _scans, enlarge, load_digits
from reslab.data.images import make_dataset


def test_the_digits_are_always_the_same() -> None:
    digits = load_digits()
    assert digits.official
    assert digits.fingerprint == "35caf2701618f8a07dec0dbe8a2629572a5016b3b46868a63f0b11e4bca2f1ed"
    again = make_dataset(digits.name, digits.train, digits.test, digits.class_names)
    assert again.fingerprint == digits.fingerprint
    assert (len(digits.train), len(digits.test)) == (1442, 355)
    assert digits.train.image_shape == (3, 32, 32)
    assert digits.class_names == tuple("0123456789")
    assert int(digits.train.images.sum(dtype=np.int64)) == 344_765_763
    assert digits.train.labels[:10].tolist() == [1, 1, 1, 1, 1, 1, 1, 1, 1, 4]


def test_a_fifth_of_each_class_is_for_testing() -> None:
    digits = load_digits()
    train, test = np.bincount(digits.train.labels), np.bincount(digits.test.labels)
    assert (train + test).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert test.tolist() == [count // 5 for count in (train + test).tolist()]


def test_no_image_is_in_both_parts() -> None:
    digits = load_digits()
    train, test = ({image.tobytes() for image in part.images} for part in (digits.train, digits.test))
    assert len(train) == len(digits.train)
    assert not train & test


def test_the_table_is_what_scikit_learn_reads() -> None:
    scans, labels = _scans()
    pixels, targets = datasets.load_digits(return_X_y=True)
    assert np.array_equal(scans.reshape(-1, 64), pixels)
    assert np.array_equal(labels, targets)


def test_channels_are_alike() -> None:
    images = load_digits().test.images
    assert np.array_equal(images[:, 0], images[:, 1])
    assert np.array_equal(images[:, 0], images[:, 2])


@given(arrays(np.uint8, (1, 3, 2), elements=st.integers(0, 16)))
def test_enlargement_is_bilinear_between_centres_of_pixels(scans: NDArray[np.uint8]) -> None:
    enlarged = enlarge(scans)[0]
    assert enlarged.shape == (12, 8)
    for row in range(12):
        for column in range(8):
            y, x = (row + 0.5) / 4 - 0.5, (column + 0.5) / 4 - 0.5
            y, x = min(max(y, 0), 2), min(max(x, 0), 1)
            top, left = min(int(y), 1), 0
            block = scans[0, top : top + 2, left : left + 2].astype(float)
            down, right = y - top, x - left
            value = np.array([1 - down, down]) @ block @ np.array([1 - right, right])
            assert enlarged[row, column] == np.floor(value * 255 / 16 + 0.5)


def test_enlargement_keeps_constant_images() -> None:
    for value, expected in ((0, 0), (8, 128), (16, 255)):
        assert np.array_equal(enlarge(np.full((1, 8, 8), value, np.uint8)), np.full((1, 32, 32), expected))
