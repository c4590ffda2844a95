"""What does the length of the training do?  The assignment's section 5: half, once and twice the epochs."""

from itertools import pairwise

from reslab.analysis.comparable import epochs_of, other_lengths, varying
from reslab.analysis.features import overshoot
from reslab.analysis.groups import Group
from reslab.analysis.reasons import untested
from reslab.analysis.verdicts import MARGIN
from reslab.exhibits.blocks import Heading, Prose
from reslab.exhibits.factor_figures import Axis
from reslab.exhibits.recipes import schedule_table
from reslab.exhibits.wording import dataset_name, listing, network_name, number, of_length, points, with_n
from reslab.recipe import lengthened
from reslab.studies.designs import bases, several_depths, study_of, with_base
from reslab.studies.findings import Findings
from reslab.studies.question import Blocks, Chapter, Question
from reslab.studies.sentences import epochs_words
from reslab.studies.study import Options, Study
from reslab.studies.words import Words

DEPTHS = (20, 56)
FACTORS = (0.5, 1.0, 2.0)


def ask(options: Options) -> Study:
    """Return the study of the number of epochs under these options."""
    recipes = [(factor, lengthened(base, factor)) for base in bases(options, DEPTHS) for factor in FACTORS]
    asked = [
        (of_length(recipe.length, recipe.schedule_unit), recipe, {"schedule_times": factor})
        for factor, recipe in recipes
    ]
    return study_of(QUESTION.name, options, asked, diagnostics=("gap",))


def chapter(study: Study, words: Words) -> Chapter:
    """Return the chapter on the length of training."""
    return Chapter(
        words=words,
        label=lambda group: f"{network_name(group.recipe)}, {epochs_words(group)}",
        short=epochs_words,
        pairs=with_base(study, "schedule_times", 1),
        axis=Axis(
            words("axis"),
            lambda group: number(epochs_of(group) or group.recipe.length),
            lambda group: network_name(group.recipe),
        ),
        readings=("test", "train"),
        expects=lambda one: "lower" if one.second.recipe.length > one.first.recipe.length else "higher",
        published=varying(
            "epochs", lambda group: group.recipe.length if group.recipe.schedule_unit == "epochs" else None
        ),
        exhibits=lambda found: [schedule_table("schedules", found.groups)],
        sections=_overtraining,
        ordered=not several_depths(study),
    )


QUESTION = Question(name="epochs", ask=ask, chapter=chapter)


def _overtraining(found: Findings) -> Blocks:
    """Return whether longer training is worse than shorter."""
    longer = [one for one in found.compared if one.test and one.second.recipe.length > one.first.recipe.length]
    worse = [one for one in longer if one.kind == "higher"]
    lower = sum(one.kind == "lower" for one in longer)
    good = lower + sum(one.kind == "equal" for one in longer)
    case = "shown" if worse else "untested" if untested(longer) else "refuted" if good == len(longer) else "open"
    text = found.words(
        f"rise.{case if longer else 'unfinished'}",
        listed=listing(one.second.label for one in worse),
        longest=epochs_words(max((one.second for one in longer), key=lambda group: group.recipe.length))
        if longer
        else "",
        longer=len(longer),
        worse=sum(one.test is not None and one.test.difference.value > 0 for one in longer),
        good=good,
        all_lower=lower == len(longer),
    )
    told = [text, _gains(found), _within(found)]
    return [Heading(found.words("rise.heading")), *map(Prose, told), *_other_lengths(found)]


def _gains(found: Findings) -> str:
    """Return what each doubling of the length gains, where the gains shrink each time; "" elsewhere."""
    gains = {}
    for place, own in _by_length(found).items():
        pairs = [(one, two) for one, two in pairwise(own) if two.recipe.length == 2 * one.recipe.length]
        gains[place] = [one.test_error - two.test_error for one, two in pairs]
    less = all(
        len(own) > 1 and all(round(one, 2) > round(two, 2) > 0 for one, two in pairwise(own)) for own in gains.values()
    )
    listed = "; ".join(
        f"{', then '.join(f'{one:.2f}' for one in own)} points with {place}" for place, own in gains.items()
    )
    return found.words("rise.gains", listed=listed) if gains and less else ""


def _by_length(found: Findings) -> dict[str, list[Group]]:
    """Return the groups with a result by network and data set, shortest first."""
    lines: dict[str, list[Group]] = {}
    for group in sorted(found.done, key=lambda group: group.recipe.length):
        lines.setdefault(_place(group), []).append(group)
    return lines


def _place(group: Group) -> str:
    return f"{network_name(group.recipe)}, {dataset_name(group.recipe.dataset)}"


def _within(found: Findings) -> str:
    """Return how far the mean test curves end above their lowest epoch."""
    ends = (overshoot(group.finished_curve("test_error")) for group in found.done)
    above = [end for end in ends if end is not None]
    return found.words("rise.within", most=points(max(above))) if above else ""


def _other_lengths(found: Findings) -> Blocks:
    """Return the errors of the same recipes at the lengths of other studies in the report."""
    asked = {group.recipe for group in found.groups}
    others = {other.recipe: other for base in found.bases for other in other_lengths(base) if other.recipe not in asked}
    listed = [
        f"{with_n(group.last_epoch('test_error'))} in {epochs_words(group)} ({_place(group)})"
        for group in others.values()
    ]
    if not listed:
        return []
    longest = {place: own[-1] for place, own in _by_length(found).items()}
    beside = [(longest[_place(one)], one) for one in others.values() if _place(one) in longest]
    falls = all(
        (epochs_of(one) or 0) > (epochs_of(own) or 0) and one.test_error < own.test_error - MARGIN
        for own, one in beside
    )
    ends = {epochs_words(own): None for own, _ in beside}
    beyond = next(iter(ends)) if falls and len(ends) == 1 else ""
    return [Prose(found.words("rise.others", listed="; ".join(listed), beyond=beyond))]
