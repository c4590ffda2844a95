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
from reslab.studies.words import Words

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
    tested, words = [one for one in own if one.test is not None], found.words
    steps = [one for one in own if higher(one.test)]
    if not tested:
        text = words("steps.unfinished")
    elif steps:
        text = words("steps.shown", listed=by_dataset([one.second for one in steps], found.label, found.done))
    elif untested(own):
        more = sum(one.test is not None and one.test.difference.value > 0 for one in tested)
        text = words("steps.untested", more=more, tested=len(tested))
    else:
        text = words("steps.open")
    return [Heading(words("steps.heading")), Prose(text)]


def images_or_classes(found: Findings) -> list[Block]:
    """Return what separates CIFAR-10 from CIFAR-100, images of a class or classes, as far as runs have finished."""
    words = found.words
    items = [
        _across_words(one, words)
        for one in found.compared
        if one.first.recipe.dataset != one.second.recipe.dataset and one.test is not None
    ]
    items += [
        text
        for all_of_ten in found.done
        if (all_of_ten.recipe.dataset, all_of_ten.recipe.train_share) == (TEN, 1)
        for text in _shares(all_of_ten, found)
    ]
    told = [Bullets(tuple(items)), Prose(words("hard.caution"))] if items else [Prose(words("hard.unfinished"))]
    return [Heading(words("hard.heading")), *told]


def _across_words(one: Compared, words: Words) -> str:
    assert one.test is not None
    hundred, other = one.first, one.second
    effect = Effect.of(one, lambda group: dataset_name(group.recipe.dataset))
    verdict, network = verdict_words(one.test, effect.first), network_name(hundred.recipe)
    case = "hard.superclasses" if other.recipe.dataset == "cifar100-coarse" else "hard.as-few"
    return words(case, images=_of_each(other), network=network, error=effect.error, verdict=verdict)


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
    if untested(parts):
        weight = "untested"
    else:
        weight = _greater_part(by_images, by_classes) if len(shown(parts)) == 2 else "open"
    text = found.words(
        "hard.parts",
        low=points(low),
        high=points(high),
        network=network_name(ten.recipe),
        images=_of_each(middle),
        by_images=points(by_images),
        by_classes=points(by_classes),
    )
    return ["  ".join([text, *([found.words(f"weight.{weight}")] if weight else [])])]


def _greater_part(by_images: float, by_classes: float) -> str:
    """Return which of two parts of the distance is at least twice the other; nothing where one is none."""
    if min(by_images, by_classes) <= 0:
        return ""
    return "classes" if by_classes >= 2 * by_images else "images" if by_images >= 2 * by_classes else "both"


def _of_each(group: Group) -> str:
    images, classes = group.number("num_train"), group.number("num_classes")
    return whole(images // classes) or "" if images and classes else "as many"
