"""The assignment's five questions on depth, answered in words that the measured figures choose."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from reslab.analysis.groups import Group, datasets_of, on_dataset
from reslab.analysis.judgement import Compared
from reslab.analysis.statistics import Verdict
from reslab.exhibits.blocks import Block, Bullets, Heading, Prose
from reslab.exhibits.wording import dataset_name, listing, network_name, opened, spread, with_n
from reslab.studies.against_published import against_paper
from reslab.studies.comparing import comparison_of, diverged_words, higher, lower, missing_words
from reslab.studies.curve_features import curve_features
from reslab.studies.designs import within
from reslab.studies.one_seed import reasons_supposed, untested
from reslab.studies.two_datasets import HUNDRED, TEN, two_datasets
from reslab.studies.verdicts import both_words, verdict_words, why_not_comparable

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
    blocks += [Heading("How does performance change with the number of layers?  Why?", 4), *_by_depth(done, compared)]
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
            ends = []
            for group in (own[0], own[-1]):
                summary = group.last_epoch("test_error")
                ends.append(f"{spread(summary)}% with {group.recipe.depth} layers (n = {summary.n})")
            name = dataset_name(dataset)
            text = f"On {name} the test error is {listing(ends)}, {verdict_words(found.test)}"
            sentences.append(f"{text}{_shown_between(compared, own)}.")
    return sentences


def _shown_between(compared: Sequence[Compared], own: Sequence[Group]) -> str:
    """Return the steps from one depth to the next that are shown, where the whole way is not."""
    whole_way = _known(compared, own[0], own[-1])
    steps = [_known(compared, first, second) for first, second in pairwise(own)] if len(own) > 2 else []
    found = [
        f"from {one.first.recipe.depth} to {one.second.recipe.depth} layers {verdict_words(one.test)}"
        for one in steps
        if one.test.resolved
    ]
    return f"; but {listing(found)}" if found and not whole_way.test.resolved else ""


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


def _by_depth(done: Sequence[Group], compared: Sequence[Compared]) -> list[Block]:
    blocks: list[Block] = []
    for dataset in datasets_of(done):
        own = _by_depths(on_dataset(done, dataset))
        name = dataset_name(dataset)
        if len(own) < 2:
            blocks.append(Prose(f"On {name} only one depth has finished, so there is nothing to compare."))
            continue
        items = [_step_words(_known(compared, first, second)) for first, second in pairwise(own)]
        blocks += [Prose(f"On {name} ([[final]], [[final-{dataset}]]):"), Bullets(tuple(items))]
        whole_way = f"from {own[0].recipe.depth} to {own[-1].recipe.depth} layers altogether, "
        ends = comparison_of(compared, own[0], own[-1])
        if ends is not None and untested([ends]):
            text = reasons_supposed([ends], _layers)
        else:
            text = opened((whole_way if len(own) > 2 else "") + _why(_known(compared, own[0], own[-1])))
        blocks.append(Prose(text))
    several = len({group.recipe.depth for group in done}) > 1
    if several and any(why_not_comparable(group) and group.recipe.dataset != "digits" for group in done):
        text = (
            "These trainings are not the full ones; deeper networks take longer to train, so that the order of depths "
            "may differ at the end of a full schedule."
        )
        blocks.append(Prose(text))
    return blocks


def _layers(compared: Sequence[Compared]) -> str:
    return listing(f"{one.second.recipe.depth} layers" for one in compared)


def _step_words(one: Judged) -> str:
    first, second = one.first, one.second
    more = ""
    before, after = first.number("parameters"), second.number("parameters")
    if before and after:
        more = f", {after / before:.1f} times the parameters"
    layers = f"{first.recipe.depth} to {second.recipe.depth} layers{more}"
    return f"{layers}: {both_words(one.test, one.train)}."


def _why(one: Judged) -> str:
    """Return what the two errors together say about the reason."""
    test, train = one.test, one.train
    deep, shallow = network_name(one.second.recipe), network_name(one.first.recipe)
    better, worse = lower(test), higher(test)
    fits_better, fits_worse = lower(train), higher(train)
    if better and fits_better:
        return (
            f"the test error is {verdict_words(test)}.  {deep} fits the training images better too: the added layers "
            "are put to use, there is no degradation of the kind that plain networks show, and what is learnt "
            "carries over to new images."
        )
    if better and fits_worse:
        return (
            f"the test error is {verdict_words(test)} although the training error is higher: {deep} fits the training "
            f"images less closely than {shallow} but generalises better."
        )
    if better:
        return (
            f"the test error is {verdict_words(test)}, while the training errors cannot be told apart: {deep} does not "
            "measurably fit the training images better, it generalises better."
        )
    if fits_worse:
        also = ", and so is its test error" if worse else ""
        return (
            f"the training error of {deep} is higher than that of {shallow}{also}.  That is not overfitting: within "
            "this schedule the deeper network is harder to train."
        )
    if worse and fits_better:
        return (
            f"the test error of {deep} is higher although its training error is lower: the added layers fit the "
            "training images and not what new images share with them, which is overfitting."
        )
    if worse:
        return f"the test error of {deep} is higher; the training errors cannot be told apart, so the reason is open."
    if test.kind == "equal" and not fits_better:
        return f"the test error of {deep} is {verdict_words(test)}: the added layers neither help nor harm."
    if fits_better:
        return (
            f"{deep} fits the training images better, but with these seeds its test error cannot be told from that "
            f"of {shallow}: what the added layers learn does not measurably carry over."
        )
    return (
        f"neither error of {deep} can be told from that of {shallow} with so few seeds, and no reason should be given "
        "for an effect that is not shown."
    )


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
