"""What does the length of the training do?  The assignment's section 5: half, once and twice the epochs."""

from reslab.analysis.comparable import epochs_of
from reslab.analysis.features import TOLERANCE, ending
from reslab.analysis.groups import Group
from reslab.exhibits.blocks import Block, Heading, Prose, Table, table_of
from reslab.exhibits.factor_figures import Axis
from reslab.exhibits.recipes import schedule_table
from reslab.exhibits.wording import listing, network_name, number, points
from reslab.studies.designs import bases, labelled, lengthened, of_factor, several_depths, study_of, where, with_base
from reslab.studies.findings import Findings
from reslab.studies.question import Chapter, Question, varying
from reslab.studies.reasons import untested
from reslab.studies.sentences import epochs_words, higher
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
    base = of_factor(study, "schedule_times", 1)
    return Chapter(
        words=words,
        label=_label,
        short=epochs_words,
        pairs=lambda groups: with_base(groups, base),
        axis=Axis(words("axis"), _epochs, lambda group: network_name(group.recipe)),
        readings=("test", "train"),
        published=varying("epochs", _length),
        exhibits=lambda found: [schedule_table("schedules", found.groups)],
        sections=_overtraining,
        ordered=not several_depths(study),
    )


QUESTION = Question(name="epochs", ask=ask, chapter=chapter)


def _overtraining(found: Findings) -> list[Block]:
    """Return whether the longest training is worse, and where each mean test curve settles and is lowest."""
    longer = [
        one for one in found.compared if one.second.recipe.length > one.first.recipe.length and one.test is not None
    ]
    kinds = [one.test.kind for one in longer if one.test is not None]
    good = sum(kind in ("lower", "equal") for kind in kinds)
    if "higher" in kinds:
        case = "shown"
    elif not longer:
        case = "unfinished"
    else:
        case = "untested" if untested(longer) else "refuted" if good == len(longer) else "open"
    text = found.words(
        f"rise.{case}",
        listed=listing(one.second.label for one in longer if higher(one.test)),
        longer=len(longer),
        worse=sum(one.test is not None and one.test.difference.value > 0 for one in longer),
        good=good,
    )
    table = _endings(found)
    return [Heading(found.words("rise.heading")), Prose(text), *([table] if table is not None else [])]


def _endings(found: Findings) -> Table | None:
    """Return where each mean test curve settles and where it is lowest; None where none can be said to end."""
    ends = [(group, end) for group in found.done if (end := ending(group.finished_curve("test_error"))) is not None]
    rows = [
        {
            "Training": found.full(group),
            "Settled from epoch": str(end.settled),
            "Lowest in epoch": str(end.lowest_epoch),
            "Above that at the end (points)": points(end.overshoot),
        }
        for group, end in ends
    ]
    return table_of(
        "endings", (found.words("endings.title"), found.words("endings.caption", tolerance=number(TOLERANCE))), rows
    )


def _epochs(group: Group) -> str:
    """Return the length in epochs, or in the schedule's own unit where the epochs are not known."""
    return number(epochs_of(group) or group.recipe.length)


def _length(group: Group) -> float | None:
    return group.recipe.length if group.recipe.schedule_unit == "epochs" else None


def _label(group: Group) -> str:
    return f"{network_name(group.recipe)}, {epochs_words(group)}"
