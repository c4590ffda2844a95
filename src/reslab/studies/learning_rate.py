"""What does the learning rate do?  The assignment's section 4: ResNet-20 at a tenth to ten times the base rate."""

from collections.abc import Sequence

from reslab.analysis.features import phases
from reslab.analysis.groups import Group, datasets_of, on_dataset
from reslab.analysis.judgement import Compared
from reslab.analysis.tidy import Tables
from reslab.exhibits.blocks import Block, Bullets, Heading, Prose
from reslab.exhibits.factors import Axis, factor_figure
from reslab.exhibits.finals import marks
from reslab.exhibits.windows import window_table
from reslab.exhibits.wording import dataset_name, listing, network_name, number, points, spread
from reslab.published import Published, published
from reslab.recipe import vary
from reslab.studies.against_published import not_comparable, where_in
from reslab.studies.chapter import Chapter, in_short, write
from reslab.studies.comparing import by_dataset, higher, in_sentences, lower, placed, told
from reslab.studies.designs import bases, labelled, seeds, several_networks, times, variants, where, with_base
from reslab.studies.one_seed import reasons_supposed, untested
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
            recipe = vary(base, learning_rate=times(base.learning_rate, factor))
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
            *_reasons(done, compared),
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
    blocks: list[Block] = [figure] if figure is not None else []
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
    return blocks or [Prose("The base rate, which all others are compared with, has no finished run.")]


def _reasons(done: Sequence[Group], compared: Sequence[Compared]) -> list[Block]:
    """Return what the training errors and the unrest of the curves say about rates that are worse."""
    blocks: list[Block] = []
    name = placed(done, _rate)
    said = False
    for side, words in ((-1, "lower"), (1, "higher")):
        worse = [one for one in compared if higher(one.test) and _side(one) == side]
        if not worse:
            continue
        unfit = [one for one in worse if higher(one.train)]
        fit = [one for one in worse if lower(one.train)]
        listed = by_dataset([one.second for one in worse], _named, done)
        text = f"Rates {words} than the base that do worse: {listed}.  "
        if len(unfit) == len(worse) and said:
            text += "Their training errors are higher too, so that the same is to be said of them."
        elif len(unfit) == len(worse):
            said = True
            text += (
                "Their training errors are higher too: the weights have not arrived where the base rate takes them "
                "within this schedule, which is a matter of optimisation and not of overfitting."
            )
        elif fit:
            text += (
                f"With {listing(name(one.second) for one in fit)} the training error is lower all the same: what is "
                "learnt there carries over less to new images."
            )
        elif unfit:
            text += (
                f"With {listing(name(one.second) for one in unfit)} the training error is shown to be higher too: "
                "there the weights have not arrived where the base rate takes them, which is a matter of optimisation "
                "and not of overfitting.  For the others the reason is open."
            )
        else:
            text += "Their training errors are not shown to be higher, so that the reason is open."
        blocks.append(Prose(text))
    if untested(compared):
        supposed = reasons_supposed(compared, lambda own: by_dataset([one.second for one in own], _named, done))
        blocks.append(Prose(supposed))
    elif not blocks:
        blocks.append(
            Prose("No rate is shown to do worse than the base, so that there is nothing to give a reason for.")
        )
    unrest = _unrest(done)
    return [*blocks, *([Prose(unrest)] if unrest else [])]


def _unrest(done: Sequence[Group]) -> str:
    """Return how the unrest of the test error before the first drop goes with the rate."""
    parts = []
    for dataset in datasets_of(done):
        own = sorted(on_dataset(done, dataset), key=lambda group: group.recipe.learning_rate)
        moves = []
        for group in own:
            found = phases(group.curve("rate"), group.curve("test_error"))
            if found and found[0].unrest is not None:
                moves.append((group, found[0].unrest))
        if len(moves) > 1:
            ends = [f"{points(move)} points at rate {_rate(group)}" for group, move in (moves[0], moves[-1])]
            parts.append(f"on {dataset_name(dataset)} by {listing(ends)}")
    if not parts:
        return ""
    listed = "; ".join(parts)
    return f"Before the rate first drops, the mean test error moves from one epoch to the next {listed} ([[test]])."


def _beside(done: Sequence[Group]) -> list[Block]:
    items = []
    for group in done:
        for one in _published(group):
            figures = group.in_window("test_error")
            if figures is None or one.low is None or one.high is None:
                continue
            items.append(
                f"{dataset_name(one.dataset)}, rate {_rate(group)}: mean over the window {points(figures.mean)}, "
                f"{where_in(figures.mean, one)} the assignment's range ({points(one.low)} to {points(one.high)}, mean "
                f"{points(one.error)})."
            )
    if items:
        windows = listing(f"[[window-{dataset}]]" for dataset in datasets_of(done))
        return [Prose(f"Over the same window of epochs ({windows}), test error in percent:"), Bullets(tuple(items))]
    return not_comparable(done)


def _rate(group: Group) -> str:
    return number(group.recipe.learning_rate)


def _named(group: Group) -> str:
    return f"rate {_rate(group)}"


def _side(one: Compared) -> int:
    return 1 if one.second.recipe.learning_rate > one.first.recipe.learning_rate else -1
