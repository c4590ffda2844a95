"""Which images are trained on and which are held out: stratified by class, nested, always the same."""

import math
from dataclasses import dataclass
from typing import Generic, Protocol, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from reslab.errors import ResLabError


class Images(Protocol):
    """Labelled images, whether in memory or in files."""

    @property
    def labels(self) -> NDArray[np.int64]: ...

    def __len__(self) -> int: ...

    def take(self, indices: NDArray[np.int64], /) -> Self: ...


AnyImages = TypeVar("AnyImages", bound=Images)
SomeImages_co = TypeVar("SomeImages_co", bound=Images, covariant=True)


class Divided(Protocol[SomeImages_co]):
    """A data set: its name, training and test images, and class names."""

    @property
    def name(self) -> str: ...

    @property
    def train(self) -> SomeImages_co: ...

    @property
    def test(self) -> SomeImages_co: ...

    @property
    def class_names(self) -> tuple[str, ...]: ...


@dataclass(frozen=True, slots=True)
class Split(Generic[AnyImages]):
    """The images of a run: to train on, to validate on (if any), and to test on."""

    train: AnyImages
    holdout: AnyImages | None
    test: AnyImages


def split(dataset: Divided[AnyImages], *, train_share: float = 1.0, holdout: int = 0) -> Split[AnyImages]:
    """Set aside `holdout` training images, and take `train_share` (0 to 1) of those that remain.

    Both are stratified by class, to within one image per class if the classes are equally large.  With the same
    `holdout`, a smaller share lies wholly inside a larger.  No seed is involved: images are taken in the data set's own
    order, which for `sources.load` follows from their content alone.  Raises `ResLabError` if the hold-out takes all
    images, or a class is left with none.
    """
    labels = dataset.train.labels
    if not 0 < train_share <= 1:
        raise ResLabError(f"train_share must be above 0 and at most 1, not {train_share}")
    if not 0 <= holdout < len(labels):
        raise ResLabError(
            f"holdout must be from 0 to {len(labels) - 1:,} for the {len(labels):,} training images of "
            f"{dataset.name}, not {holdout:,}"
        )
    order = _stratified(np.arange(len(labels)), labels)
    held, rest = order[:holdout], np.sort(order[holdout:])
    num_train = math.floor(train_share * len(rest) + 0.5)
    train = _stratified(rest, labels)[:num_train]
    counts = np.bincount(labels[train], minlength=len(dataset.class_names))
    if not counts.all():
        empty = dataset.class_names[int(np.argmin(counts))]
        raise ResLabError(
            f"train_share {train_share:g} of the {len(rest):,} training images of {dataset.name} beside a holdout of "
            f"{holdout:,} leaves no image of class {empty!r} to train on; take a larger share or a smaller hold-out"
        )
    return Split(_part(dataset.train, train), _part(dataset.train, held) if holdout else None, dataset.test)


def _stratified(places: NDArray[np.int64], labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the places in an order in which every prefix has each class in proportion.

    That holds to within one image if the classes are equally large; in a short prefix, large classes come first.
    """
    by_class = places[np.argsort(labels[places], kind="stable")]
    classes = labels[by_class]
    counts = np.bincount(classes)
    first = np.cumsum(counts) - counts
    ranks = np.arange(len(classes)) - first[classes]
    progress = (2 * ranks + 1) / (2 * counts[classes])
    return by_class[np.lexsort([classes, progress])]


def _part(images: AnyImages, places: NDArray[np.int64]) -> AnyImages:
    return images if len(places) == len(images) else images.take(np.sort(places))
