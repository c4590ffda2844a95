"""How does depth change the error?  The required task of the assignment: 20, 56 and 110 layers on CIFAR-10 and -100."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from itertools import pairwise

from reslab.analysis.comparisons import Compared, compare, step
from reslab.analysis.groups import Group, datasets_of, on_dataset
from reslab.exhibits.blocks import Block, Bullets, Heading, Prose
from reslab.exhibits.factor_rows import MEASURED, Axis
from reslab.exhibits.published_tables import nothing
from reslab.exhibits.sizes import verdict_words
from reslab.exhibits.wording import dataset_name, listing, network_name, points, spread, whole
from reslab.published import Published, published
from reslab.recipe import Recipe, vary
from reslab.studies.answers import Answer, by_base
from reslab.studies.comparable import figures_of, is_shortened, why_not_comparable
from reslab.studies.curve_features import gap
from reslab.studies.designs import BOTH, HUNDRED, TEN, base_recipe, labelled, study_of, where, within
from reslab.studies.findings import Findings, Groups, Pairs
from reslab.studies.question import Chapter, Question
from reslab.studies.reasons import reasons
from reslab.studies.sentences import comparison_of
from reslab.studies.study import Options, Study
from reslab.studies.words import Words, words_of

DEPTHS = (20, 56, 110)
WARMED_UP = 110
"""Layers from which on the paper warms its networks up (section 4.2)."""

WARMED = "with the paper's warm-up"


def ask(options: Options) -> Study:
    """Return the study of depth as the options have it; an impossible value raises `ResLabError`."""
    datasets, depths = options.datasets or BOTH, options.depths or DEPTHS
    asked = []
    for dataset in dict.fromkeys(datasets):
        for depth in sorted(set(depths)):
            recipe = base_recipe(options, dataset, depth)
            asked.append((labelled([], recipe), recipe, where(recipe)))
            if (warmed := _with_warmup(recipe)) is not None:
                asked.append((labelled(["warm-up"], recipe), warmed, (*where(recipe), ("warmup", True))))
    paper = _papers(datasets, depths)
    return study_of(QUESTION.name, options, asked, diagnostics=("responses", "gap"), paper=paper)


def chapter(study: Study, words: Words) -> Chapter:
    """Return what is depth's own in its chapter."""
    controls = {variant.recipe for variant in study.variants if dict(variant.factors).get("warmup")}

    def uncontrolled(found: Findings) -> Findings:
        return replace(found, groups=_without(found.groups, controls))

    def label(group: Group) -> str:
        return f"{_network(group)}{', warm-up' if group.recipe in controls else ''}"

    def series(group: Group) -> str:
        return WARMED if group.recipe in controls else MEASURED

    return Chapter(
        words=words,
        label=label,
        pairs=lambda groups: _pairs(_without(groups, controls)),
        axis=Axis(words("axis"), lambda group: str(group.recipe.depth), series),
        published=lambda groups: comparable_figures(_without(groups, controls)),
        matches=nothing,
        answers=lambda found: _answers(uncontrolled(found)),
        why=lambda found: [*_why(uncontrolled(found), controls), *_control_words(found.groups, controls, words)],
        sections=lambda found: _two_datasets(uncontrolled(found)),
        together=True,
    )


QUESTION = Question(name="depth", ask=ask, chapter=chapter)


def comparable_figures(groups: Groups) -> list[Published]:
    """Return the published figures of the networks of those groups that may be compared with them."""
    return [one for group in groups if why_not_comparable(group) is None for one in figures_of(group)]


def _papers(datasets: Sequence[str], depths: Sequence[int]) -> str:
    """Return the paper's figures at these depths, from the data, for what one is led to expect."""
    known = [one for one in published(source="paper", dataset=TEN) if one.depth in depths]
    if TEN not in datasets or len(known) < 2:
        return ""
    row = listing(f"{one.error:.2f}% with {one.depth} layers" for one in known)
    return words_of(QUESTION.name)("papers", dataset=dataset_name(TEN), row=row)


def _pairs(groups: Groups) -> Pairs:
    """Return each depth with the next of its data set, and the least with the greatest."""

    def find(own: Groups) -> Pairs:
        ordered = _by_depth([group for group in own if group.has_result])
        return [*pairwise(ordered), *([(ordered[0], ordered[-1])] if len(ordered) > 2 else [])]

    return within(groups, find)


