"""What does the batch size do?  The assignment's section 7: half and twice the batch, the rate kept or scaled."""

from collections.abc import Sequence

from reslab.analysis.comparisons import Compared
from reslab.analysis.groups import Group, datasets_of, on_dataset
from reslab.analysis.summary import summarise
from reslab.analysis.verdicts import MARGIN
from reslab.exhibits.blocks import Block, Heading, Prose
from reslab.exhibits.factor_figures import Axis
from reslab.exhibits.wording import dataset_name, listing, network_name, number, rate
from reslab.recipe import Recipe, vary
from reslab.studies.designs import at_rate, bases, labelled, seeds, several_networks, variants, where, with_base
from reslab.studies.findings import Findings, Groups
from reslab.studies.question import Chapter, Question
from reslab.studies.reasons import nothing_beside, untested
from reslab.studies.sentences import shown
from reslab.studies.study import Options, Study

DEPTHS = (20,)
FACTORS = (0.5, 1.0, 2.0)

SAME, SCALED = "rate the same", "rate in proportion"


def ask(options: Options) -> Study:
    """Return the study of the batch size as the options have it; every run sees as many images."""
    asked = []
    for base in bases(options, DEPTHS):
        for factor in FACTORS:
            for scaled in (False, True):
                recipe = _batches(base, factor, scaled=scaled)
                parts = [f"batch {recipe.batch_size} at rate {number(recipe.learning_rate)}"]
                factors = (*where(base), ("batch_times", factor), ("rate_in_proportion", scaled))
                asked.append((labelled(parts, recipe), recipe, factors))
    return Study(
        name=QUESTION.name,
        title=QUESTION.title,
        question="How do the errors change with the batch size, at the same number of images seen, with the rate kept "
        "and with the rate in proportion to the batch?",
        expectation="little difference where the rate follows the batch, for its steps then add up to about the same; "
        "the assignment finds little difference at one rate, too.",
        variants=variants(asked),
        seeds=seeds(options),
        kind=QUESTION.name,
        diagnostics=("noise-scale",),
        diagnostics_during=("noise-scale",),
    )


def _batches(base: Recipe, factor: float, *, scaled: bool) -> Recipe:
    size = max(1, round(base.batch_size * factor))
    changed = vary(base, batch_size=size)
    if base.schedule_unit == "iterations" and factor != 1:
        places = (base.length, base.first_drop, base.second_drop)
        length, first, second = (round(place / factor) for place in places)
        changed = vary(changed, length=length, first_drop=first, second_drop=second)
    return at_rate(changed, factor) if scaled else changed


def chapter(study: Study) -> Chapter:
    """Return what is the batch size's own in its chapter."""
    base = {variant.recipe for variant in study.variants if dict(variant.factors)["batch_times"] == 1}
    rates = {(recipe.dataset, recipe.depth): recipe.learning_rate for recipe in base}
    many = len({variant.recipe.depth for variant in study.variants}) > 1

    def label(group: Group) -> str:
        text = f"batch {group.recipe.batch_size} at rate {number(group.recipe.learning_rate)}"
        return f"{text}, {network_name(group.recipe)}" if many else text

    def series(group: Group) -> str:
        usual = rates[group.recipe.dataset, group.recipe.depth]
        text = SAME if group.recipe.learning_rate == usual else SCALED
        return f"{text}, {network_name(group.recipe)}" if many else text

    return Chapter(
        label=label,
        pairs=lambda groups: with_base(groups, base),
        varied="batch",
        axis=Axis("Batch size (images)", lambda group: str(group.recipe.batch_size), series),
        readings=("test", "train"),
        sections=lambda found: [*_rate_or_batch(found), Heading("Is a large batch faster?"), *_speed(found.done)],
    )


QUESTION = Question(name="batch-size", title="What does the batch size do?", ask=ask, chapter=chapter)


def _rate_or_batch(found: Findings) -> list[Block]:
    """Return whether the batch matters apart from the rate, as far as both ways of setting the rate show it."""
    heading = Heading("Does the batch matter, or the rate for each image?")
    same = [one for one in found.compared if one.second.recipe.learning_rate == one.first.recipe.learning_rate]
    scaled = [one for one in found.compared if one.second.recipe.learning_rate != one.first.recipe.learning_rate]
    if nothing_beside(same) or nothing_beside(scaled):
        return [heading, Prose("Not enough has finished to compare the two ways of setting the rate.")]
    if untested(found.compared):
        reach = [max(abs(one.test.difference.value) for one in own if one.test) for own in (same, scaled)]
        text = (
            f"With the rate kept the test error moves by up to {reach[0]:.2f} points, with the rate in proportion by "
            f"up to {reach[1]:.2f}, in one seed each."
        )
        return [heading, Prose(text)]
    within = f"stays equal within {number(MARGIN)} points"
    if shown(same) and _all_equal(scaled):
        text = (
            f"With the rate kept the batch changes the test error, and with the rate in proportion the error {within}: "
            "what matters here is the rate for each image, and the batch through it."
        )
    elif shown(scaled) and _all_equal(same):
        text = (
            f"With the rate kept the test error {within}, and with the rate in proportion it changes: within this "
            "range the rate matters more than the batch."
        )
    elif shown(same) and shown(scaled):
        text = "The test error changes both ways, so that the rate alone does not explain what the batch does."
    elif _all_equal(found.compared):
        text = f"The test error {within} both ways: within this range neither the batch nor the rate matters more."
    else:
        text = "These seeds do not show whether the batch matters apart from the rate."
    return [heading, Prose(text)]


def _all_equal(compared: Sequence[Compared]) -> bool:
    return all(one.test is not None and one.test.kind == "equal" for one in compared)


def _speed(done: Groups) -> list[Block]:
    """Return training images a second by batch size, from the runs themselves."""
    parts = []
    for dataset in datasets_of(done):
        own = on_dataset(done, dataset)
        by_size: dict[int, list[float]] = {}
        for group in own if not several_networks(own) else own[:0]:
            values = group.runs["images_per_second"].drop_nulls().to_list()
            by_size.setdefault(group.recipe.batch_size, []).extend(values)
        speeds = [f"{rate(summarise(values).mean)} with {size}" for size, values in sorted(by_size.items()) if values]
        if len(speeds) > 1:
            parts.append(f"on {dataset_name(dataset)} {', '.join(speeds)}")
    if not parts:
        return [Prose("What each took is in [[appendix-machines]].")]
    text = (
        f"Training images a second, by images in a batch: {'; '.join(parts)}.  Runs beside others on a machine are "
        "slower for that, so small differences say nothing."
    )
    differing = listing(words for column, words in _MADE_WITH if _differs(done, column))
    if differing:
        text += f"  Nor were they all made with the same {differing}."
    return [Prose(text)]


_MADE_WITH = (
    ("source_digest", "version of ResLab"),
    ("torch", "version of PyTorch"),
    ("device_name", "machine"),
    ("threads", "number of threads"),
)
"""Columns of the runs that have a part in their speed, and what they are."""


def _differs(groups: Groups, column: str) -> bool:
    return len({value for group in groups for value in group.finished[column].drop_nulls().to_list()}) > 1
