"""The values, the canonical order, and the fingerprint."""

import numpy as np
import pytest
from data_fakes import image_set
from hypothesis import given
from hypothesis import strategies as st

from reslab.data.images import Dataset, ImageSet, canonical_order, make_dataset, pixel_digests
from reslab.errors import DataError


def fingerprint(train: ImageSet, test: ImageSet) -> str:
    return make_dataset("made-up", train, test, tuple("abcdefghij")).fingerprint


def test_an_image_set_refuses_what_it_is_not() -> None:
    images, labels = np.zeros((2, 3, 4, 4), np.uint8), np.zeros(2, np.int64)
    with pytest.raises(DataError, match="images must be uint8 of N x C x H x W, not float64 of 2 x 3 x 4 x 4"):
        ImageSet(images.astype(float), labels)
    with pytest.raises(DataError, match="labels must be int64 of N, not int32 of 2"):
        ImageSet(images, labels.astype(np.int32))
    with pytest.raises(DataError, match="2 images cannot have 3 labels"):
        ImageSet(images, np.zeros(3, np.int64))
    with pytest.raises(DataError, match="at least one image"):
        ImageSet(images[:0], labels[:0])
    with pytest.raises(DataError, match="0 or more, not -1"):
        ImageSet(images, labels - 1)


def test_a_dataset_refuses_labels_without_a_name_and_parts_of_two_sizes() -> None:
    train, test = image_set(10), image_set(10, seed=1)
    with pytest.raises(DataError, match="training label 9 is not in 0 to 8"):
        make_dataset("made-up", train, test, tuple("abcdefghi"))
    with pytest.raises(DataError, match="training images are 3 x 32 x 32, but test images 3 x 8 x 8"):
        make_dataset("made-up", train, image_set(10, shape=(3, 8, 8)), tuple("abcdefghij"))


def test_made_up_images_are_not_official() -> None:
    names = tuple("abcdefghij")
    dataset = make_dataset("cifar10", image_set(10), image_set(10, seed=1), names)
    assert not dataset.official
    assert dataset.num_classes == 10
    assert isinstance(dataset, Dataset)


@given(st.permutations(range(12)), st.permutations(range(5)))
def test_the_fingerprint_does_not_depend_on_the_order(train_order: list[int], test_order: list[int]) -> None:
    train, test = image_set(12, shape=(3, 4, 4)), image_set(5, shape=(3, 4, 4), seed=1)
    shuffled = fingerprint(train.take(np.array(train_order)), test.take(np.array(test_order)))
    assert shuffled == fingerprint(train, test)


def test_the_fingerprint_depends_on_every_pixel_every_label_and_the_part() -> None:
    train, test = image_set(6, shape=(3, 4, 4)), image_set(6, shape=(3, 4, 4), seed=1)
    pixels, labels = train.images.copy(), train.labels.copy()
    pixels[3, 2, 1, 0] ^= 1
    labels[[2, 3]] = labels[[3, 2]]
    variants = [
        fingerprint(train, test),
        fingerprint(test, train),
        fingerprint(ImageSet(pixels, train.labels), test),
        fingerprint(ImageSet(train.images, labels), test),
        fingerprint(train, test.take(np.arange(5))),
    ]
    assert len(set(variants)) == len(variants)


def test_the_fingerprint_never_changes() -> None:
    images = (np.arange(2 * 3 * 2 * 2) * 7 % 256).astype(np.uint8).reshape(2, 3, 2, 2)
    both = ImageSet(images, np.array([1, 0]))
    assert fingerprint(both, both) == "fa177aeb0c50533ac68e3ce93d20c11c10aa2ed78bf12b8d4182cff1650b014c"


def test_equal_images_are_ordered_by_their_labels() -> None:
    images = np.zeros((3, 3, 2, 2), np.uint8)
    coarse, fine = np.array([1, 0, 0]), np.array([2, 2, 1])
    assert canonical_order(pixel_digests(images), fine, coarse).tolist() == [2, 1, 0]
