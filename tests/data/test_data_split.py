"""Hold-out and shares: disjoint, stratified, nested."""

import numpy as np
import pytest
from data_fakes import image_set
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from reslab.data.images import Dataset, ImageSet, make_dataset
from reslab.data.split import split
from reslab.errors import ResLabError


def numbered(labels: list[int], num_classes: int) -> Dataset:
    """Return a data set whose image number i has i in its first two pixels."""
    count = len(labels)
    images = np.zeros((count, 1, 1, 2), np.uint8)
    images[:, 0, 0, 0], images[:, 0, 0, 1] = np.arange(count) % 256, np.arange(count) // 256
    train = ImageSet(images, np.array(labels, np.int64))
    names = tuple(f"class {number}" for number in range(num_classes))
    return make_dataset("made-up", train, train.take(np.arange(1)), names)


def numbers(images: ImageSet | None) -> NDArray[np.int64]:
    assert images is not None
    return images.images[:, 0, 0, 0].astype(np.int64) + 256 * images.images[:, 0, 0, 1].astype(np.int64)


def test_the_papers_hold_out() -> None:
    dataset = numbered([number % 10 for number in range(500)], 10)
    parts = split(dataset, train_share=1.0, holdout=50)
    assert parts.holdout is not None
    assert np.bincount(parts.holdout.labels).tolist() == [5] * 10
    assert np.bincount(parts.train.labels).tolist() == [45] * 10
    assert sorted([*numbers(parts.train), *numbers(parts.holdout)]) == list(range(500))
    assert parts.test is dataset.test


def test_the_whole_is_the_training_set_itself() -> None:
    dataset = numbered([0, 1, 0, 1], 2)
    parts = split(dataset)
    assert parts.train is dataset.train
    assert parts.holdout is None


def test_a_share_is_of_what_the_hold_out_leaves() -> None:
    dataset = numbered([number % 10 for number in range(500)], 10)
    sizes = [len(split(dataset, train_share=share, holdout=50).train) for share in (1.0, 0.5, 0.2)]
    assert sizes == [450, 225, 90]


@given(
    st.lists(st.integers(0, 3), min_size=40, max_size=120),
    st.integers(0, 12),
    st.floats(0.3, 1.0),
    st.floats(0.3, 1.0),
)
def test_shares_are_nested_stratified_and_apart_from_the_hold_out(
    extra: list[int], holdout: int, one: float, other: float
) -> None:
    labels = [0, 1, 2, 3] * 4 + extra
    dataset = numbered(labels, 4)
    smaller, larger = (split(dataset, train_share=share, holdout=holdout) for share in sorted((one, other)))
    assert set(numbers(smaller.train)) <= set(numbers(larger.train))
    left = np.bincount(labels, minlength=4)
    if holdout:
        assert np.array_equal(numbers(smaller.holdout), numbers(larger.holdout))
        assert not set(numbers(larger.train)) & set(numbers(larger.holdout))
        assert smaller.holdout is not None
        held = np.bincount(smaller.holdout.labels, minlength=4)
        assert held.sum() == holdout
        assert np.abs(held - left * holdout / len(labels)).max() <= 1
        left = left - held
    counts = np.bincount(larger.train.labels, minlength=4)
    share = max(one, other)
    assert abs(counts.sum() - share * left.sum()) <= 0.5
    assert np.abs(counts - share * left).max() <= 1.5
    assert np.all(np.diff(numbers(larger.train)) > 0)


def test_impossible_splits_say_why() -> None:
    dataset = numbered([number % 10 for number in range(50)], 10)
    with pytest.raises(ResLabError, match="holdout must be from 0 to 49 for the 50 training images of made-up, not 50"):
        split(dataset, holdout=50)
    with pytest.raises(
        ResLabError,
        match=r"0\.1 of the 50 training images of made-up beside a holdout of 0 leaves no image of class 'class",
    ):
        split(dataset, train_share=0.1)
    with pytest.raises(ResLabError, match=r"train_share must be above 0 and at most 1, not 1\.5"):
        split(dataset, train_share=1.5)


def test_random_images_split_too() -> None:
    train = image_set(30, num_classes=3)
    dataset = make_dataset("made-up", train, train, ("a", "b", "c"))
    assert np.bincount(split(dataset, train_share=0.5).train.labels).tolist() == [5, 5, 5]