def _answers(found: Findings) -> list[Answer]:
    """Return an answer for each data set: the first step, the whole way, and steps that go against it."""
    answers = []
    for dataset in datasets_of(found.done):
        ordered = _by_depth(on_dataset(found.done, dataset))
        whole_way = comparison_of(found.compared, ordered[0], ordered[-1])
        if whole_way is None or whole_way.test is None:
            continue
        steps = [one for pair in pairwise(ordered) if (one := comparison_of(found.compared, *pair)) is not None]
        kind = whole_way.test.kind
        against = [one for one in steps if one.test and one.test.resolved and one.test.kind != kind]
        own = [one for one in steps if one.first is ordered[0] or one in against]
        chosen = [*own, *([] if whole_way in own else [whole_way])]
        answers += by_base(found, chosen, _layers)
    return answers


def _why(found: Findings, controls: Collection[Recipe]) -> list[Block]:
    blocks: list[Block] = []
    for dataset in datasets_of(found.done):
        own = [one for one in found.compared if one.first.recipe.dataset == dataset]
        if not own:
            continue
        several = len(datasets_of(found.done)) > 1
        blocks += [Prose(f"On {dataset_name(dataset)}:")] if several else []
        blocks += reasons(own, _steps, found.words)
    deeper = {group.recipe.depth for group in found.done}
    notes = []
    if not controls and any(_with_warmup(group.recipe) is not None for group in found.done):
        notes.append(found.words("why.no-warmup", depth=WARMED_UP))
    if len(deeper) > 1 and any(map(is_shortened, found.done)):
        notes.append(found.words("why.short"))
    return blocks + ([Prose("  ".join(notes))] if notes else [])


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
    sizes = [(group.number("num_train"), group.number("num_classes")) for group in (ten[0], hundred[0])]
    each = [whole(images // classes) for images, classes in sizes if images and classes]
    known = [found.words("two.images", ten=each[0], hundred=each[1])] if len(each) == 2 else []
    items = tuple(_pair_words(pair, found.words) for pair in pairs)
    return [heading, *([Bullets(items)] if items else []), Prose("  ".join([*known, found.words("two.open")]))]


def _pair_words(pair: tuple[Group, Group], words: Words) -> str:
    first, second = pair
    low, high = (group.last_epoch("test_error").mean or 0.0 for group in pair)
    return words(
        "two.pair",
        network=network_name(first.recipe),
        low=points(low),
        high=points(high),
        times=f", {high / low:.1f} times as many" if low > step(first) else "",
        gap=points(gap(first)),
        other_gap=points(gap(second)),
    )


def _with_warmup(recipe: Recipe) -> Recipe | None:
    """Return the recipe with the paper's warm-up: a tenth of the rate until the training error is below 80%.

    None for a network that the paper trains without, or a recipe that rises or warms up by itself.
    """
    fits = recipe.family == "residual" and recipe.depth >= WARMED_UP
    if not fits or recipe.warmup != "none" or recipe.schedule == "one-cycle":
        return None
    return vary(recipe, warmup="until-error", warmup_rate=recipe.learning_rate / 10, warmup_error=80.0)


def _without(groups: Groups, controls: Collection[Recipe]) -> Groups:
    """Return the groups that are no controls."""
    return [group for group in groups if group.recipe not in controls]


def _control_words(groups: Groups, controls: Collection[Recipe], words: Words) -> list[Block]:
    """Return what the warm-up does to each network that was trained both ways, as far as both have finished.

    The pairs are corrected among themselves: what was asked of depth is resolved as well as without them.
    """
    pairs = [
        (plain, control)
        for control in groups
        if control.recipe in controls
        for plain in groups
        if _with_warmup(plain.recipe) == control.recipe
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
        for one in compare(pairs)
        if one.test is not None
    ]


def _by_depth(groups: Groups) -> list[Group]:
    return sorted(groups, key=lambda group: group.recipe.depth)


def _network(group: Group) -> str:
    return network_name(group.recipe)


def _layers(group: Group) -> str:
    return f"{group.recipe.depth} layers"
