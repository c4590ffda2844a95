"""How many images and classes each data set has, for plans made before any image is read."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Size:
    """Images of the official split, and classes."""

    num_train: int
    num_test: int
    num_classes: int


SIZES = {
    "digits": Size(1442, 355, 10),
    "cifar10": Size(50_000, 10_000, 10),
    "cifar100": Size(50_000, 10_000, 100),
    "cifar100-coarse": Size(50_000, 10_000, 20),
}
"""CIFAR: Krizhevsky 2009.  Digits: scikit-learn's 1,797, divided by `reslab.data.digits`."""
