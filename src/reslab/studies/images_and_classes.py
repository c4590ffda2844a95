"""What fewer images do, in words: how many, how often seen, and whether classes or images make CIFAR-100 hard."""

from collections.abc import Callable, Mapping, Sequence

from reslab.analysis.groups import Group
from reslab.analysis.judgement import Compared
from reslab.exhibits.blocks import Block, Bullets, Heading, Prose
from reslab.exhibits.wording import dataset_name, listing, network_name, points, spread, whole
from reslab.recipe import Recipe
from reslab.studies.comparing import compared_words, higher, lower
from reslab.studies.verdicts import verdict_words

SAMPLES, PASSES = "same samples", "same passes"
"""What the schedule of a part of the images keeps: images seen in all, or times that each is seen."""

Label = Callable[[Group], str]


def across(groups: Sequence[Group]) -> list[tuple[Group, Group]]:
    """Return the comparisons between data sets: as many images of a class, and as many images of fewer classes."""
    found = []
    for hundred in groups:
        if (hundred.recipe.dataset, hundred.recipe.train_share) != ("cifar100", 1):
            continue
        for other in groups:
            if other.recipe.depth == hundred.recipe.depth:
                few = other.recipe.dataset == "cifar10" and other.recipe.train_share < 0.15
                if few or other.recipe.dataset == "cifar100-coarse":
                    found.append((hundred, other))
    return found


def amount(compared: Sequence[Compared], label: Label) -> list[Block]:
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
    items = [compared_words(one, f"{one.second.label} against {label(one.first)}") for one in own]
    blocks += [Prose("Against the training on all images ([[final]], [[comparisons]]):"), Bullets(tuple(items))]
    worse = [one for one in own if higher(one.test)]
    overfit = [one for one in worse if lower(one.train)]
    if overfit and len(overfit) == len(worse):
        text = (
            "Wherever fewer images are shown to give a higher test error, the training error is lower: the few images "
            "are learnt all the better, and what is learnt carries over less.  That is overfitting."
        )
    elif overfit:
        text = (
            f"With {listing(one.second.label for one in overfit)} the training error is lower and the test error "
            "higher, "
            "which is overfitting; elsewhere the training error is not lower, so that fewer steps play a part."
        )
    elif worse:
        text = (
            "Where fewer images are shown to give a higher test error, the training error is not lower: the training "
            "is "
            "also too short there, and overfitting is not shown."
        )
    else:
        text = "No higher test error is shown with fewer images."
    return [*blocks, Prose(text)]


def samples_or_passes(compared: Sequence[Compared], kept: Mapping[Recipe, str]) -> list[Block]:
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
    items = [compared_words(one, f"{one.second.label}, against the {SAMPLES}") for one in own]
    steps = [one for one in own if higher(one.test)]
    text = (
        f"Fewer steps cost something of their own in {listing(one.second.label for one in steps)}: comparing data "
        "sizes "
        "at as many passes mixes the two."
        if steps
        else "Fewer steps are not shown to cost anything of their own here."
    )
    return [heading, Bullets(tuple(items)), Prose(text)]


def images_or_classes(done: Sequence[Group], compared: Sequence[Compared]) -> list[Block]:
    """Return what separates CIFAR-10 from CIFAR-100: images of a class, or classes; nothing without both."""
    if not any(group.recipe.dataset.startswith("cifar") for group in done):
        return []
    heading = Heading("Is CIFAR-100 harder for its classes, or for its few images of each?", 4)
    blocks: list[Block] = []
    for one in compared:
        if one.first.recipe.dataset != one.second.recipe.dataset and one.test is not None:
            blocks.append(Prose(_across_words(one)))
    for all_of_ten in done:
        if (all_of_ten.recipe.dataset, all_of_ten.recipe.train_share) == ("cifar10", 1):
            blocks += _shares(all_of_ten, done)
    if not blocks:
        return [heading, Prose("This needs finished runs on both CIFAR-10 and CIFAR-100; not all are there.")]
    caution = (
        "The data sets differ in more than these numbers: other things are shown in their images, and the superclasses "
        "of CIFAR-100 hold things less alike than the classes of CIFAR-10."
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
        f"{both}): the test error is {verdict}.  With images of a class alike, what is left are the classes: ten "
        "against a "
        "hundred."
    )


def _shares(ten: Group, done: Sequence[Group]) -> list[Block]:
    """Return how the distance from CIFAR-10 to CIFAR-100 divides at CIFAR-10 with few images of a class."""
    depth = ten.recipe.depth
    few = [group for group in done if group.recipe.dataset == "cifar10" and group.recipe.train_share < 0.15]
    hundred = [group for group in done if (group.recipe.dataset, group.recipe.train_share) == ("cifar100", 1)]
    middle = next((group for group in few if group.recipe.depth == depth), None)
    far = next((group for group in hundred if group.recipe.depth == depth), None)
    if middle is None or far is None:
        return []
    means = [group.last_epoch("test_error").mean for group in (ten, middle, far)]
    low, between, high = (mean or 0.0 for mean in means)
    text = (
        f"From {dataset_name('cifar10')} to {dataset_name('cifar100')} the test error of {network_name(ten.recipe)} "
        "goes "
        f"from {points(low)}% to {points(high)}%.  On the way, cutting CIFAR-10 to {_of_each(middle)} images of a "
        "class "
        f"accounts for {points(between - low)} points, and the rest, more classes of other things, for "
        f"{points(high - between)} ([[final]])."
    )
    return [Prose(text)]


def _of_each(group: Group) -> str:
    images, classes = group.number("num_train"), group.number("num_classes")
    return whole(images // classes) or "" if images and classes else "as many"
