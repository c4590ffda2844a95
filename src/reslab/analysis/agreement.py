"""Which errors networks share: seeds of one recipe, and each with the reference of its data set (pure)."""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, product

from reslab.analysis.groups import Group, by_dataset
from reslab.analysis.predictions import check_images, of_same_images
from reslab.lab.folder.predictions import Predictions

References = Mapping[str, Group]
"""The group that the others are compared with, by data set."""


@dataclass(frozen=True, slots=True)
class Overlap:
    """How many images two networks get wrong: each, and both."""

    first: int
    second: int
    both: int
    num_images: int

    @property
    def share(self) -> float:
        """Shared errors as a fraction of those of the network with fewer, in [0, 1]; 0 where it has none."""
        fewest = min(self.first, self.second)
        return self.both / fewest if fewest else 0.0

    @property
    def share_of_more(self) -> float:
        """Shared errors as a fraction of those of the network with more, in [0, 1]; 0 where it has none."""
        most = max(self.first, self.second)
        return self.both / most if most else 0.0

    @property
    def chance(self) -> float:
        """What `share` would be if errors were independent."""
        return max(self.first, self.second) / self.num_images if min(self.first, self.second) else 0.0


@dataclass(frozen=True, slots=True)
class Shared:
    """Means over pairs of networks, in percent: `Overlap.share`, `Overlap.chance` and `Overlap.share_of_more`."""

    share: float
    chance: float
    share_of_more: float


@dataclass(frozen=True, slots=True)
class Agreement:
    """Errors shared within each group, by pairs of its seeds, and with the networks of its reference."""

    groups: Sequence[Group]
    references: References
    by_seeds: Sequence[Shared | None]
    with_reference: Sequence[Shared | None]

    @property
    def known(self) -> list[Shared]:
        """Everything known, over seeds and references."""
        return [one for one in (*self.by_seeds, *self.with_reference) if one is not None]

    def on(self, dataset: str) -> "Agreement":
        """Return the agreement on one data set."""
        of = zip(self.groups, self.by_seeds, self.with_reference, strict=True)
        kept = [one for one in of if one[0].recipe.dataset == dataset]
        beside = {dataset: self.references[dataset]}
        return Agreement([one for one, *_ in kept], beside, [one for _, one, _ in kept], [one for *_, one in kept])

    @property
    def nested(self) -> bool:
        """Whether in every pair the other network shares most of the better one's errors, more than by chance."""
        return all(one.share > max(50.0, 1.5 * one.chance) for one in self.known)

    @property
    def hard(self) -> bool:
        """Whether the errors lie in the images: in every pair, most errors of the worse network are shared as well."""
        return self.nested and all(one.share_of_more > 50 for one in self.known)

    @property
    def fewest(self) -> int:
        """How many images the best of the networks gets wrong."""
        return min(int(one.wrong.sum()) for group in self.groups for one in group.predictions)


def agreement(groups: Sequence[Group], references: References) -> Agreement | None:
    """Return which errors groups share; None without a pair.

    All groups have predictions, on each data set for the same images.  Data sets without a pair are left out.
    """
    by_seeds = [shared_by_seeds(group.predictions) for group in groups]
    with_reference = [
        None if first is group else shared(product(first.predictions, group.predictions))
        for group in groups
        for first in (references[group.recipe.dataset],)
    ]
    pairs = list(zip(groups, by_seeds, with_reference, strict=True))
    told = dict.fromkeys(group.recipe.dataset for group, *known in pairs if any(known))
    kept = [one for one in pairs if one[0].recipe.dataset in told]
    beside = {dataset: references[dataset] for dataset in told}
    found = Agreement([one for one, *_ in kept], beside, [one for _, one, _ in kept], [one for *_, one in kept])
    return found if kept else None


def with_predictions(groups: Sequence[Group]) -> list[Group]:
    """Return the groups that have predictions, on each data set only those for the same images as the first."""
    return [
        group
        for _, own in by_dataset([group for group in groups if group.predictions])
        for group, same in zip(own, of_same_images([group.predictions[0] for group in own]), strict=True)
        if same
    ]


def overlap(first: Predictions, second: Predictions) -> Overlap:
    """Return how many errors two networks share; raises `ValueError` where they saw different images."""
    check_images([first, second])
    one, two = int(first.wrong.sum()), int(second.wrong.sum())
    both, images = int((first.wrong & second.wrong).sum()), len(first.labels)
    return Overlap(one, two, both, images)


def shared(pairs: Iterable[tuple[Predictions, Predictions]]) -> Shared | None:
    """Return the mean overlap of pairs of networks; None without a pair in which both have errors."""
    found = [one for pair in pairs if min((one := overlap(*pair)).first, one.second)]
    if not found:
        return None
    names = ("share", "chance", "share_of_more")
    return Shared(*(100 * statistics.fmean(getattr(one, name) for one in found) for name in names))


def shared_by_seeds(predictions: Sequence[Predictions]) -> Shared | None:
    """Return what any two of these networks share; None for fewer than two, or without errors."""
    return shared(combinations(predictions, 2))
