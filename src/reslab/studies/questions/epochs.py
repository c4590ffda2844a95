"""What does the length of the training do?  The assignment's section 5: half, once and twice the epochs."""

from collections.abc import Sequence

from reslab.analysis.comparisons import Compared
from reslab.analysis.features import ending
from reslab.analysis.groups import Group
from reslab.analysis.summary import schedule_epochs
from reslab.exhibits.blocks import Block, Column, Heading, Prose, Table
from reslab.exhibits.factor_rows import Axis
from reslab.exhibits.recipes import schedule_table
from reslab.exhibits.wording import counted, listing, network_name, number, points, that_do
from reslab.published import Published, published
from reslab.studies.comparable import epochs_words, why_not_comparable
from reslab.studies.designs import bases, labelled, lengthened, study_of, where, with_base
from reslab.studies.findings import Findings, Groups
from reslab.studies.question import Chapter, Question
from reslab.studies.reasons import untested
from reslab.studies.sentences import higher
from reslab.studies.study import Options, Study
from reslab.studies.words import Words

DEPTHS = (20, 56)
FACTORS = (0.5, 1.0, 2.0)


def ask(options: Options) -> Study:
    """Return the study of the number of epochs as the options have it."""
    asked = []
    for base in bases(options, DEPTHS):
        for factor in FACTORS:
            recipe = lengthened(base, factor)
            length = f"{number(recipe.length)} {recipe.schedule_unit}"
            asked.append((labelled([length], recipe), recipe, (*where(base), ("schedule_times", factor))))
    return study_of(QUESTION.name, options, asked, diagnostics=("gap",))


def chapter(study: Study, words: Words) -> Chapter:
    """Return what is the length's own in its chapter."""
    base = {variant.recipe for variant in study.variants if dict(variant.factors)["schedule_times"] == 1}
    return Chapter(
        words=words,
        label=_label,
        short=epochs_words,
        pairs=lambda groups: with_base(groups, base),
        axis=Axis(words("axis"), _epochs, lambda group: network_name(group.recipe)),
        readings=("test", "train"),
        published=_published,
        place=lambda one: number(one.epochs or 0),
        matches=_matches,
        exhibits=lambda found: [schedule_table("schedules", found.groups)],
        sections=_overtraining,
        ordered=len({variant.recipe.depth for variant in study.variants}) == 1,
    )


QUESTION = Question(name="epochs", ask=ask, chapter=chapter)


def _published(groups: Groups) -> list[Published]:
    """Return the assignment's figures at the lengths of these groups, where the full training may be compared with."""
    return [
        one
        for group in groups
        if group.recipe.schedule_unit == "epochs" and why_not_comparable(group) is None
        for one in published(dataset=group.recipe.dataset, depth=group.recipe.depth, varying="epochs")
        if _matches(group, one)
    ]


def _matches(group: Group, one: Published) -> bool:
    recipe = group.recipe
    return (one.dataset, one.epochs, one.depth) == (recipe.dataset, recipe.length, recipe.depth)


def _overtraining(found: Findings) -> list[Block]:
    """Return whether the longest training is worse, and where each mean test curve settles and is lowest."""
    longer = [
        one for one in found.compared if one.second.recipe.length > one.first.recipe.length and one.test is not None
    ]
    table = _endings(found)
    return [
        Heading(found.words("rise.heading")),
        Prose(_verdict(longer, found.words)),
        *([table] if table is not None else []),
    ]


def _verdict(longer: Sequence[Compared], words: Words) -> str:
    rising = [one for one in longer if higher(one.test)]
    good = sum(one.test is not None and one.test.kind in ("lower", "equal") for one in longer)
    if rising:
        return words("rise.shown", listed=listing(one.second.label for one in rising))
    if not longer:
        return words("rise.unfinished")
    if untested(longer):
        worse = sum(one.test is not None and one.test.difference.value > 0 for one in longer)
        trainings = counted(len(longer), "longer training")
        return words("rise.untested", trainings=trainings, worse=that_do(worse, "ends", "end"))
    if good == len(longer):
        return words("rise.refuted")
    return words(
        "rise.open",
        comparisons=counted(len(longer), "comparison"),
        good=that_do(good, "shows", "show"),
        rest=that_do(len(longer) - good, "is", "are"),
    )


def _endings(found: Findings) -> Table | None:
    """Return where each mean test curve settles and where it is lowest; None where none can be said to end."""
    ends = [(group, end) for group in found.done if (end := ending(group.finished_curve("test_error"))) is not None]
    if not ends:
        return None
    rows = tuple(
        (found.full(group), str(end.settled), str(end.lowest_epoch), points(end.overshoot)) for group, end in ends
    )
    columns = (
        Column("Training", "left"),
        *map(Column, ("Settled from epoch", "Lowest in epoch", "Above that at the end (points)")),
    )
    caption = found.words("endings.caption", tolerance=number(ends[0][1].tolerance))
    return Table("endings", found.words("endings.title"), caption, columns, rows)


def _epochs(group: Group) -> str:
    """Return the length in epochs, or in the schedule's own unit where the epochs are not known."""
    places = schedule_epochs(group.recipe, group.number("num_train"))
    return number(round(places[2], 1) if places else group.recipe.length)


def _label(group: Group) -> str:
    return f"{network_name(group.recipe)}, {epochs_words(group)}"
