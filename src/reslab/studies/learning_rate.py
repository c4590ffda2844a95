"""What does the learning rate do?  The assignment's section 4: ResNet-20 at a tenth to ten times the base rate."""

from collections.abc import Sequence

from reslab.analysis.comparisons import Compared
from reslab.analysis.features import phases
from reslab.analysis.groups import Group, datasets_of, on_dataset
from reslab.analysis.tidy import Tables
from reslab.exhibits.blocks import Block, Bullets, Heading, Prose
from reslab.exhibits.factors import Axis, factor_figure
from reslab.exhibits.finals import marks
from reslab.exhibits.windows import window_table
from reslab.exhibits.wording import dataset_name, listing, network_name, number, points, spread
from reslab.published import Published, published
from reslab.studies.against_published import not_comparable, where_in
from reslab.studies.chapter import Chapter, in_short, write
from reslab.studies.comparing import by_dataset, in_sentences, told
from reslab.studies.designs import (
    at_rate,
    bases,
    labelled,
    muon_words,
    seeds,
    several_networks,
    variants,
    where,
    with_base,
)
from reslab.studies.reasons import NOTHING_BESIDE, reasons
from reslab.studies.study import Options, Study
from reslab.studies.verdicts import verdict_words, why_not_comparable

NAME = "learning-rate"
DEPTHS = (20,)
FACTORS = (1 / 10, 1 / 5, 1 / 2, 1.0, 2.0, 5.0, 10.0)


def ask(options: Options) -> Study:
    """Return the study of the learning rate as the options have it."""
    asked = []
    for base in bases(options, DEPTHS):
        for factor in FACTORS:
            recipe = at_rate(base, factor)
            label = labelled([f"rate {number(recipe.learning_rate)}"], recipe)
            asked.append((label, recipe, (*where(base), ("rate_times", factor))))
    return Study(
        name=NAME,
        title="What does the learning rate do?",
        question="How does the test error change with the base learning rate, from a tenth of the usual to ten times?",
        expectation="a broad range of rates that do about equally well, too low a rate that ends before it has "
        "arrived, and too high a rate from which training does not recover, or diverges.",
        variants=variants(asked),
        seeds=seeds(options),
        kind=NAME,
        diagnostics=("curvature",),
    )


def answer(study: Study, tables: Tables) -> list[Block]:
    """Return the report's chapter on the learning rate."""
    return write(study, tables, _chapter(study))


def short(study: Study, tables: Tables) -> list[str]:
    """Return the answer in a sentence for each data set."""
    return in_short(study, tables, _chapter(study))


def _chapter(study: Study) -> Chapter:
    base = {variant.recipe for variant in study.variants if dict(variant.factors)["rate_times"] == 1}
    many = len({variant.recipe.depth for variant in study.variants}) > 1

    def label(group: Group) -> str:
        rate = f"rate {number(group.recipe.learning_rate)}"
        return f"{rate}, {network_name(group.recipe)}" if many else rate

    def short(done: Sequence[Group], compared: Sequence[Compared]) -> list[str]:
        return in_sentences(done, compared, label, _rate)

    def answers(done: Sequence[Group], compared: Sequence[Compared]) -> list[Block]:
        return [
            Heading("What is the effect of the learning rate?", 4),
            *_effect(done, compared),
            Heading("Why?", 4),
            *reasons(compared, lambda own: by_dataset([one.second for one in own], _named, done)),
            *_unrest(done),
            Heading("How do the results compare with the assignment's?", 4),
            *_beside(done),
        ]

    return Chapter(
        label=label, pairs=lambda groups: with_base(groups, base), results=_results, short=short, answers=answers
    )


def _results(groups: Sequence[Group]) -> list[Block]:
    many = several_networks(groups)
    axis = (
        Axis("Learning rate", _rate, lambda group: network_name(group.recipe)) if many else Axis("Learning rate", _rate)
    )
    shown = [one for group in groups for one in _published(group)]
    figure = factor_figure("final", groups, axis, marks(shown, lambda one: number(one.learning_rate or 0)))
    blocks: list[Block] = [*muon_words(groups), *([figure] if figure is not None else [])]
    for dataset in datasets_of(groups):
        own = on_dataset(groups, dataset)
        theirs = [one for group in own for one in _published(group)]
        table = window_table(
            f"window-{dataset}",
            own,
            theirs,
            lambda group: f"{_rate(group)}, {network_name(group.recipe)}" if many else _rate(group),
            heading="Learning rate",
            matches=lambda group, one: (
                (one.learning_rate, one.depth) == (group.recipe.learning_rate, group.recipe.depth)
            ),
        )
        blocks += [table] if table is not None else []
    return blocks


