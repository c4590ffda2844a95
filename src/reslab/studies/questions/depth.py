"""How does depth change the error?  The required task of the assignment: 20, 56 and 110 layers on CIFAR-10 and -100."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from itertools import pairwise

from reslab.analysis.classes import HUNDRED, TEN
from reslab.analysis.comparable import Beside, comparable_figures, epochs_of, obstacle, other_lengths
from reslab.analysis.comparisons import Compared, compare, step
from reslab.analysis.features import warmup_epochs
from reslab.analysis.groups import Group, datasets_of, on_dataset
from reslab.analysis.reasons import resolved
from reslab.exhibits.blocks import Block, Bullets, Heading, Prose
from reslab.exhibits.factor_figures import MEASURED, Axis
from reslab.exhibits.sizes import verdict_words
from reslab.exhibits.wording import dataset_name, listing, network_name, number, points, signed, span, spread, whole
from reslab.naming import with_warmup
from reslab.presets import WARMED_UP, with_papers_warmup
from reslab.published import published
from reslab.recipe import Recipe
from reslab.studies.answers import by_base
from reslab.studies.designs import BOTH, base_recipe, of_factor, study_of
from reslab.studies.findings import Answer, Findings, Groups, Pairs
from reslab.studies.question import Blocks, Chapter, Question
from reslab.studies.reasons import Reasons, reasons
from reslab.studies.study import Options, Study
from reslab.studies.words import Words

DEPTHS = (20, 56, 110)
WARMED = "with the paper's warm-up"


def ask(options: Options) -> Study:
    """Return the study of depth under these options; an impossible value raises `ResLabError`."""
    datasets, depths = options.datasets or BOTH, sorted(options.depths or DEPTHS)
    asked: list[tuple[str, Recipe, dict[str, bool]]] = []
    for recipe in (base_recipe(options, dataset, depth) for dataset in datasets for depth in depths):
        asked.append(("", recipe, {}))
        if (warmed := with_papers_warmup(recipe)) is not None:
            asked.append(("warm-up", warmed, {"warmup": True}))
    known = [one for one in published(source="paper", dataset=TEN) if one.depth in depths and TEN in datasets]
    paper = listing(f"{one.error:.2f}% with {one.depth} layers" for one in known if len(known) > 1)
    return study_of(QUESTION.name, options, asked, diagnostics=("responses", "gap"), paper=paper)


def chapter(study: Study, words: Words) -> Chapter:
    """Return the chapter on depth, in which networks with the paper's warm-up are a control."""
    controls, recipes = of_factor(study, "warmup", True), [variant.recipe for variant in study.variants]

    def uncontrolled(groups: Groups) -> list[Group]:
        return [group for group in groups if group.recipe not in controls]

    def why(found: Findings) -> Reasons:
        told = _why(replace(found, groups=uncontrolled(found.groups)), bool(controls))
        return replace(told, blocks=[*told.blocks, *_control_words(found.groups, controls, words)])

    return Chapter(
        words=words,
        label=lambda group: with_warmup(group.recipe, recipes),
        pairs=lambda own: _pairs(uncontrolled(own)),
        axis=Axis(
            words("axis"),
            lambda group: str(group.recipe.depth),
            lambda group: WARMED if group.recipe in controls else MEASURED,
        ),
        published=Beside(lambda groups: comparable_figures(uncontrolled(groups))),
        answers=_answers,
        expects=lambda _: "lower",
        why=why,
        sections=lambda found: _two_datasets(uncontrolled(found.groups), words),
    )


QUESTION = Question(name="depth", ask=ask, chapter=chapter)


def _pairs(own: Groups) -> Pairs:
    """Return pairs of the least depth on a data set with each other depth, then of each of these with the next."""
    line = sorted((group for group in own if group.has_result), key=lambda group: group.recipe.depth)
    return [*((line[0], group) for group in line[1:]), *pairwise(line[1:])]


def _by_dataset(found: Findings) -> dict[str, list[Compared]]:
    """Return the comparisons on each data set."""
    datasets = datasets_of([one.first for one in found.compared])
    return {name: [one for one in found.compared if one.first.recipe.dataset == name] for name in datasets}


def _answers(found: Findings) -> list[Answer]:
    """Return an answer for each data set: each depth against the least, and later steps in the other direction."""
    answers = []
    for own in _by_dataset(found).values():
        with_least = [one for one in own if one.first is own[0].first]
        against = [one for one in resolved(own) if one not in with_least and one.kind != with_least[-1].kind]
        answers += by_base(found, [*with_least, *against], lambda group: f"{group.recipe.depth} layers")
    return answers


