"""What predictions of several networks on the same images say together: which errors they share (pure).

These are statements on the networks at hand and the images they were tested on.  What holds for other seeds is judged
in `reslab.analysis.comparisons`, from the errors of several.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from reslab.lab.predictions import Predictions

SUPERCLASSES = (
    4, 1, 14, 8, 0, 6, 7, 7, 18, 3, 3, 14, 9, 18, 7, 11, 3, 9, 7, 11, 6, 11, 5, 10, 7,
    6, 13, 15, 3, 15, 0, 11, 1, 10, 12, 14, 16, 9, 11, 5, 5, 19, 8, 8, 15, 13, 14, 17, 18, 10,
    16, 4, 17, 4, 2, 0, 17, 4, 18, 17, 10, 3, 2, 12, 12, 16, 12, 1, 9, 19, 2, 10, 0, 1, 16,
    12, 9, 13, 15, 13, 16, 19, 2, 4, 6, 19, 5, 5, 8, 19, 18, 1, 2, 15, 6, 0, 17, 8, 14, 13,
)  # fmt: skip
"""The superclass of each of CIFAR-100's classes, both in alphabetical order (Krizhevsky 2009)."""


@dataclass(frozen=True, slots=True)
class Overlap:
    """Images that two networks get wrong: each, and both; `by_chance` would be both if errors were independent."""

    first: int
    second: int
    both: int
    by_chance: float
    num_images: int

    @property
    def share(self) -> float:
        """Errors in common as a share of those of the network with fewer, in [0, 1]; 0 where it has none."""
        fewest = min(self.first, self.second)
        return self.both / fewest if fewest else 0.0


@dataclass(frozen=True, slots=True)
class McNemar:
    """Images that one of two networks alone gets wrong, and the two-sided exact p that both err equally often.

    It compares these two networks, on images like these; it says nothing on other seeds of their recipes.
    """

    only_first: int
    only_second: int
    p: float


def confusion(predictions: Predictions) -> NDArray[np.int64]:
    """Return how many images of each class (rows) were put into which (columns)."""
    size = len(predictions.class_names)
    places = predictions.labels * size + predictions.predicted
    return np.bincount(places, minlength=size * size).reshape(size, size).astype(np.int64)


def error_by_class(predictions: Sequence[Predictions]) -> dict[str, float]:
    """Return the error of each class in percent, a mean over the networks; a class without images is left out."""
    counts = sum(confusion(one) for one in predictions)
    assert isinstance(counts, np.ndarray)
    rows = zip(predictions[0].class_names, counts.sum(axis=1), np.diag(counts), strict=True)
    return {name: 100 * float(total - right) / float(total) for name, total, right in rows if total}


def worst_confusions(predictions: Sequence[Predictions], most: int = 10) -> list[tuple[str, str, float]]:
    """Return the pairs (class, taken for) that errors are most frequent in, with images a network, the most first."""
    counts = sum(confusion(one) for one in predictions)
    assert isinstance(counts, np.ndarray)
    off = counts.astype(float) / len(predictions)
    np.fill_diagonal(off, 0)
    names = predictions[0].class_names
    order = np.argsort(-off, axis=None, kind="stable")[:most]
    places = [(int(place) // len(names), int(place) % len(names)) for place in order]
    return [(names[row], names[column], float(off[row, column])) for row, column in places if off[row, column] > 0]


def within_superclass(predictions: Predictions, superclasses: Sequence[int] = SUPERCLASSES) -> tuple[float, float]:
    """Return which share of the errors stays within the true superclass, and which would if errors fell evenly.

    The second is that of errors spread evenly over all wrong classes.  Both are 0 where there is no error.
    """
    groups = np.asarray(superclasses)
    if len(groups) != len(predictions.class_names):
        raise ValueError(f"{len(predictions.class_names)} classes cannot have {len(groups)} superclasses")
    wrong = predictions.wrong
    if not wrong.any():
        return 0.0, 0.0
    true = groups[predictions.labels[wrong]]
    siblings = np.bincount(groups, minlength=int(groups.max()) + 1)[true] - 1
    stays = groups[predictions.predicted[wrong]] == true
    return float(stays.mean()), float((siblings / (len(groups) - 1)).mean())


def overlap(first: Predictions, second: Predictions) -> Overlap:
    """Return how many errors two networks share; raises `ValueError` where they saw different images."""
    _check([first, second])
    one, two = int(first.wrong.sum()), int(second.wrong.sum())
    both, images = int((first.wrong & second.wrong).sum()), len(first.labels)
    return Overlap(one, two, both, one * two / images, images)


def mcnemar(first: Predictions, second: Predictions) -> McNemar:
    """Compare two networks image by image by McNemar's test, exact; raises `ValueError` as `overlap` does."""
    _check([first, second])
    only_first = int((first.wrong & ~second.wrong).sum())
    only_second = int((second.wrong & ~first.wrong).sum())
    apart = only_first + only_second
    p = float(binomtest(only_first, apart, 0.5).pvalue) if apart else 1.0
    return McNemar(only_first, only_second, p)


def vote(predictions: Sequence[Predictions]) -> float:
    """Return the error in percent of the networks' vote, each with its confidence in its own class as its weight.

    It stands for an average over their probabilities, of which only the largest is kept.
    """
    _check(predictions)
    votes = np.zeros((len(predictions[0].labels), len(predictions[0].class_names)))
    images = np.arange(len(votes))
    for one in predictions:
        votes[images, one.predicted] += one.confidence
    return 100 * float((votes.argmax(axis=1) != predictions[0].labels).mean())


def always_wrong(predictions: Sequence[Predictions]) -> NDArray[np.int64]:
    """Return the places of the images that all networks get wrong, those they are surest of first."""
    _check(predictions)
    everywhere = np.logical_and.reduce([one.wrong for one in predictions])
    sure = np.mean([one.confidence for one in predictions], axis=0)
    places = np.flatnonzero(everywhere)
    return places[np.argsort(-sure[places], kind="stable")].astype(np.int64)


def calibration(predictions: Predictions, num_bins: int = 15) -> float:
    """Return the expected calibration error in percent (Guo et al. 2017), over bins of equal width."""
    bins = np.minimum((predictions.confidence * num_bins).astype(int), num_bins - 1)
    off = 0.0
    for place in range(num_bins):
        inside = bins == place
        if inside.any():
            right = float((~predictions.wrong[inside]).mean())
            off += float(inside.mean()) * abs(float(predictions.confidence[inside].mean()) - right)
    return 100 * off


def mean_overlap(predictions: Mapping[str, Predictions]) -> float:
    """Return the mean share of errors in common over all pairs; nan for fewer than two networks."""
    listed = list(predictions.values())
    pairs = [(one, two) for place, one in enumerate(listed) for two in listed[place + 1 :]]
    return math.fsum(overlap(one, two).share for one, two in pairs) / len(pairs) if pairs else math.nan


def _check(predictions: Sequence[Predictions]) -> None:
    first = predictions[0]
    for other in predictions[1:]:
        if other.class_names != first.class_names or not np.array_equal(other.labels, first.labels):
            raise ValueError("these predictions are of different images")
