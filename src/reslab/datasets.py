"""The data sets, by the name that a recipe calls them: what is known of each before any image is read.

This table is the only one.  A set with a fingerprint is known by its name: the name says which images are meant, and a
recipe needs no more.  The images of any other set are the user's own, and a recipe holds their fingerprint as well.
"""

import math
from dataclasses import dataclass

from reslab.errors import ResLabError


@dataclass(frozen=True, slots=True)
class Size:
    """Images of the official split, and classes."""

    num_train: int
    num_test: int
    num_classes: int


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a data set; `size` and `fingerprint` are None where the images are the user's own.

    `layout` says how its images are read: scans (scikit-learn's digits), cifar, or folders (a folder a class).
    """

    words: str
    """What readers call it."""
    layout: str
    size: Size | None = None
    fingerprint: str | None = None
    """SHA-256 of its images and labels as published (see `reslab.data.images`), measured on the official archives."""


DATASETS: dict[str, Known] = {
    "digits": Known(
        words="digits",
        layout="scans",
        size=Size(1442, 355, 10),
        fingerprint="35caf2701618f8a07dec0dbe8a2629572a5016b3b46868a63f0b11e4bca2f1ed",
    ),
    "cifar10": Known(
        words="CIFAR-10",
        layout="cifar",
        size=Size(50_000, 10_000, 10),
        fingerprint="45b0f268002de6fa443322a88ddcced043d80b9553cdd0a13a4d33f337d7be53",
    ),
    "cifar100": Known(
        words="CIFAR-100",
        layout="cifar",
        size=Size(50_000, 10_000, 100),
        fingerprint="86b8ec2625b98c31557474c07b119300f63a81a1c9615bfc94943b3044a3c1ff",
    ),
    "cifar100-coarse": Known(
        words="CIFAR-100 (20 superclasses)",
        layout="cifar",
        size=Size(50_000, 10_000, 20),
        fingerprint="57192dc6d5d613a5b7aa5243a16846893e6f1f5e5de6a4d465807719a9aeb00d",
    ),
    "imagefolder": Known(words="image folder", layout="folders"),
}
"""CIFAR: Krizhevsky 2009.  Digits: scikit-learn's 1,797, divided by `reslab.data.digits`."""

SHORT = 16
"""Digits of a fingerprint that tell one set of images from another: in a recipe, and wherever people read it."""


def known(name: str) -> Known:
    """Return what is known of a data set; raise `ResLabError` where there is none of this name."""
    if name not in DATASETS:
        raise ResLabError(f"there is no data set {name!r}; there are {', '.join(DATASETS)}")
    return DATASETS[name]


def is_named(name: str) -> bool:
    """Return whether the name alone says which images are meant."""
    return known(name).fingerprint is not None


def images_used(num_train: int, *, train_share: float, holdout: int) -> int:
    """Return how many images are trained on of so many: a share of those that are not held out."""
    return math.floor((num_train - holdout) * train_share + 0.5)
