"""What separates CIFAR-100 from CIFAR-10: comparisons in which classes, or images of each, are alone varied (pure)."""

from collections.abc import Sequence

from reslab.analysis.comparisons import Compared, compare
from reslab.analysis.groups import Group

TEN, COARSE, HUNDRED = "cifar10", "cifar100-coarse", "cifar100"
"""Data sets of 10, 20 and 100 classes with 50,000 images each."""


def costs(hundred: Group, groups: Sequence[Group]) -> dict[str, Compared]:
    """Return what more "classes", fewer "images" of each and coarser "superclasses" do, of those that have finished.

    `hundred` is on all of CIFAR-100, the others are of its network.  The comparisons are corrected among themselves:
    this is a question beside that of the shares.
    """
    alike = [group for group in groups if group.recipe.depth == hundred.recipe.depth]
    tens = [group for group in alike if group.recipe.dataset == TEN]
    ten = next((one for one in tens if one.recipe.train_share == 1), None)
    few = next((one for one in tens if one.images_of_each == hundred.images_of_each), None)
    coarse = next((one for one in alike if one.recipe.dataset == COARSE), None)
    pairs = {"classes": (few, hundred), "images": (ten, few), "superclasses": (hundred, coarse)}
    made = {name: (first, second) for name, (first, second) in pairs.items() if first and second}
    compared = dict(zip(made, compare(made.values()), strict=True))
    return {name: one for name, one in compared.items() if one.test is not None}