def _published(group: Group) -> list[Published]:
    """Return the assignment's figure at a group's rate, where it may be compared with."""
    if why_not_comparable(group) is not None:
        return []
    known = published(dataset=group.recipe.dataset, depth=group.recipe.depth, varying="learning_rate")
    return [one for one in known if one.learning_rate == group.recipe.learning_rate]


def _effect(done: Sequence[Group], compared: Sequence[Compared]) -> list[Block]:
    blocks: list[Block] = []
    for first in done:
        own = [one for one in compared if one.first.label == first.label and one.test is not None]
        if not own:
            continue
        rates = [first, *(one.second for one in own)]
        best = min(rates, key=lambda group: group.last_epoch("test_error").mean or 0.0)
        on = f"On {dataset_name(first.recipe.dataset)} with {network_name(first.recipe)}"
        text = f"{on} the lowest test error is that of rate {_rate(best)}, {spread(best.last_epoch('test_error'))}%"
        if best is not first:
            (found,) = [one.test for one in own if one.second is best]
            assert found is not None
            text += f"; compared with the base rate of {_rate(first)} it is {verdict_words(found)}"
        blocks.append(Prose(f"{text} ([[final]], [[comparisons]])."))
        blocks += told(own, lambda one: f"Rate {_rate(one.second)} against {_rate(one.first)}")
    based = {one.first.label for one in compared} & {group.label for group in done}
    without = NOTHING_BESIDE if based else "The base rate, which all others are compared with, has no finished run."
    return blocks or [Prose(without)]


def _unrest(done: Sequence[Group]) -> list[Block]:
    """Return how the unrest of the test error before the first drop goes with the rate, of each network."""
    parts = []
    many = several_networks(done)
    for dataset, depth in dict.fromkeys((group.recipe.dataset, group.recipe.depth) for group in done):
        own = [group for group in on_dataset(done, dataset) if group.recipe.depth == depth]
        own.sort(key=lambda group: group.recipe.learning_rate)
        moves = []
        for group in own:
            found = phases(group.finished_curve("rate"), group.finished_curve("test_error"))
            if found and found[0].unrest is not None:
                moves.append((group, found[0].unrest))
        if len(moves) > 1:
            ends = [f"{points(move)} points at rate {_rate(group)}" for group, move in (moves[0], moves[-1])]
            which = f" with {network_name(own[0].recipe)}" if many else ""
            parts.append(f"on {dataset_name(dataset)}{which} by {listing(ends)}")
    if not parts:
        return []
    moves_by = "; ".join(parts)
    return [
        Prose(f"Before the rate first drops, the test error moves from one epoch to the next {moves_by} ([[test]]).")
    ]


def _beside(done: Sequence[Group]) -> list[Block]:
    items = []
    for group in done:
        for one in _published(group):
            figures = group.in_window("test_error")
            if figures is None or one.low is None or one.high is None:
                continue
            window = group.window
            assert window is not None
            items.append(
                f"{dataset_name(one.dataset)}, rate {_rate(group)}: mean over epochs {number(window.first)} to "
                f"{number(window.last)} {points(figures.mean)}, "
                f"{where_in(figures.mean, one)} the assignment's range ({points(one.low)} to {points(one.high)}, mean "
                f"{points(one.error)})."
            )
    if items:
        windows = listing(f"[[window-{dataset}]]" for dataset in datasets_of(done))
        theirs = {one.window for group in done for one in _published(group) if one.window is not None}
        over = f"; the assignment's are over epochs {listing(f'{first} to {last}' for first, last in sorted(theirs))}"
        lead = f"Test error in percent, over the same part of the schedule ({windows}{over if theirs else ''}):"
        return [Prose(lead), Bullets(tuple(items))]
    return not_comparable(done)


def _rate(group: Group) -> str:
    return number(group.recipe.learning_rate)


def _named(group: Group) -> str:
    return f"rate {_rate(group)}"
