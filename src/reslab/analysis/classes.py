"""What separates CIFAR-100 from CIFAR-10: pairs that vary only the classes, or only the images of each (pure)."""

from collections.abc import Sequence

from reslab.analysis.comparisons import Compared
from reslab.analysis.groups import Group

TEN, COARSE, HUNDRED = "cifar10", "cifar100-coarse", "cifar100"
"""Data sets of 10, 20 and 100 classes with 50,000 images each."""

COSTS = ("classes", "images", "superclasses")
"""What may make CIFAR-100 harder: more classes, fewer images of each, and coarser ones."""


def design(hundred: Group, groups: Sequence[Group]) -> dict[str, tuple[Group, Group]]:
    """Return the pairs that isolate each of the `COSTS`; those without a group are left out.

    `hundred` is on all of CIFAR-100; of the others only groups of its depth are used.
    """
    alike = [group for group in groups if group.recipe.depth == hundred.recipe.depth]
    tens = [group for group in alike if group.recipe.dataset == TEN]
    ten = next((one for one in tens if one.recipe.train_share == 1), None)
    few = next((one for one in tens if one.images_of_each == hundred.images_of_each), None)
    coarse = next((one for one in alike if one.recipe.dataset == COARSE), None)
    pairs = zip(COSTS, ((few, hundred), (ten, few), (hundred, coarse)), strict=True)
    return {name: (first, second) for name, (first, second) in pairs if first and second}


def coarse_pair(hundred: Group, groups: Sequence[Group]) -> tuple[Group, Group] | None:
    """Return CIFAR-10 and CIFAR-100's superclasses, with equal images per class and the depth of `hundred`."""
    if (pair := design(hundred, groups).get("superclasses")) is None:
        return None
    coarse = pair[1]
    place = TEN, hundred.recipe.depth, coarse.images_of_each
    tens = (one for one in groups if (one.recipe.dataset, one.recipe.depth, one.images_of_each) == place)
    ten = next(tens, None)
    return None if ten is None else (ten, coarse)


def costs(hundred: Group, groups: Sequence[Group], compared: Sequence[Compared]) -> dict[str, Compared]:
    """Return the comparisons of the pairs in `design` by the cost that they show, where they have a verdict."""
    known = {(one.first.label, one.second.label): one for one in compared if one.test is not None}
    pairs = {name: (first.label, second.label) for name, (first, second) in design(hundred, groups).items()}
    return {name: known[pair] for name, pair in pairs.items() if pair in known}
