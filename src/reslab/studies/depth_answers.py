"""The assignment's five questions on depth, answered in words that the measured figures choose."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from reslab.analysis.comparisons import Compared
from reslab.analysis.groups import Group, datasets_of, on_dataset
from reslab.analysis.verdicts import MARGIN, Verdict
from reslab.exhibits.blocks import Block, Bullets, Heading, Prose
from reslab.exhibits.wording import dataset_name, listing, network_name, number, opened, spread, with_n
from reslab.studies.against_published import against_paper
from reslab.studies.comparing import comparison_of, diverged_words, missing_words
from reslab.studies.curve_features import curve_features
from reslab.studies.designs import within
from reslab.studies.reasons import on_what_scale, reasons, untested
from reslab.studies.two_datasets import HUNDRED, TEN, two_datasets
from reslab.studies.verdicts import both_words, is_shortened, verdict_words

Label = Callable[[Group], str]


@dataclass(frozen=True, slots=True)
class Judged:
    """A comparison with both verdicts, as two finished groups have them."""

    first: Group
    second: Group
    test: Verdict
    train: Verdict


def pairs(groups: Sequence[Group]) -> list[tuple[Group, Group]]:
    """Return the comparisons: each depth with the next of its data set, and the least with the greatest."""

    def find(own: Sequence[Group]) -> list[tuple[Group, Group]]:
        ordered = _by_depths([group for group in own if group.has_result])
        return [*pairwise(ordered), *([(ordered[0], ordered[-1])] if len(ordered) > 2 else [])]

    return within(groups, find)


def answers(groups: Sequence[Group], compared: Sequence[Compared]) -> list[Block]:
    """Return questions and answers; a question that these runs cannot answer says what would."""
    done = [group for group in groups if group.has_result]
    blocks: list[Block] = [Heading("The questions, answered")]
    if not done:
        return [*blocks, Prose("No run has finished, so there is nothing to answer with yet.")]
    blocks += [*diverged_words(groups), *missing_words(groups)]
    blocks += [Heading("What are the complete curves, and what is the final accuracy?", 4), *_final(done)]
    blocks += [Heading("How do the results compare with the paper's?  Why are they better or worse?", 4)]
    blocks += against_paper(done)
    blocks += [Heading("How does performance change with the number of layers?  Why?", 4), *_by_depth(groups, compared)]
    blocks += [Heading("What can be recognised in the curves?", 4), *curve_features(done)]
    if {TEN, HUNDRED} <= set(datasets_of(groups)):
        heading = Heading("What is the major difference between CIFAR-10 and CIFAR-100?", 4)
        blocks += [heading, *two_datasets(done, compared)]
    return blocks


def in_short(groups: Sequence[Group], compared: Sequence[Compared]) -> list[str]:
    """Return the answer in a sentence for each data set with two depths or more, none before they have finished."""
    sentences = []
    done = [group for group in groups if group.has_result]
    for dataset in datasets_of(done):
        own = _by_depths(on_dataset(done, dataset))
        found = _found(compared, own[0], own[-1])
        if found is not None:
            each = []
            for group in own:
                summary = group.last_epoch("test_error")
                each.append(f"{spread(summary)}% with {group.recipe.depth} layers (n = {summary.n})")
            name = dataset_name(dataset)
            way = f"; from {own[0].recipe.depth} to {own[-1].recipe.depth} layers it is" if len(own) > 2 else ","
            text = f"On {name} the test error is {listing(each)}{way} {verdict_words(found.test)}"
            sentences.append(f"{text}{_shown_between(compared, own)}.")
    return sentences


def _shown_between(compared: Sequence[Compared], own: Sequence[Group]) -> str:
    """Return the steps from one depth to the next that are shown where the whole way is not, or that go against it."""
    whole_way = _known(compared, own[0], own[-1])
    steps = [_known(compared, first, second) for first, second in pairwise(own)] if len(own) > 2 else []
    found = [
        f"from {one.first.recipe.depth} to {one.second.recipe.depth} layers {verdict_words(one.test)}"
        for one in steps
        if one.test.resolved and one.test.kind != whole_way.test.kind
    ]
    return f"; but {listing(found)}" if found else ""


def _final(done: Sequence[Group]) -> list[Block]:
    finals = listing(f"[[final-{dataset}]]" for dataset in datasets_of(done))
    items = []
    for dataset in datasets_of(done):
        parts = []
        for group in on_dataset(done, dataset):
            summary = group.last_epoch("test_error")
            assert summary.mean is not None
            parts.append(f"{network_name(group.recipe)} {with_n(summary)}, an accuracy of {100 - summary.mean:.2f}%")
        items.append(f"{opened(dataset_name(dataset))}, test error of the last epoch in percent: {'; '.join(parts)}.")
    text = f"The curves are in [[train]], [[test]] and [[together]], the final figures in {finals}."
    return [Prose(text), Bullets(tuple(items))]


def _by_depth(groups: Sequence[Group], compared: Sequence[Compared]) -> list[Block]:
    done = [group for group in groups if group.has_result]
    blocks: list[Block] = []
    for dataset in datasets_of(done):
        own = _by_depths(on_dataset(done, dataset))
        name = dataset_name(dataset)
        if len(own) < 2:
            alone = "was asked" if len(on_dataset(groups, dataset)) == 1 else "has finished"
            blocks.append(Prose(f"On {name} only one depth {alone}, so there is nothing to compare."))
            continue
        items = [_step_words(_known(compared, first, second)) for first, second in pairwise(own)]
        blocks += [Prose(f"On {name} ([[final]], [[final-{dataset}]]):"), Bullets(tuple(items))]
        steps = list(pairwise(own)) + ([(own[0], own[-1])] if len(own) > 2 else [])
        found = [one for pair in steps if (one := comparison_of(compared, *pair)) is not None]
        if untested(found):
            blocks.append(Prose(on_what_scale(found)))
        blocks += reasons(found, _layers, _MEANINGS)
    cold = [group for group in done if group.recipe.depth == WARMED_UP and group.recipe.warmup == "none"]
    if cold:
        text = (
            f"The paper warms ResNet-{WARMED_UP} up: its rate is 0.01 until the training error is below 80%.  These "
            "runs have no warm-up, which may have a part in how it stands to the others."
        )
        blocks.append(Prose(text))
    several = len({group.recipe.depth for group in done}) > 1
    if several and any(is_shortened(group) for group in done):
        text = (
            "These trainings are not the full ones; deeper networks take longer to train, so that the order of depths "
            "may differ at the end of a full schedule."
        )
        blocks.append(Prose(text))
    return blocks


WARMED_UP = 110
"""Layers of the network that the paper warms up (section 4.2)."""


def _layers(compared: Sequence[Compared]) -> str:
    return listing(f"{one.first.recipe.depth} to {one.second.recipe.depth} layers" for one in compared)


_LESS = f"the added layers help or harm by less than {number(MARGIN)} points"
_MEANINGS = {
    (
        "lower",
        "lower",
    ): "the added layers are put to use, without the degradation of plain networks: more "
    "is learnt, and it carries over to new images",
    ("higher", "higher"): "the deeper network is harder to train within this schedule, which is not overfitting",
    ("higher", "lower"): "the added layers fit the training images and not what new images share with them, which is "
    "overfitting",
    ("equal", "open"): _LESS,
    ("equal", "lower"): f"{_LESS}, though they fit the training images better",
    ("equal", "higher"): f"{_LESS}, though the deeper network is harder to train within this schedule",
    ("open", "higher"): "the deeper network is harder to train within this schedule, which is not overfitting",
}


def _step_words(one: Judged) -> str:
    first, second = one.first, one.second
    more = ""
    before, after = first.number("parameters"), second.number("parameters")
    if before and after:
        more = f", {after / before:.1f} times the parameters"
    layers = f"{first.recipe.depth} to {second.recipe.depth} layers{more}"
    return f"{layers}: {both_words(one.test, one.train)}."


def _found(compared: Sequence[Compared], first: Group, second: Group) -> Judged | None:
    one = comparison_of(compared, first, second)
    if one is None or one.test is None or one.train is None:
        return None
    return Judged(first, second, one.test, one.train)


def _known(compared: Sequence[Compared], first: Group, second: Group) -> Judged:
    found = _found(compared, first, second)
    assert found is not None
    return found


def _by_depths(groups: Sequence[Group]) -> list[Group]:
    return sorted(groups, key=lambda group: group.recipe.depth)
