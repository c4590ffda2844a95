"""Predictions of several networks on the same images: classes confused, votes, hard images (pure).

The results hold for these networks on these test images.  What holds for other seeds is judged from the errors of
several, in `reslab.analysis.comparisons`.
"""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reslab.analysis.groups import Group, Label, Row
from reslab.lab.folder.predictions import Predictions

SUPERCLASSES = (
    4, 1, 14, 8, 0, 6, 7, 7, 18, 3, 3, 14, 9, 18, 7, 11, 3, 9, 7, 11, 6, 11, 5, 10, 7,
    6, 13, 15, 3, 15, 0, 11, 1, 10, 12, 14, 16, 9, 11, 5, 5, 19, 8, 8, 15, 13, 14, 17, 18, 10,
    16, 4, 17, 4, 2, 0, 17, 4, 18, 17, 10, 3, 2, 12, 12, 16, 12, 1, 9, 19, 2, 10, 0, 1, 16,
    12, 9, 13, 15, 13, 16, 19, 2, 4, 6, 19, 5, 5, 8, 19, 18, 1, 2, 15, 6, 0, 17, 8, 14, 13,
)  # fmt: skip
"""The superclass of each of CIFAR-100's classes, both in alphabetical order (Krizhevsky 2009)."""

SUPERCLASS_NAMES = (
    "aquatic mammals", "fish", "flowers", "food containers", "fruit and vegetables", "household electrical devices",
    "household furniture", "insects", "large carnivores", "large man-made outdoor things",
    "large natural outdoor scenes", "large omnivores and herbivores", "medium mammals", "non-insect invertebrates",
    "people", "reptiles", "small mammals", "trees", "vehicles 1", "vehicles 2",
)  # fmt: skip


MOST_CLASSES = 20
"""Classes that a chart has room for; where there are more, those with the most errors are drawn."""


