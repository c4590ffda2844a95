"""What separates CIFAR-100 from CIFAR-10: comparisons in which classes, or images of each, are alone varied (pure)."""

from collections.abc import Sequence
from dataclasses import dataclass

from reslab.analysis.comparisons import Compared, compare
from reslab.analysis.groups import Group
from reslab.analysis.reasons import resolved, untested

TEN, COARSE, HUNDRED = "cifar10", "cifar100-coarse", "cifar100"
"""Data sets of 10, 20 and 100 classes with 50,000 images each."""


@dataclass(frozen=True, slots=True)
class Costs:
    """What more classes, fewer images of each, and coarser classes do to the error of one network, as far as known.

    `all_images` are those of each class of all of CIFAR-10, 0 without runs on them.
    """

    classes: Compared | None
    images: Compared | None
    superclasses: Compared | None
    all_images: int

    @property
    def known(self) -> str:
        """Whether the first two are "untested", not both resolved ("open"), or both "shown"."""
        both = [one for one in (self.classes, self.images) if one is not None]
        return "untested" if untested(both) else "open" if len(resolved(both)) < 2 else "shown"


def costs(hundred: Group, groups: Sequence[Group]) -> Costs:
    """Return what classes and images cost the network of a group on all of CIFAR-100.

    The comparisons are corrected among themselves: this is a question beside that of the shares.
    """
    alike = [group for group in groups if group.recipe.depth == hundred.recipe.depth]
    tens = [group for group in alike if group.recipe.dataset == TEN]
    ten = next((one for one in tens if one.recipe.train_share == 1), None)
    few = next((one for one in tens if one.images_of_each == hundred.images_of_each), None)
    coarse = next((one for one in alike if one.recipe.dataset == COARSE), None)
    pairs = {"classes": (few, hundred), "images": (ten, few), "superclasses": (hundred, coarse)}
    made = {name: (first, second) for name, (first, second) in pairs.items() if first and second}
    compared = dict(zip(made, compare(made.values()), strict=True))
    return Costs(
        classes=compared.get("classes"),
        images=compared.get("images"),
        superclasses=compared.get("superclasses"),
        all_images=ten.images_of_each if ten else 0,
    )
