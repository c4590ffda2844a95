"""How does depth change the error?  The required task of the assignment: 20, 56 and 110 layers on CIFAR-10 and -100."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from itertools import pairwise

from reslab.analysis.comparable import comparable_figures, obstacle
from reslab.analysis.comparisons import Compared, compare, step
from reslab.analysis.groups import Group, by_dataset, datasets_of, on_dataset
from reslab.exhibits.blocks import Block, Bullets, Heading, Prose
from reslab.exhibits.factor_figures import MEASURED, Axis
from reslab.exhibits.sizes import verdict_words
from reslab.exhibits.wording import dataset_name, listing, network_name, points, spread, whole
from reslab.published import published
from reslab.recipe import Recipe, vary
from reslab.studies.answers import Answer, by_base
from reslab.studies.designs import BOTH, HUNDRED, TEN, base_recipe, labelled, of_factor, study_of, where, within
from reslab.studies.findings import Findings, Groups, Pairs
from reslab.studies.images_and_classes import of_each
from reslab.studies.question import Beside, Chapter, Question
from reslab.studies.reasons import reasons
from reslab.studies.sentences import comparison_of
from reslab.studies.study import Options, Study
from reslab.studies.words import Words

DEPTHS = (20, 56, 110)
WARMED_UP = 110
"""Layers from which on the paper warms its networks up (section 4.2)."""

WARMED = "with the paper's warm-up"


def ask(options: Options) -> Study:
    """Return the study of depth as the options have it; an impossible value raises `ResLabError`."""
    datasets, depths = dict.fromkeys(options.datasets or BOTH), sorted(set(options.depths or DEPTHS))
    asked = []
    for dataset in datasets:
        for depth in depths:
            recipe = base_recipe(options, dataset, depth)
            asked.append((labelled([], recipe), recipe, where(recipe)))
            if (warmed := _with_warmup(recipe)) is not None:
                asked.append((labelled(["warm-up"], recipe), warmed, (*where(recipe), ("warmup", True))))
    known = [one for one in published(source="paper", dataset=TEN) if one.depth in depths and TEN in datasets]
    paper = listing(f"{one.error:.2f}% with {one.depth} layers" for one in known if len(known) > 1)
    return study_of(QUESTION.name, options, asked, diagnostics=("responses", "gap"), paper=paper)


def chapter(study: Study, words: Words) -> Chapter:
    """Return what is depth's own in its chapter."""
    controls = of_factor(study, "warmup", True)

    def uncontrolled(groups: Groups) -> list[Group]:
        return [group for group in groups if group.recipe not in controls]

    def asked(found: Findings) -> Findings:
        return replace(found, groups=uncontrolled(found.groups))

    return Chapter(
        words=words,
        label=lambda group: f"{network_name(group.recipe)}{', warm-up' if group.recipe in controls else ''}",
        pairs=lambda groups: within(uncontrolled(groups), _pairs),
        axis=Axis(
            words("axis"),
            lambda group: str(group.recipe.depth),
            lambda group: WARMED if group.recipe in controls else MEASURED,
        ),
        published=Beside(lambda groups: comparable_figures(uncontrolled(groups))),
        answers=lambda found: _answers(asked(found)),
        why=lambda found: [*_why(asked(found), controls), *_control_words(found.groups, controls, words)],
        sections=lambda found: _two_datasets(asked(found)),
        together=True,
    )


QUESTION = Question(name="depth", ask=ask, chapter=chapter)


def _pairs(own: Groups) -> Pairs:
    """Return each depth of a data set with the next, and the least with the greatest."""
    ordered = _by_depth([group for group in own if group.has_result])
    return [*pairwise(ordered), *([(ordered[0], ordered[-1])] if len(ordered) > 2 else [])]


def _answers(found: Findings) -> list[Answer]:
    """Return an answer for each data set: the first step, the whole way, and steps that go against it."""
    answers = []
    for _, own in by_dataset(found.done):
        ordered = _by_depth(own)
        whole_way = comparison_of(found.compared, ordered[0], ordered[-1])
        if whole_way is None or whole_way.test is None:
            continue
        steps = [one for pair in pairwise(ordered) if (one := comparison_of(found.compared, *pair)) and one.test]
        chosen = [
            one
            for one in steps
            if one.first is ordered[0] or (one.test and one.test.resolved and one.test.kind != whole_way.test.kind)
        ]
        chosen += [whole_way] if len(ordered) > 2 else []
        answers += by_base(found, chosen, lambda group: f"{group.recipe.depth} layers")
    return answers


