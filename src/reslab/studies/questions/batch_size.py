"""What does the batch size do?  The assignment's section 7: half and twice the batch, the rate kept or scaled."""

from collections.abc import Sequence
from dataclasses import replace

from reslab.amounts import rate
from reslab.analysis.comparable import epochs_of, other_lengths
from reslab.analysis.comparisons import Compared
from reslab.analysis.groups import Group, by_dataset, datasets_of
from reslab.analysis.readings import by_rate_per_image, differs, reach, speeds, speeds_apart
from reslab.analysis.reasons import shows
from reslab.analysis.verdicts import MARGIN
from reslab.exhibits.blocks import Heading, Prose, table_of
from reslab.exhibits.factor_figures import Axis
from reslab.exhibits.wording import dataset_name, listing, network_name, number, points, spread, with_n
from reslab.recipe import Recipe, at_rate, lengthened, vary
from reslab.studies.answers import by_base
from reslab.studies.designs import Asked, bases, of_factor, study_of, with_base, with_network
from reslab.studies.findings import Answer, Findings
from reslab.studies.question import Blocks, Chapter, Question
from reslab.studies.study import Options, Study
from reslab.studies.words import Words

DEPTHS = (20,)
FACTORS = (0.5, 1.0, 2.0)


def ask(options: Options) -> Study:
    """Return the study of the batch size under these options; every run sees equally many images."""
    asked = [
        _batches(base, factor, scaled)
        for base in bases(options, DEPTHS)
        for factor in FACTORS
        for scaled in (False, True)
    ]
    measured = ("noise-scale",)
    return study_of(QUESTION.name, options, asked, diagnostics=measured, diagnostics_during=measured)


def _batches(base: Recipe, factor: float, scaled: bool) -> Asked:
    recipe = vary(base, batch_size=max(1, round(base.batch_size * factor)))
    if base.schedule_unit == "iterations":
        recipe = lengthened(recipe, 1 / factor)
    if scaled:
        recipe = at_rate(recipe, factor)
    words = f"batch {recipe.batch_size} at rate {number(recipe.learning_rate)}"
    return words, recipe, {"batch_times": factor, "rate_in_proportion": scaled}


def chapter(study: Study, words: Words) -> Chapter:
    """Return the chapter on the batch size."""
    rates = {(one.dataset, one.depth): one.learning_rate for one in of_factor(study, "batch_times", 1)}

    def way(group: Group) -> str:
        usual = rates[group.recipe.dataset, group.recipe.depth]
        return words("same" if group.recipe.learning_rate == usual else "scaled")

    return Chapter(
        words=words,
        label=with_network(study, lambda group: f"{_batch(group)} at rate {number(group.recipe.learning_rate)}"),
        pairs=with_base(study, "batch_times", 1),
        axis=Axis(words("axis"), lambda group: str(group.recipe.batch_size), with_network(study, way)),
        readings=("test", "train"),
        answers=_answers,
        expects=lambda one: "equal" if _scaled(one) else None,
        sections=lambda found: [*_rate_or_batch(found), *_speed(found)],
    )


QUESTION = Question(name="batch-size", ask=ask, chapter=chapter)


def _batch(group: Group) -> str:
    return f"batch {group.recipe.batch_size}"


def _answers(found: Findings) -> list[Answer]:
    """Return an answer for each way of setting the rate."""
    ways = zip(_both_ways(found), (found.words("same"), found.words("scaled")), strict=True)
    return [
        replace(answer, where=f"{answer.where}, {way}") for own, way in ways for answer in by_base(found, own, _batch)
    ]


def _both_ways(found: Findings) -> tuple[list[Compared], list[Compared]]:
    """Return the comparisons at the same rate, and those with the rate in proportion to the batch."""
    ways: tuple[list[Compared], list[Compared]] = [], []
    for one in found.compared:
        ways[_scaled(one)].append(one)
    return ways


def _scaled(one: Compared) -> bool:
    return one.second.recipe.learning_rate != one.first.recipe.learning_rate


_CASES = {
    ("untested", "untested"): "untested",
    ("changes", "equal"): "rate-for-each",
    ("equal", "changes"): "rate",
    ("changes", "changes"): "both",
    ("changes", "open"): "partly",
    ("equal", "equal"): "neither",
}
"""The conclusion by what the test error does with the rate kept, and with the rate in proportion."""


def _rate_or_batch(found: Findings) -> Blocks:
    """Return whether the batch matters apart from the rate, by both ways of setting the rate and by rate per image."""
    same, scaled = _both_ways(found)
    states = shows(same), shows(scaled)
    case = "unfinished" if "nothing" in states else _CASES.get(states, "open")
    if case == "partly" and 2 * _reach(scaled) > _reach(same):
        case = "open"  # the remaining effect may be as large
    text = found.words(f"apart.{case}", margin=number(MARGIN), same=_farthest(same), scaled=_farthest(scaled))
    return [Heading(found.words("apart.heading")), Prose(text), *_by_rate_per_image(found)]


def _farthest(compared: Sequence[Compared]) -> str | None:
    return points(_reach(compared))


def _reach(compared: Sequence[Compared]) -> float:
    """Return the largest change of the test error, in points."""
    return max((abs(one.test.difference.value) for one in compared if one.test), default=0.0)


def _by_rate_per_image(found: Findings) -> Blocks:
    """Return all settings of batch and rate in the report by rate per image, and how their errors differ.

    [] unless two rates per image have two settings or more each.
    """
    rows, within, across = [], [], []
    for base in found.bases:
        others = other_lengths(base, ("batch_size", "learning_rate"))
        lines = by_rate_per_image([one for one in others if epochs_of(one) == epochs_of(base)])
        if len(lines) < 2:
            continue
        for group in (group for line in lines for group in line):
            recipe = group.recipe
            rows.append(
                {
                    "Rate per image": f"{recipe.learning_rate / recipe.batch_size:.2g}",
                    "Where": dataset_name(recipe.dataset) if len(datasets_of(found.done)) > 1 else None,
                    "Batch": number(recipe.batch_size),
                    "Rate": number(recipe.learning_rate),
                    "Test error (%)": with_n(group.last_epoch("test_error")),
                    "Training error (%)": spread(group.last_epoch("train_error")),
                }
            )
        within += [reach(line) for line in lines]
        across.append(reach([group for line in lines for group in line]))
    if not rows:
        return []
    ends = [[points(max(pair)) for pair in zip(*known, strict=True)] for known in (within, across)]
    less = max(train for _, train in within) < max(train for _, train in across) / 2
    text = found.words("per-image.text", within=ends[0], across=ends[1], less=less)
    titled = found.words("per-image.title"), found.words("per-image.caption")
    return [Prose(text), table_of("per-image", titled, rows, left=("Where",))]


def _speed(found: Findings) -> Blocks:
    """Return the runs' training images per second by batch size, and in what else the runs differ.

    [] where seeds of one recipe differ as much as the batches do.
    """
    parts = []
    for dataset, own in by_dataset(found.done):
        listed = [f"{rate(speed)} with {size}" for size, speed in speeds(own).items()]
        if len(listed) > 1 and len({network_name(group.recipe) for group in own}) == 1:
            parts.append(f"on {dataset_name(dataset)} {', '.join(listed)}")
    within, between = speeds_apart(found.done)
    if not parts or within > max(1.1, between):
        return []  # times on shared machines do not show what a batch costs
    made = [text for column, text in found.words.under("made").items() if differs(found.done, column)]
    text = found.words("speed.measured", listed="; ".join(parts), differing=listing(made))
    return [Heading(found.words("speed.heading")), Prose(text)]
