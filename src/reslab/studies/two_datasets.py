"""What separates CIFAR-10 from CIFAR-100, as far as networks of several depths on both can show it."""

from collections.abc import Sequence

from reslab.analysis.comparisons import Compared, step
from reslab.analysis.groups import Group, on_dataset
from reslab.exhibits.blocks import Block, Bullets, Prose
from reslab.exhibits.wording import dataset_name, listing, network_name, points, whole
from reslab.studies.comparing import comparison_of
from reslab.studies.curve_features import gap
from reslab.studies.verdicts import verdict_words

TEN, HUNDRED = "cifar10", "cifar100"


def two_datasets(done: Sequence[Group], compared: Sequence[Compared]) -> list[Block]:
    """Return how the errors on both, their gaps and the worth of depth compare; or on which nothing has finished."""
    ten, hundred = on_dataset(done, TEN), on_dataset(done, HUNDRED)
    missing = [dataset_name(name) for name, own in ((TEN, ten), (HUNDRED, hundred)) if not own]
    if missing:
        return [Prose(f"The question needs finished runs on both; on {listing(missing)} there are none.")]
    items = [
        _pair_words(first, second) for first in ten for second in hundred if first.recipe.depth == second.recipe.depth
    ]
    gains = [text for own in (ten, hundred) if (text := _gain_words(own, compared))]
    blocks: list[Block] = [Bullets(tuple(items))] if items else []
    blocks += [Prose(f"Depth: {'; '.join(gains)}.")] if gains else []
    return [*blocks, Prose(_per_class(ten[0], hundred[0]))]


def _gain_words(own: Sequence[Group], compared: Sequence[Compared]) -> str:
    """Return what the greatest depth is worth on a data set, against the least; nothing where there is only one."""
    ordered = sorted(own, key=lambda group: group.recipe.depth)
    first, last = ordered[0], ordered[-1]
    one = comparison_of(compared, first, last)
    if one is None or one.test is None:
        return ""
    depths = f"{last.recipe.depth} rather than {first.recipe.depth} layers"
    return f"on {dataset_name(first.recipe.dataset)} the test error with {depths} is {verdict_words(one.test)}"


def _pair_words(first: Group, second: Group) -> str:
    low, high = first.last_epoch("test_error").mean, second.last_epoch("test_error").mean
    assert low is not None
    assert high is not None
    times = f", {high / low:.1f} times as many" if low > step(first) else ""
    gaps = listing(f"{points(gap(group))} on {dataset_name(group.recipe.dataset)}" for group in (first, second))
    return (
        f"{network_name(first.recipe)}: {points(low)}% of the test images wrong on CIFAR-10, {points(high)}% on "
        f"CIFAR-100{times}; the points by which the test error exceeds the training error are {gaps}."
    )


def _per_class(ten: Group, hundred: Group) -> str:
    shares = []
    for group in (ten, hundred):
        images, classes = group.number("num_train"), group.number("num_classes")
        if images and classes:
            shares.append(f"{whole(images // classes)} training images for each of {classes} classes")
    sizes = f"CIFAR-10 has {shares[0]}, CIFAR-100 {shares[1]}" if len(shares) == 2 else "CIFAR-100 has more classes"
    return (
        f"{sizes}.  So CIFAR-100 has both more classes to tell apart and fewer images of each to learn from; this "
        "study changes the two together and cannot tell which matters more; the study data-size goes some way to it."
    )