def _why(found: Findings, controls: Collection[Recipe]) -> list[Block]:
    blocks: list[Block] = []
    parts = by_dataset([one.first for one in found.compared])
    for dataset, _ in parts:
        blocks += [Prose(found.words("why.on", dataset=dataset_name(dataset)))] if len(parts) > 1 else []
        blocks += reasons([one for one in found.compared if one.first.recipe.dataset == dataset], _steps, found.words)
    notes = found.words(
        "why.notes",
        depth=WARMED_UP,
        no_warmup=not controls and any(_with_warmup(group.recipe) for group in found.done),
        short=len({group.recipe.depth for group in found.done}) > 1
        and any(obstacle(group) == "short" for group in found.done),
    )
    return [*blocks, Prose(notes)]


def _steps(compared: Sequence[Compared]) -> str:
    return listing(f"{one.first.recipe.depth} to {one.second.recipe.depth} layers" for one in compared)


def _two_datasets(found: Findings) -> list[Block]:
    """Return what separates CIFAR-10 from CIFAR-100, as far as networks of several depths on both can show it."""
    if not {TEN, HUNDRED} <= set(datasets_of(found.groups)):
        return []
    heading = Heading(found.words("two.heading"))
    ten, hundred = on_dataset(found.done, TEN), on_dataset(found.done, HUNDRED)
    if not ten or not hundred:
        missing = listing(dataset_name(name) for name, own in ((TEN, ten), (HUNDRED, hundred)) if not own)
        return [heading, Prose(found.words("two.unfinished", missing=missing))]
    pairs = [(first, second) for first in ten for second in hundred if first.recipe.depth == second.recipe.depth]
    each = [whole(images) for group in (ten[0], hundred[0]) if (images := of_each(group))]
    items = tuple(_pair_words(*pair, found.words) for pair in pairs)
    return [heading, *([Bullets(items)] if items else []), Prose(found.words("two.open", each=each))]


def _pair_words(first: Group, second: Group, words: Words) -> str:
    low, high = (group.last_epoch("test_error").mean or 0.0 for group in (first, second))
    return words(
        "two.pair",
        network=network_name(first.recipe),
        low=points(low),
        high=points(high),
        times=f"{high / low:.1f}" if low > step(first) else "",
        gap=points(first.gap),
        other_gap=points(second.gap),
    )


def _with_warmup(recipe: Recipe) -> Recipe | None:
    """Return the recipe with the paper's warm-up: a tenth of the rate until the training error is below 80%.

    None for a network that the paper trains without, or a recipe that rises or warms up by itself.
    """
    fits = recipe.family == "residual" and recipe.depth >= WARMED_UP
    if not fits or recipe.warmup != "none" or recipe.schedule == "one-cycle":
        return None
    return vary(recipe, warmup="until-error", warmup_rate=recipe.learning_rate / 10, warmup_error=80.0)


def _control_words(groups: Groups, controls: Collection[Recipe], words: Words) -> list[Block]:
    """Return what the warm-up does to each network that was trained both ways, as far as both have finished.

    The pairs are corrected among themselves: what was asked of depth is resolved as well as without them.
    """
    by_recipe = {group.recipe: group for group in groups}
    both = [
        (group, by_recipe.get(warmed))
        for group in groups
        if (warmed := _with_warmup(group.recipe)) is not None and warmed in controls
    ]
    return [
        Prose(
            words(
                "why.warmed-up",
                network=network_name(one.second.recipe),
                dataset=dataset_name(one.second.recipe.dataset),
                warmed=spread(one.second.last_epoch("test_error")),
                without=spread(one.first.last_epoch("test_error")),
                verdict=verdict_words(one.test, one.first.last_epoch("test_error").mean),
            )
        )
        for one in compare((plain, control) for plain, control in both if control is not None)
        if one.test is not None
    ]


def _by_depth(groups: Groups) -> list[Group]:
    return sorted(groups, key=lambda group: group.recipe.depth)
