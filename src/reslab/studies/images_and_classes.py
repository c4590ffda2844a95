"""What fewer images do, in words: how many, how often seen, and whether classes or images make CIFAR-100 hard."""

from collections.abc import Mapping, Sequence

from reslab.analysis.comparisons import Compared
from reslab.analysis.groups import Group
from reslab.exhibits.blocks import Block, Bullets, Heading, Prose
from reslab.exhibits.sizes import verdict_words
from reslab.exhibits.wording import dataset_name, network_name, points, whole
from reslab.recipe import Recipe
from reslab.studies.answers import Effect
from reslab.studies.designs import HUNDRED, TEN
from reslab.studies.findings import Findings, Groups, Pairs
from reslab.studies.reasons import reasons, untested
from reslab.studies.sentences import by_dataset, comparison_of, higher, shown

SAMPLES, PASSES = "same samples", "same passes"
"""What the schedule of a part of the images keeps: images seen in all, or times that each is seen."""


def across(groups: Groups) -> Pairs:
    """Return the comparisons between data sets: as many images of a class, and as many images of fewer classes."""
    found = []
    for hundred in groups:
        if (hundred.recipe.dataset, hundred.recipe.train_share) != (HUNDRED, 1):
            continue
        for other in groups:
            if other.recipe.depth == hundred.recipe.depth:
                few = other.recipe.dataset == TEN and other.recipe.train_share < 0.15
                if few or other.recipe.dataset == "cifar100-coarse":
                    found.append((hundred, other))
    return found


def shares_of_all(compared: Sequence[Compared]) -> list[Compared]:
    """Return the comparisons of a part of the images with all of them."""
    return [
        one
        for one in compared
        if one.first.recipe.dataset == one.second.recipe.dataset
        and one.first.recipe.train_share == 1 > one.second.recipe.train_share
    ]


def reasons_for_fewer(found: Findings) -> list[Block]:
    """Return what the two errors say about having fewer images."""
    return reasons(
        shares_of_all(found.compared),
        lambda some: by_dataset([one.second for one in some], found.label, found.done),
        found.words,
    )


def samples_or_passes(found: Findings, kept: Mapping[Recipe, str]) -> list[Block]:
    """Return whether seeing few images more often helps: as many passes against as many samples."""
    own = [
        one
        for one in found.compared
        if one.first.recipe.dataset == one.second.recipe.dataset
        and one.first.recipe.train_share == one.second.recipe.train_share
        and kept[one.second.recipe] == PASSES
    ]
    heading = Heading("Are there too few images, or too few steps?")
    tested = [one for one in own if one.test is not None]
    if not tested:
        return [heading, Prose("Not enough has finished to compare the same samples with the same passes.")]
    steps = [one for one in own if higher(one.test)]
    if steps:
        listed = by_dataset([one.second for one in steps], found.label, found.done)
        return [
            heading,
            Prose(
                f"Fewer steps raise the error by themselves: {listed}.  Comparing shares at the same passes mixes the "
                "two."
            ),
        ]
    if untested(own):
        more = sum(one.test is not None and one.test.difference.value > 0 for one in tested)
        return [
            heading,
            Prose(f"Fewer steps go with a higher test error in {more} of {len(tested)} cases, of one seed each."),
        ]
    return [heading, Prose("That fewer steps raise the error by themselves is not shown here.")]


def images_or_classes(found: Findings) -> list[Block]:
    """Return what separates CIFAR-10 from CIFAR-100, images of a class or classes, as far as runs have finished."""
    heading = Heading("Is CIFAR-100 harder for its classes, or for its few images of each?")
    items = [
        _across_words(one)
        for one in found.compared
        if one.first.recipe.dataset != one.second.recipe.dataset and one.test is not None
    ]
    items += [
        text
        for all_of_ten in found.done
        if (all_of_ten.recipe.dataset, all_of_ten.recipe.train_share) == (TEN, 1)
        for text in _shares(all_of_ten, found)
    ]
    if not items:
        return [heading, Prose("This needs finished runs on both CIFAR-10 and CIFAR-100; not all are there.")]
    caution = (
        "The data sets differ in more than these numbers: the tenth of CIFAR-10 is seen ten times as often, the "
        "pictures are of other things, and the classes within a superclass of CIFAR-100 are less alike than those of "
        "CIFAR-10."
    )
    return [heading, Bullets(tuple(items)), Prose(caution)]


def _across_words(one: Compared) -> str:
    assert one.test is not None
    hundred, other = one.first, one.second
    effect = Effect.of(one, lambda group: dataset_name(group.recipe.dataset))
    verdict = f"{effect.error}, {verdict_words(one.test, effect.first)} against CIFAR-100"
    network = network_name(hundred.recipe)
    if other.recipe.dataset == "cifar100-coarse":
        return f"The same images in 20 superclasses rather than 100 classes ({network}): {verdict}."
    return f"CIFAR-10 with as many images of a class as CIFAR-100, {_of_each(other)} ({network}): {verdict}."


def _shares(ten: Group, found: Findings) -> list[str]:
    """Return how the distance from CIFAR-10 to CIFAR-100 divides at CIFAR-10 with few images of a class."""
    depth = ten.recipe.depth
    few = [group for group in found.done if group.recipe.dataset == TEN and group.recipe.train_share < 0.15]
    hundred = [group for group in found.done if (group.recipe.dataset, group.recipe.train_share) == (HUNDRED, 1)]
    middle = next((group for group in few if group.recipe.depth == depth), None)
    far = next((group for group in hundred if group.recipe.depth == depth), None)
    if middle is None or far is None:
        return []
    low, between, high = (group.last_epoch("test_error").mean or 0.0 for group in (ten, middle, far))
    by_images, by_classes = between - low, high - between
    parts = [
        one for pair in ((ten, middle), (far, middle)) if (one := comparison_of(found.compared, *pair)) is not None
    ]
    weight = (
        "  Of one seed each, neither part is tested."
        if untested(parts)
        else _greater_part(by_images, by_classes)
        if len(shown(parts)) == 2
        else "  Not both parts are resolved."
    )
    return [
        f"From {points(low)}% on CIFAR-10 to {points(high)}% on CIFAR-100 ({network_name(ten.recipe)}): cutting "
        f"CIFAR-10 to {_of_each(middle)} images of a class takes {points(by_images)} points, ten times the classes, of "
        f"other pictures, {points(by_classes)}.{weight}"
    ]


def _greater_part(by_images: float, by_classes: float) -> str:
    """Return which of two parts of the distance is at least twice the other, and what the assignment supposes of it."""
    if min(by_images, by_classes) <= 0:
        return ""
    if by_classes >= 2 * by_images:
        return (
            "  So the greater part goes with the classes and what comes with them; the assignment supposes the number "
            "of images of each."
        )
    if by_images >= 2 * by_classes:
        return "  So the greater part goes with the number of images of each class, as the assignment supposes."
    return "  Neither part is twice the other: both play a part."


def _of_each(group: Group) -> str:
    images, classes = group.number("num_train"), group.number("num_classes")
    return whole(images // classes) or "" if images and classes else "as many"