def _why(found: Findings, warmed_up: bool) -> Reasons:
    """Return the reasons by data set, and what these trainings leave out."""
    blocks: list[Block] = []
    parts = {name: reasons(own, _layers, found.words) for name, own in _by_dataset(found).items()}
    for dataset, own in parts.items():
        blocks += [Prose(found.words("why.on", dataset=dataset_name(dataset)))] if len(parts) > 1 else []
        blocks += own.blocks
    several, by_length = len({group.recipe.depth for group in found.done}) > 1, _by_length(found)
    notes = found.words(
        "why.notes",
        depth=WARMED_UP,
        no_warmup=not warmed_up and any(with_papers_warmup(group.recipe) for group in found.done),
        short=several and not by_length and any(obstacle(group) == "short" for group in found.done),
    )
    return Reasons([*blocks, *by_length, Prose(notes)], none=any(own.none for own in parts.values()))


def _by_length(found: Findings) -> list[Block]:
    """Return how each deeper network compares with the shallowest by length of training, over the whole report."""
    pairs = [
        (own[0].first, one.second) for own in _by_dataset(found).values() for one in own if one.first is own[0].first
    ]
    return [Prose(text) for pair in pairs if (text := _length_words(*pair, found.words))]


def _length_words(least: Group, deeper: Group, words: Words) -> str:
    """Return the gap of a deeper network at each length that both were trained at; "" for fewer than two."""
    short = {epochs_of(group): group for group in other_lengths(least)}
    both = [
        (length, group, short[length])
        for group in other_lengths(deeper)
        if (length := epochs_of(group)) is not None and length in short
    ]
    if len(both) < 2:
        return ""
    gaps = [deep.test_error - shallow.test_error for _, deep, shallow in both]
    return words(
        "why.by-length",
        deeper=network_name(deeper.recipe),
        least=network_name(least.recipe),
        dataset=dataset_name(deeper.recipe.dataset),
        gaps=[(signed(gap), number(length)) for gap, (length, *_) in zip(gaps, both, strict=True)],
        better=gaps[0] > 0 and all(later < earlier for earlier, later in pairwise(gaps)),
        single=any(group.num_finished == 1 for _, *pair in both for group in pair),
    )


def _layers(compared: Sequence[Compared]) -> str:
    return listing(f"{one.first.recipe.depth} to {one.second.recipe.depth} layers" for one in compared)


def _control_words(groups: Groups, controls: Collection[Recipe], words: Words) -> list[Block]:
    """Return the effect of the warm-up on each network that has finished with and without it.

    The pairs are corrected among themselves, so that they do not weaken the comparisons of depth.
    """
    warmed = [group for group in groups if group.recipe in controls]
    both = [(plain, one) for one in warmed for plain in groups if with_papers_warmup(plain.recipe) == one.recipe]
    return [
        Prose(
            words(
                "why.warmed-up",
                network=network_name(one.second.recipe),
                dataset=dataset_name(one.second.recipe.dataset),
                warmed=spread(one.second.last_epoch("test_error")),
                without=spread(one.first.last_epoch("test_error")),
                verdict=verdict_words(one.test),
                **_warmup_of(one.second),
            )
        )
        for one in compare(both)
        if one.test is not None
    ]


def _warmup_of(group: Group) -> dict[str, str]:
    """Return the words on how long a group's warm-up lasted; "" where it did not last an epoch."""
    if (found := warmup_epochs(group)) is None:
        return {"lasted": "", "before": ""}
    least, most, before = found
    return {"lasted": span(str(least), str(most)), "before": number(before)}


def _two_datasets(groups: Groups, words: Words) -> Blocks:
    """Return what separates CIFAR-10 from CIFAR-100, as far as networks of the same depths on both show it."""
    if not {TEN, HUNDRED} <= set(datasets_of(groups)):
        return []
    heading, done = Heading(words("two.heading")), [group for group in groups if group.has_result]
    ten, hundred = on_dataset(done, TEN), on_dataset(done, HUNDRED)
    if not ten or not hundred:
        missing = listing(dataset_name(name) for name, own in ((TEN, ten), (HUNDRED, hundred)) if not own)
        return [heading, Prose(words("two.unfinished", missing=missing))]
    pairs = [(first, second) for first in ten for second in hundred if first.recipe.depth == second.recipe.depth]
    each = [whole(group.images_of_each) for group in (ten[0], hundred[0]) if group.images_of_each]
    items = tuple(_pair_words(*pair, words) for pair in pairs)
    return [heading, Bullets(items), Prose(words("two.open", each=each))]


def _pair_words(first: Group, second: Group, words: Words) -> str:
    low, high = first.test_error, second.test_error
    return words(
        "two.pair",
        network=network_name(first.recipe),
        low=points(low),
        high=points(high),
        times=f"{high / low:.1f}" if low > step(first) else "",
    )