@dataclass(frozen=True, slots=True)
class Kinds:
    """A grouping of classes: the kinds' names, and each class's place among them."""

    names: tuple[str, ...]
    of: tuple[int, ...]

    def summed(self, values: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return values by class (first axis) summed by kind."""
        found = np.zeros((len(self.names), *values.shape[1:]), dtype=np.int64)
        np.add.at(found, np.asarray(self.of), values)
        return found


def confusion(predictions: Predictions) -> NDArray[np.int64]:
    """Return the confusion matrix, in images: true classes in rows, predicted in columns."""
    size = len(predictions.class_names)
    places = predictions.labels * size + predictions.predicted
    return np.bincount(places, minlength=size * size).reshape(size, size).astype(np.int64)


def kinds_of(dataset: str, class_names: Sequence[str]) -> Kinds:
    """Return the superclasses for CIFAR-100; for any other data set each class is its own kind."""
    if dataset == "cifar100" and len(class_names) == len(SUPERCLASSES):
        return Kinds(SUPERCLASS_NAMES, SUPERCLASSES)
    return Kinds(tuple(name.replace("_", " ") for name in class_names), tuple(range(len(class_names))))


def error_by_kind(predictions: Sequence[Predictions], kinds: Kinds) -> dict[str, float]:
    """Return each kind's mean error (%) over the networks; a kind without images is left out."""
    counts = total_confusion(predictions)
    totals, right = (kinds.summed(values) for values in (counts.sum(axis=1), np.diag(counts)))
    rows = zip(kinds.names, totals.tolist(), right.tolist(), strict=True)
    return {name: 100 * (total - known) / total for name, total, known in rows if total}


def wrong_by_kind(predictions: Sequence[Predictions], kinds: Kinds) -> NDArray[np.float64]:
    """Return the share (%) of each kind's images (rows) put into a wrong class of each kind (columns).

    The diagonal has errors within a kind: 0 where each class is its own.  A kind without images has 0 throughout.
    """
    counts = total_confusion(predictions)
    totals = kinds.summed(counts.sum(axis=1))
    np.fill_diagonal(counts, 0)
    wrong = kinds.summed(kinds.summed(counts).T).T
    return 100 * wrong / np.maximum(totals, 1)[:, None]


def total_confusion(predictions: Sequence[Predictions]) -> NDArray[np.int64]:
    """Return the sum of the networks' confusion matrices."""
    check_images(predictions)
    counts: NDArray[np.int64] = np.sum([confusion(one) for one in predictions], axis=0, dtype=np.int64)
    return counts


def within_kind(predictions: Sequence[Predictions], kinds: Kinds) -> tuple[float, float]:
    """Return the share (%) of the errors that stays within the true kind, and the share expected by chance.

    The second is for errors spread evenly over all wrong classes.  Both are 0 where there is no error.
    """
    counts = total_confusion(predictions)
    np.fill_diagonal(counts, 0)
    errors = int(counts.sum())
    if not errors:
        return 0.0, 0.0
    of = np.asarray(kinds.of)
    same = of[:, None] == of[None, :]
    evenly = (same.sum(axis=1) - 1) / max(1, len(of) - 1)
    return 100 * float(counts[same].sum()) / errors, 100 * float(counts.sum(axis=1) @ evenly) / errors


def vote(predictions: Sequence[Predictions]) -> float:
    """Return the error (%) of the networks' vote, each weighted by its confidence in its predicted class.

    It stands in for averaging their probabilities, of which only the largest is kept.
    """
    check_images(predictions)
    classes = np.stack([one.predicted for one in predictions])
    sure = np.stack([one.confidence for one in predictions])
    weights = np.stack([np.where(classes == own, sure, 0).sum(axis=0) for own in classes])
    chosen = classes[weights.argmax(axis=0), np.arange(classes.shape[1])]
    return 100 * float((chosen != predictions[0].labels).mean())


def always_wrong(predictions: Sequence[Predictions]) -> NDArray[np.int64]:
    """Return the places of the images that all networks get wrong, by falling mean confidence."""
    check_images(predictions)
    everywhere = np.logical_and.reduce([one.wrong for one in predictions])
    sure = np.mean([one.confidence for one in predictions], axis=0)
    places = np.flatnonzero(everywhere)
    return places[np.argsort(-sure[places], kind="stable")].astype(np.int64)


def off_record(group: Group) -> float:
    """Return how far the error of a group's predictions is from the recorded one, in points, rounded as shown.

    0 where some finished runs kept no predictions.
    """
    if len(group.predictions) < group.num_finished:
        return 0.0
    recorded = group.test_error
    return round(abs(statistics.fmean(one.error for one in group.predictions) - recorded), 2)


def _kinds(group: Group) -> Kinds:
    return kinds_of(group.recipe.dataset, group.predictions[0].class_names)


def class_rows(groups: Sequence[Group], label: Label) -> list[Row]:
    """Return class, label and error (%), a row per group and kind; [] where there are no errors.

    The groups are on one data set.  Kinds are sorted by their total error over all groups, highest first, at most
    `MOST_CLASSES`; those without images are left out.
    """
    kinds = _kinds(groups[0])
    errors = {label(group): error_by_kind(group.predictions, kinds) for group in groups}
    known = [kind for kind in kinds.names if all(kind in own for own in errors.values())]
    totals = {kind: sum(own[kind] for own in errors.values()) for kind in known}
    drawn = sorted(known, key=lambda kind: -totals[kind])[:MOST_CLASSES] if any(totals.values()) else []
    return [
        {"class": kind, "label": who, "error": round(own[kind], 3)} for who, own in errors.items() for kind in drawn
    ]


def confused_rows(group: Group) -> tuple[list[str], list[Row]]:
    """Return the kinds with the most errors, `MOST_CLASSES` at most, and a row for each confusion among them.

    A row has the class, what it was taken for, and the share (%) of its images that were; those of less than half an
    image are left out.
    """
    predictions, kinds = group.predictions, _kinds(group)
    wrong = wrong_by_kind(predictions, kinds)
    places = sorted(sorted(range(len(kinds.names)), key=lambda place: -wrong[place].sum())[:MOST_CLASSES])
    images = kinds.summed(confusion(predictions[0]).sum(axis=1))
    rows = [
        {"class": kinds.names[row], "taken": kinds.names[column], "share": round(float(wrong[row, column]), 2)}
        for row in places
        for column in places
        if wrong[row, column] * images[row] >= 50
    ]
    return [kinds.names[place] for place in places], rows


def most_classes(groups: Sequence[Group]) -> int | None:
    """Return `MOST_CLASSES` where charts have no room for all classes of a group that are drawn singly; else None."""
    for_itself = [group for group in groups if _by_class(group)]
    too_many = any(len(group.predictions[0].class_names) > MOST_CLASSES for group in for_itself)
    return MOST_CLASSES if too_many else None


def within_kinds(groups: Sequence[Group]) -> list[tuple[float, float]]:
    """Return the shares of `within_kind` for each group whose classes are grouped into kinds."""
    return [within_kind(group.predictions, _kinds(group)) for group in groups if not _by_class(group)]


def _by_class(group: Group) -> bool:
    """Return whether each class is its own kind."""
    return len(_kinds(group).names) == len(group.predictions[0].class_names)


def of_same_images(predictions: Sequence[Predictions]) -> list[bool]:
    """Return for each whether it is for the same images as the first."""
    return [one is predictions[0] or _same(one, predictions[0]) for one in predictions]


def check_images(predictions: Sequence[Predictions]) -> None:
    """Raise `ValueError` unless all are for the same images."""
    if not all(of_same_images(predictions)):
        raise ValueError("these predictions are for different images")


def _same(one: Predictions, other: Predictions) -> bool:
    """Return whether two are for the same images; classes may have been renamed in between."""
    return len(one.class_names) == len(other.class_names) and np.array_equal(one.labels, other.labels)
