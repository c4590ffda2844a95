"""What does the batch size do?  The assignment's section 7: half and twice the batch, the rate kept or scaled."""

from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean

from reslab.analysis.comparisons import Compared
from reslab.analysis.groups import Group, by_dataset
from reslab.analysis.verdicts import MARGIN
from reslab.exhibits.blocks import Block, Heading, Prose
from reslab.exhibits.factor_figures import Axis
from reslab.exhibits.wording import dataset_name, listing, network_name, number, points, rate
from reslab.recipe import Recipe, vary
from reslab.studies.answers import Answer, by_base
from reslab.studies.designs import (
    at_rate,
    bases,
    labelled,
    lengthened,
    of_factor,
    study_of,
    where,
    with_base,
    with_network,
)
from reslab.studies.findings import Findings, Groups
from reslab.studies.question import Chapter, Question
from reslab.studies.reasons import nothing_beside, untested
from reslab.studies.sentences import shown
from reslab.studies.study import Options, Study
from reslab.studies.words import Words

DEPTHS = (20,)
FACTORS = (0.5, 1.0, 2.0)


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
    measured = ("noise-scale",)
    return study_of(QUESTION.name, options, asked, diagnostics=measured, diagnostics_during=measured)


def _batches(base: Recipe, factor: float, *, scaled: bool) -> Recipe:
    size = max(1, round(base.batch_size * factor))
    changed = vary(base, batch_size=size)
    if base.schedule_unit == "iterations":
        changed = lengthened(changed, 1 / factor)
    return at_rate(changed, factor) if scaled else changed


def chapter(study: Study, words: Words) -> Chapter:
    """Return what is the batch size's own in its chapter."""
    base = of_factor(study, "batch_times", 1)
    rates = {(recipe.dataset, recipe.depth): recipe.learning_rate for recipe in base}

    def way(group: Group) -> str:
        usual = rates[group.recipe.dataset, group.recipe.depth]
        return words("same" if group.recipe.learning_rate == usual else "scaled")

    return Chapter(
        words=words,
        label=with_network(study, lambda group: f"{_batch(group)} at rate {number(group.recipe.learning_rate)}"),
        pairs=lambda groups: with_base(groups, base),
        axis=Axis(words("axis"), lambda group: str(group.recipe.batch_size), with_network(study, way)),
        readings=("test", "train"),
        answers=_answers,
        sections=lambda found: [*_rate_or_batch(found), *_speed(found)],
    )


QUESTION = Question(name="batch-size", ask=ask, chapter=chapter)


def _answers(found: Findings) -> list[Answer]:
    """Return an answer for each way of setting the rate."""
    kept, scaled = _both_ways(found)
    ways = ((kept, found.words("same")), (scaled, found.words("scaled")))
    return [
        replace(answer, where=f"{answer.where}, {way}") for own, way in ways for answer in by_base(found, own, _batch)
    ]


def _both_ways(found: Findings) -> tuple[list[Compared], list[Compared]]:
    """Return the comparisons at one rate, and those in which the rate goes with the batch."""
    ways: tuple[list[Compared], list[Compared]] = [], []
    for one in found.compared:
        ways[one.second.recipe.learning_rate != one.first.recipe.learning_rate].append(one)
    return ways


def _rate_or_batch(found: Findings) -> list[Block]:
    """Return whether the batch matters apart from the rate, as far as both ways of setting the rate show it."""
    same, scaled = _both_ways(found)
    if nothing_beside(same) or nothing_beside(scaled):
        case = "unfinished"
    elif untested(found.compared):
        case = "untested"
    elif shown(same) and _all_equal(scaled):
        case = "rate-for-each"
    elif shown(scaled) and _all_equal(same):
        case = "rate"
    elif shown(same) and shown(scaled):
        case = "both"
    else:
        case = "neither" if _all_equal(found.compared) else "open"
    text = found.words(f"apart.{case}", margin=number(MARGIN), same=_farthest(same), scaled=_farthest(scaled))
    return [Heading(found.words("apart.heading")), Prose(text)]


def _farthest(compared: Sequence[Compared]) -> str | None:
    """Return by how many points the test error moves at most."""
    return points(max((abs(one.test.difference.value) for one in compared if one.test), default=None))


def _all_equal(compared: Sequence[Compared]) -> bool:
    return all(one.test is not None and one.test.kind == "equal" for one in compared)


def _speed(found: Findings) -> list[Block]:
    """Return training images a second by batch size, from the runs themselves."""
    parts = []
    for dataset, own in by_dataset(found.done):
        speeds: dict[int, list[float]] = {}
        for group in own:
            speeds.setdefault(group.recipe.batch_size, []).extend(
                group.runs["images_per_second"].drop_nulls().to_list()
            )
        listed = [f"{rate(fmean(values))} with {size}" for size, values in sorted(speeds.items()) if values]
        if len(listed) > 1 and len({network_name(group.recipe) for group in own}) == 1:
            parts.append(f"on {dataset_name(dataset)} {', '.join(listed)}")
    differing = [words for column, words in _MADE_WITH.items() if _differs(found.done, column)]
    text = found.words("speed.measured", listed="; ".join(parts), differing=listing(differing))
    return [Heading(found.words("speed.heading")), Prose(text)]


_MADE_WITH = {
    "source_digest": "version of ResLab",
    "torch": "version of PyTorch",
    "device_name": "machine",
    "threads": "number of threads",
}
"""Columns of the runs that have a part in their speed, and what they are."""


def _differs(groups: Groups, column: str) -> bool:
    return len({value for group in groups for value in group.finished[column].drop_nulls().to_list()}) > 1


def _batch(group: Group) -> str:
    return f"batch {group.recipe.batch_size}"
