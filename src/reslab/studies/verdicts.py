"""Differences put into words that their uncertainty supports, and which comparisons apply at all."""

from collections.abc import Sequence

from reslab.analysis.comparisons import step
from reslab.analysis.differences import Difference, difference, from_single
from reslab.analysis.groups import Group
from reslab.analysis.summary import Summary, schedule_epochs
from reslab.analysis.verdicts import EQUAL_LEVEL, Verdict
from reslab.exhibits.wording import counted, dataset_name, interval, listing, number, percent, points
from reslab.published import Published, published

FULL_SCHEDULE_IMAGES = 64_000 * 128
"""Images seen in the paper's training: 64,000 iterations of 128 (He et al. 2016, section 4.2)."""

ALMOST = 0.95
"""Share of the paper's training from which on a schedule counts as its length."""


def with_published(group: Group, one: Published) -> Difference | None:
    """Compare a group's last-epoch test error with a published figure, whose own spread is used if it has one."""
    measured = group.last_epoch("test_error")
    if one.standard_deviation is not None and one.n is not None and one.n > 1:
        return difference(Summary(one.n, one.error, one.standard_deviation), measured, step(group))
    return from_single(one.error, measured, step(group))


def in_words(found: Difference, than: str = "") -> str:
    """Return size, direction and certainty of a difference of errors; `than` is what it is a difference to."""
    size = f"{_size(found)}{f' than {than}' if than else ''}"
    if found.margin is None:
        return f"{size}, which one seed cannot tell from chance"
    if found.resolved:
        return f"{size} (95% interval {interval(found)})"
    return f"{size}, not resolvable with {_seeds(found)} (95% interval {interval(found)})"


def verdict_words(verdict: Verdict) -> str:
    """Return a difference of errors with what it supports after correction for how many are compared."""
    found, margin = verdict.difference, number(verdict.margin)
    size = _size(found)
    match verdict.kind:
        case "unknown":
            return f"{size}, which one seed cannot tell from chance"
        case "lower" | "higher":
            narrow = f" (90% interval {interval(found, EQUAL_LEVEL)})"
            small = f", and shown to be less than {margin} points{narrow}" if verdict.within else ""
            return f"{size} (95% interval {interval(found)}){small}"
        case "equal":
            return f"equal within {margin} points ({size}; 90% interval {interval(found, EQUAL_LEVEL)})"
        case "open":
            corrected = " once corrected for the number of comparisons" if found.resolved else ""
            seeds = f"about {verdict.seeds:,} seeds of each would mostly show it" if verdict.seeds else ""
            more = f"; if it is of this size, {seeds}" if seeds else ""
            return f"{size}, not resolvable with {_seeds(found)}{corrected} (95% interval {interval(found)}{more})"


def training_words(verdict: Verdict) -> str:
    """Return what is shown of the training errors, as a clause: they support a reason, and need no count of seeds."""
    if verdict.kind == "open":
        corrected = " once corrected for the number of comparisons" if verdict.difference.resolved else ""
        return f"the training errors cannot be told apart{corrected} (95% interval {interval(verdict.difference)})"
    return f"the training error is {verdict_words(verdict)}"


def both_words(test: Verdict, train: Verdict, *, caution: bool = True) -> str:
    """Return a difference of test errors and one of training errors; what one seed cannot tell is said once.

    Without `caution` it is not said, because it is said of several together.
    """
    if test.kind == train.kind == "unknown":
        sizes = f"the test error is {_size(test.difference)}, the training error {_size(train.difference)}"
        return f"{sizes}; one seed cannot tell this from chance" if caution else sizes
    return f"the test error is {verdict_words(test)}; {training_words(train)}"


def why_not_comparable(*groups: Group) -> str | None:
    """Return why published figures apply to none of these groups, as a clause; None where they do to one of them."""
    reasons = [_unlike(group) for group in groups]
    short = [group for group in groups if is_shortened(group)]
    if reasons.count(None) > len(short):
        return None
    others = [reason for reason in dict.fromkeys(reasons) if reason is not None]
    return listing([*([shortened_words(short)] if short else []), *others]) or None


def _unlike(group: Group) -> str | None:
    """Return in what else than its length a group is unlike all published ones; None where it is like them."""
    recipe = group.recipe
    name = dataset_name(recipe.dataset)
    if not published(dataset=recipe.dataset, family=recipe.family):
        return f"there are no published figures for {'plain networks on ' if recipe.family == 'plain' else ''}{name}"
    if group.fact("data_official") is False:
        return f"the images are not the official ones of {name}"
    return "only a part of the training images was used" if recipe.train_share < 1 else None


def is_shortened(group: Group) -> bool:
    """Return whether a group's length is all that keeps published figures from applying; not where it is unknown."""
    share = schedule_share(group)
    return _unlike(group) is None and share is not None and share < ALMOST


def shortened_words(groups: Sequence[Group]) -> str:
    """Return how long the schedules of groups that are shortened are, in epochs and beside the paper's."""
    shares = sorted({schedule_share(group) or 0.0 for group in groups})
    seen = " to ".join(dict.fromkeys(percent(share) for share in (shares[0], shares[-1])))
    schedules = "the schedule is" if len(shares) == 1 else "the schedules are"
    return f"{schedules} shortened to {epochs_words(*groups)}, with {seen} of the images of the paper's training"


def schedule_share(group: Group) -> float | None:
    """Return the images seen in the whole schedule as a share of the paper's; None before any attempt."""
    num_train = group.number("num_train")
    places = schedule_epochs(group.recipe, num_train)
    return places[2] * num_train / FULL_SCHEDULE_IMAGES if places and num_train else None


def epochs_words(*groups: Group) -> str:
    """Return the lengths of the groups' schedules in epochs, from the shortest on."""
    known = [schedule_epochs(group.recipe, group.number("num_train")) for group in groups]
    lengths = sorted({round(places[2], 1) for places in known if places is not None})
    if not lengths:
        return f"{number(groups[0].recipe.length)} {groups[0].recipe.schedule_unit}"
    return f"{listing(number(length) for length in lengths)} {'epoch' if lengths == [1] else 'epochs'}"


def _size(found: Difference) -> str:
    if points(abs(found.value)) == points(0.0):
        return "the same to two decimals"
    return f"{points(abs(found.value))} points {'lower' if found.value < 0 else 'higher'}"


def _seeds(found: Difference) -> str:
    if found.n_first in (1, found.n_second):
        return counted(found.n_second, "seed")
    return f"{counted(found.n_first, 'seed').partition(' ')[0]} and {counted(found.n_second, 'seed')}"
