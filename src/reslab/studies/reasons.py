"""Reasons that test and training errors give together: of what is shown, or, with one seed, of what would be."""

from collections.abc import Callable, Mapping, Sequence

from reslab.analysis.comparisons import Compared
from reslab.analysis.differences import by_images_alone
from reslab.analysis.verdicts import MARGIN
from reslab.exhibits.blocks import Block, Bullets, Prose
from reslab.exhibits.wording import counted, number, points, that_do

Listed = Callable[[Sequence[Compared]], str]
"""Lists what is compared, as in "rate 0.2 and rate 0.5"."""

Kinds = tuple[str, str]
"""What is shown of the test error and of the training error: higher, lower, equal or open."""

NOTHING_BESIDE = "Of the variants that are compared with the base, none has finished, or the base has not."
UNTESTED = "With one seed no difference can be tested, so that no reason can be shown for any."
CAUTION = "One seed cannot tell any of these differences from chance."

_MEANINGS: dict[Kinds, str] = {
    ("higher", "higher"): "the training images themselves are learnt less well, which is not overfitting but too "
    "little training, or training that goes astray",
    ("higher", "lower"): "what is learnt carries over less to new images, which is overfitting",
    ("higher", "open"): "what is learnt carries over less to new images, for which these errors give no reason",
    ("lower", "lower"): "more is learnt, and it carries over to new images",
    ("lower", "higher"): "less is learnt of the training images, and more of it carries over",
    ("lower", "open"): "what is learnt carries over better to new images, for which these errors give no reason",
    ("equal", "lower"): "what more is learnt of the training images carries over by less than that",
    ("equal", "higher"): "less is learnt of the training images, and it costs less than that on new ones",
    ("open", "lower"): "more is learnt of the training images, and whether it carries over, these seeds do not show",
    ("open", "higher"): "less is learnt of the training images, and what that costs on new ones, these seeds do not "
    "show",
}


def reasons(compared: Sequence[Compared], listed: Listed, meanings: Mapping[Kinds, str] | None = None) -> list[Block]:
    """Return what the two errors of each variant say together, or why that cannot be said.

    `meanings` are a study's own words for some cases, or for cases that others have no words for.
    """
    words = {**_MEANINGS, **(meanings or {})}
    if nothing_beside(compared):
        return [Prose(NOTHING_BESIDE)]
    if untested(compared):
        return [Prose(_supposed(compared, listed, words))]
    cases: dict[Kinds, list[Compared]] = {}
    for one in compared:
        if one.test is not None and one.train is not None:
            cases.setdefault((one.test.kind, one.train.kind), []).append(one)
    sentences = tuple(
        f"Where {_where(kinds, 'not shown to differ')} ({listed(cases[kinds])}), {meaning}."
        for kinds, meaning in words.items()
        if kinds in cases
    )
    if not sentences:
        return [Prose("No difference is shown, so that there is nothing to give a reason for.")]
    return [Bullets(sentences)] if len(sentences) > 1 else [Prose(sentences[0])]


def nothing_beside(compared: Sequence[Compared]) -> bool:
    """Return whether no comparison has finished runs on both sides."""
    return not any(one.test is not None for one in compared)


def untested(compared: Sequence[Compared]) -> bool:
    """Return whether there are comparisons and none of them could be tested, for want of seeds."""
    verdicts = [one.test for one in compared if one.test is not None]
    return bool(verdicts) and all(verdict.kind == "unknown" for verdict in verdicts)


def on_what_scale(compared: Sequence[Compared]) -> str:
    """Return that nothing can be tested, and how many differences the draw of the test images could explain."""
    found = [(one, reach) for one in compared if (reach := _reach(one, "test_error")) is not None]
    if not found:
        return CAUTION
    larger = sum(_side(one, "test_error") != "open" for one, _ in found)
    ends = sorted({points(reach) or "" for _, reach in found}, key=float)
    reaches = " to ".join(dict.fromkeys((ends[0], ends[-1])))
    if len(found) == 1:
        sizes = f"this difference is {'larger' if larger else 'not larger'}"
    elif larger == len(found):
        sizes = f"all of these {counted(larger, 'difference')} are larger"
    else:
        sizes = f"of these {counted(len(found), 'difference')} {that_do(larger, 'is', 'are')} larger"
    return (
        f"{CAUTION}  As a scale: had each network been tested on images of its own, their draw alone could set two of "
        f"these errors {reaches} points apart (95%); {sizes}."
    )


def _supposed(compared: Sequence[Compared], listed: Listed, words: Mapping[Kinds, str]) -> str:
    """Return that no reason can be shown, and which ones the larger differences would have, if seeds confirmed them."""
    cases: dict[Kinds, list[Compared]] = {}
    for one in compared:
        if one.test is not None and one.train is not None:
            cases.setdefault((_side(one, "test_error"), _side(one, "train_error")), []).append(one)
    parts = [
        f"where {_where(kinds, 'about the same')} ({listed(cases[kinds])}), {meaning}"
        for kinds, meaning in words.items()
        if kinds in cases and kinds[0] in ("higher", "lower")
    ]
    if not parts:
        return UNTESTED
    lead = "Should more seeds confirm the differences that are larger than the draw of the images explains, then"
    return f"{UNTESTED}  {lead} {'; '.join(parts)}."


def _where(kinds: Kinds, same: str) -> str:
    test, train = kinds
    if test == train:
        return f"both errors are {test}"
    if test == "equal":
        shown = f"the test error is equal within {number(MARGIN)} points"
        return shown if train == "open" else f"{shown} and the training error {train}"
    if test == "open":
        return f"the training error is {train} and the test error {same}"
    return f"the test error is {test} and the training error {same if train == 'open' else train}"


_IMAGES = {"test_error": "num_test", "train_error": "num_train"}


def _reach(one: Compared, column: str) -> float | None:
    """Return by how many points the two may differ by the draw of the images alone; None where they are not known."""
    errors = [group.last_epoch(column).mean for group in (one.first, one.second)]
    images = [group.number(_IMAGES[column]) for group in (one.first, one.second)]
    if errors[0] is None or errors[1] is None or not images[0] or not images[1]:
        return None
    return by_images_alone(errors[0], errors[1], min(images[0], images[1]))


def _side(one: Compared, column: str) -> str:
    """Return whether the second error is higher or lower by more than its reach, as a verdict's kind; else open."""
    verdict, reach = one.test if column == "test_error" else one.train, _reach(one, column)
    if verdict is None or reach is None or abs(verdict.difference.value) <= reach:
        return "open"
    return "higher" if verdict.difference.value > 0 else "lower"
