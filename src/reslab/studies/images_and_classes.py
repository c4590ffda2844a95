"""What fewer images do, in words: how many, how often seen, and whether classes or images make CIFAR-100 hard."""

from collections.abc import Mapping, Sequence

from reslab.analysis.comparisons import Compared
from reslab.analysis.groups import Group
from reslab.exhibits.blocks import Block, Heading, Prose
from reslab.exhibits.wording import dataset_name, network_name, opened, points, spread, whole
from reslab.recipe import Recipe
from reslab.studies.comparing import Label, by_dataset, comparison_of, higher, placed, shown, told
from reslab.studies.reasons import reasons, untested
from reslab.studies.two_datasets import HUNDRED, TEN
from reslab.studies.verdicts import verdict_words

SAMPLES, PASSES = "same samples", "same passes"
"""What the schedule of a part of the images keeps: images seen in all, or times that each is seen."""


def across(groups: Sequence[Group]) -> list[tuple[Group, Group]]:
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


def amount(done: Sequence[Group], compared: Sequence[Compared], label: Label) -> list[Block]:
    """Return the effect of having fewer images, and what the two errors say about its reason."""
    own = [
        one
        for one in compared
        if one.first.recipe.dataset == one.second.recipe.dataset
        and one.first.recipe.train_share == 1 > one.second.recipe.train_share
    ]
    blocks: list[Block] = [Heading("What is the effect of the number of images?", 4)]
    if not own:
        return [*blocks, Prose("No training on all images has finished, which the others are compared with.")]
    name = placed(done, label)
    blocks.append(Prose("Against the training on all images ([[final]], [[comparisons]]):"))
    blocks += told(own, lambda one: f"{opened(name(one.second))} against {label(one.first)}")
    return [*blocks, *reasons(own, lambda some: by_dataset([one.second for one in some], label, done))]


def samples_or_passes(
    done: Sequence[Group], compared: Sequence[Compared], label: Label, kept: Mapping[Recipe, str]
) -> list[Block]:
    """Return whether seeing few images more often helps: as many passes against as many samples."""
    own = [
        one
        for one in compared
        if one.first.recipe.dataset == one.second.recipe.dataset
        and one.first.recipe.train_share == one.second.recipe.train_share
        and kept[one.second.recipe] == PASSES
    ]
    heading = Heading("Are there too few images, or too few steps?", 4)
    if not any(one.test for one in own):
        return [heading, Prose("Not enough has finished to compare as many samples with as many passes.")]
    name = placed(done, label)
    listed = told(own, lambda one: f"{opened(name(one.second))} against the {SAMPLES}")
    steps = [one for one in own if higher(one.test)]
    text = (
        f"Fewer steps cost something of their own with these: {by_dataset([one.second for one in steps], label, done)}."
        "  Comparing data sizes at as many passes mixes the two."
        if steps
        else "With one seed it cannot be tested whether fewer steps cost something of their own."
        if untested(own)
        else "That fewer steps cost something of their own is not shown here."
    )
    return [heading, *listed, Prose(text)]


def images_or_classes(done: Sequence[Group], compared: Sequence[Compared]) -> list[Block]:
    """Return what separates CIFAR-10 from CIFAR-100, images of a class or classes, as far as runs have finished."""
    heading = Heading("Is CIFAR-100 harder for its classes, or for its few images of each?", 4)
    blocks: list[Block] = []
    for one in compared:
        if one.first.recipe.dataset != one.second.recipe.dataset and one.test is not None:
            blocks.append(Prose(_across_words(one)))
    for all_of_ten in done:
        if (all_of_ten.recipe.dataset, all_of_ten.recipe.train_share) == (TEN, 1):
            blocks += _shares(all_of_ten, done, compared)
    if not blocks:
        return [heading, Prose("This needs finished runs on both CIFAR-10 and CIFAR-100; not all are there.")]
    caution = (
        "The data sets differ in more than these numbers: with as many images of a class, that of ten classes has a "
        "tenth of the images, and in as many steps sees each ten times as often; other things are shown, and the "
        "superclasses of CIFAR-100 hold things less alike than the classes of CIFAR-10."
    )
    return [heading, *blocks, Prose(caution)]


def _across_words(one: Compared) -> str:
    assert one.test is not None
    hundred, other = one.first, one.second
    verdict = verdict_words(one.test)
    both = f"{spread(other.last_epoch('test_error'))}% against {spread(hundred.last_epoch('test_error'))}%"
    if other.recipe.dataset == "cifar100-coarse":
        return (
            f"The same images in 20 superclasses rather than 100 classes ({network_name(hundred.recipe)}, {both}): the "
            f"test error is {verdict}."
        )
    return (
        f"CIFAR-10 with as many images of a class as CIFAR-100, {_of_each(other)} ({network_name(hundred.recipe)}, "
        f"{both}): the test error is {verdict}.  With as many images of a class, the classes are left, ten against "
        "a hundred, and with them a tenth of the images in all, each seen ten times as often."
    )


def _shares(ten: Group, done: Sequence[Group], compared: Sequence[Compared]) -> list[Block]:
    """Return how the distance from CIFAR-10 to CIFAR-100 divides at CIFAR-10 with few images of a class."""
    depth = ten.recipe.depth
    few = [group for group in done if group.recipe.dataset == TEN and group.recipe.train_share < 0.15]
    hundred = [group for group in done if (group.recipe.dataset, group.recipe.train_share) == (HUNDRED, 1)]
    middle = next((group for group in few if group.recipe.depth == depth), None)
    far = next((group for group in hundred if group.recipe.depth == depth), None)
    if middle is None or far is None:
        return []
    means = [group.last_epoch("test_error").mean for group in (ten, middle, far)]
    low, between, high = (mean or 0.0 for mean in means)
    by_images, by_classes = between - low, high - between
    parts = [one for pair in ((ten, middle), (far, middle)) if (one := comparison_of(compared, *pair)) is not None]
    weight = (
        "  With one seed neither part can be tested."
        if untested(parts)
        else _greater_part(by_images, by_classes)
        if len(shown(parts)) == 2
        else "  Not both parts are shown to be more than chance."
    )
    text = (
        f"From {dataset_name(TEN)} to {dataset_name(HUNDRED)} the test error of {network_name(ten.recipe)} goes "
        f"from {points(low)}% to {points(high)}%.  On the way, cutting CIFAR-10 to {_of_each(middle)} images of a "
        f"class, seen ten times as often, takes {points(by_images)} points, and the rest, ten times the classes and "
        f"images of other things, {points(by_classes)} ([[final]]).{weight}"
    )
    return [Prose(text)]


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
