"""What does the length of the training do?  The assignment's section 5: half, once and twice the epochs."""

from collections.abc import Sequence

from reslab.analysis.comparisons import Compared
from reslab.analysis.features import ending
from reslab.analysis.groups import Group, datasets_of, on_dataset
from reslab.analysis.tidy import Tables
from reslab.exhibits.blocks import Block, Bullets, Column, Heading, Prose, Table
from reslab.exhibits.factors import Axis, factor_figure
from reslab.exhibits.finals import marks
from reslab.exhibits.recipes import schedule_table
from reslab.exhibits.windows import beside_table, window_table
from reslab.exhibits.wording import counted, dataset_name, listing, network_name, number, points, that_do
from reslab.published import Published, published
from reslab.studies.against_published import not_comparable
from reslab.studies.chapter import Chapter, in_short, write
from reslab.studies.comparing import higher, in_sentences, placed, told
from reslab.studies.designs import bases, labelled, lengthened, seeds, variants, where, with_base
from reslab.studies.reasons import reasons, untested
from reslab.studies.study import Options, Study
from reslab.studies.verdicts import epochs_words, why_not_comparable

NAME = "epochs"
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
    return Study(
        name=NAME,
        title="What does the number of epochs do?",
        question="How do the errors change when the whole schedule is half as long, or twice as long?",
        expectation="longer training fits the training images better and helps the test error, by less the longer it "
        "is already.  The assignment also supposes that too long a training lets the test error rise again.",
        variants=variants(asked),
        seeds=seeds(options),
        kind=NAME,
        diagnostics=("gap",),
    )


def answer(study: Study, tables: Tables) -> list[Block]:
    """Return the report's chapter on the number of epochs."""
    return write(study, tables, _chapter(study))


def short(study: Study, tables: Tables) -> list[str]:
    """Return the answer in a sentence for each data set and network."""
    return in_short(study, tables, _chapter(study))


def _chapter(study: Study) -> Chapter:
    base = {variant.recipe for variant in study.variants if dict(variant.factors)["schedule_times"] == 1}

    def short(done: Sequence[Group], compared: Sequence[Compared]) -> list[str]:
        return in_sentences(done, compared, _label, _length)

    def answers(done: Sequence[Group], compared: Sequence[Compared]) -> list[Block]:
        name = placed(done, _label)
        return [
            Heading("What is the effect of the number of epochs?", 4),
            *told(compared, lambda one: f"{name(one.second)} against {_length(one.first)}"),
            Heading("Why?", 4),
            *reasons(compared, lambda own: listing(name(one.second) for one in own)),
            Heading("Does the test error rise again in a long training?", 4),
            *_overtraining(done, compared),
            Heading("How do the results compare with the assignment's?", 4),
            *_beside(done),
        ]

    def results(groups: Sequence[Group]) -> list[Block]:
        shown = [one for group in groups for one in _published(group)]
        axis = Axis("Length of training (epochs)", _epochs, lambda group: network_name(group.recipe))
        several = {one.depth for one in shown}
        beside = marks(shown, lambda one: number(one.epochs or 0))
        figure = factor_figure("final", groups, axis, beside if len(several) == 1 else (), ("test", "train"))
        blocks: list[Block] = [schedule_table("schedules", groups), *([figure] if figure is not None else [])]
        for dataset in datasets_of(groups):
            own = on_dataset(groups, dataset)
            theirs = [one for group in own for one in _published(group)]
            tables = (
                beside_table(f"final-{dataset}", own, theirs, _label, heading="Training", matches=_same),
                window_table(f"window-{dataset}", own, [], _label, heading="Training"),
            )
            blocks += [table for table in tables if table is not None]
        return blocks

    return Chapter(
        label=_label, pairs=lambda groups: with_base(groups, base), results=results, short=short, answers=answers
    )


def _published(group: Group) -> list[Published]:
    """Return the assignment's figure at a group's length, where the full training may be compared with."""
    if group.recipe.schedule_unit != "epochs":
        return []
    known = published(dataset=group.recipe.dataset, depth=group.recipe.depth, varying="epochs")
    return [one for one in known if _same(group, one)] if why_not_comparable(group) is None else []


def _same(group: Group, one: Published) -> bool:
    return (one.epochs, one.depth) == (group.recipe.length, group.recipe.depth)


def _overtraining(done: Sequence[Group], compared: Sequence[Compared]) -> list[Block]:
    """Return whether test errors rise towards the end, and whether the longest training is worse."""
    longer = [one for one in compared if one.second.recipe.length > one.first.recipe.length and one.test is not None]
    rising = [one for one in longer if higher(one.test)]
    if rising:
        verdict = f"Longer training is shown to do worse: {listing(one.second.label for one in rising)}."
    elif untested(longer):
        verdict = "With one seed it cannot be tested whether a longer training does worse."
    elif longer and all(one.test is not None and one.test.kind in ("lower", "equal") for one in longer):
        verdict = "In no case does a longer training do worse: that it must in the end is not borne out here."
    elif longer:
        good = sum(one.test is not None and one.test.kind in ("lower", "equal") for one in longer)
        verdict = (
            f"No longer training is shown to do worse.  Of {counted(len(longer), 'comparison')} with longer trainings "
            f"{that_do(good, 'shows', 'show')} them to do as well or better, and "
            f"{that_do(len(longer) - good, 'is', 'are')} open."
        )
    else:
        verdict = "The longer trainings have not finished, so that this cannot be said."
    return [Prose(verdict), *_endings(done)]


def _endings(done: Sequence[Group]) -> list[Block]:
    """Return where each mean test curve settles and where it is lowest; nothing where none can be said to end."""
    found = [(group, end) for group in done if (end := ending(group.finished_curve("test_error"))) is not None]
    if not found:
        return []
    name = placed(done, _label)
    rows = tuple((name(group), str(end.settled), str(end.lowest_epoch), points(end.overshoot)) for group, end in found)
    columns = (
        Column("Training", "left"),
        *map(Column, ("Settled from epoch", "Lowest in epoch", "Above that at the end (points)")),
    )
    tolerance = number(found[0][1].tolerance)
    caption = (
        f"Of each mean test curve: from which epoch on it stays within {tolerance} points of its last value, the epoch "
        "in which it is lowest, and by how much it then rises until the end.  The lowest of many epochs can lie below "
        "the last by chance alone, so that a small rise is no sign of overfitting."
    )
    return [Table("endings", "How the test curves end", caption, columns, rows)]


def _beside(done: Sequence[Group]) -> list[Block]:
    items = []
    for group in done:
        for one in _published(group):
            mean = group.last_epoch("test_error").mean
            assert mean is not None
            items.append(
                f"{_label(group)}, {dataset_name(one.dataset)}: {points(mean)}, the assignment's {points(one.error)} "
                f"({points(abs(mean - one.error))} points {'higher' if mean >= one.error else 'lower'} here)."
            )
    if not items:
        return not_comparable(done)
    lead = (
        "Last-epoch test error in percent; the assignment does not say which epoch its figures are of, or of how many "
        "runs:"
    )
    return [Prose(lead), Bullets(tuple(items))]


def _length(group: Group) -> str:
    return epochs_words(group)


def _epochs(group: Group) -> str:
    return epochs_words(group).split(" ")[0]


def _label(group: Group) -> str:
    return f"{network_name(group.recipe)}, {epochs_words(group)}"
