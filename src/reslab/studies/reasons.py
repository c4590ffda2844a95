"""Reasons that test and training errors give together: of what is shown, or, with one seed, of what would be."""

from collections.abc import Callable, Mapping, Sequence

from reslab.analysis.comparisons import Compared
from reslab.analysis.differences import by_images_alone
from reslab.analysis.verdicts import MARGIN, Verdict
from reslab.exhibits.blocks import Block, Bullets, Prose
from reslab.exhibits.wording import counted, number, points, signed, that_do
from reslab.studies.words import Words

Listed = Callable[[Sequence[Compared]], str]
"""Lists what is compared, as in "rate 0.2 and rate 0.5"."""

Kinds = tuple[str, str]
"""What is shown of the test error and of the training error: higher, lower, equal or open."""


def reasons(compared: Sequence[Compared], listed: Listed, words: Words) -> list[Block]:
    """Return what the two errors of each variant say together, or why that cannot be said.

    The words have a table [reasons] by what is shown of both errors.  Where a test error differs and no difference of
    the training errors is resolved, there is no reason: their sizes are given.
    """
    meanings = {_kinds(key): text for key, text in words.under("reasons").items()}
    if nothing_beside(compared):
        return [Prose(words("tests.nothing"))]
    if untested(compared):
        return _supposed(compared, listed, words, meanings)
    cases: dict[Kinds, list[Compared]] = {}
    for one in compared:
        if one.test is not None and one.train is not None:
            cases.setdefault((one.test.kind, one.train.kind), []).append(one)
    sentences = [
        f"{_where(kinds)} ({listed(cases[kinds])}): {meanings[kinds]}." for kinds in meanings if kinds in cases
    ]
    sentences += [
        words("tests.unexplained", kind=kind, listed=_with_training(cases[kind, "open"], listed))
        for kind in ("higher", "lower")
        if (kind, "open") in cases and (kind, "open") not in meanings
    ]
    if not sentences:
        return [Prose(words("tests.nothing-shown"))]
    return [Bullets(tuple(sentences))] if len(sentences) > 1 else [Prose(sentences[0])]


def _kinds(key: str) -> Kinds:
    test, _, train = key.partition(", ")
    return test, train


def nothing_beside(compared: Sequence[Compared]) -> bool:
    """Return whether no comparison has finished runs on both sides."""
    return not any(one.test is not None for one in compared)


def untested(compared: Sequence[Compared]) -> bool:
    """Return whether there are comparisons and none of them could be tested, for want of seeds."""
    verdicts = [one.test for one in compared if one.test is not None]
    return bool(verdicts) and all(verdict.kind == "unknown" for verdict in verdicts)


def on_what_scale(compared: Sequence[Compared], words: Words) -> str:
    """Return that nothing is tested, and how many differences the draw of the test images could explain."""
    found = [(one, reach) for one in compared if (reach := _reach(one, "test_error")) is not None]
    if not found:
        return words("tests.untested")
    larger = sum(_side(one, "test_error") != "open" for one, _ in found)
    most = points(max(reach for _, reach in found))
    images = min(group.number("num_test") or 0 for one, _ in found for group in (one.first, one.second))
    sizes = (
        f"the difference here is {'larger' if larger else 'not larger'}"
        if len(found) == 1
        else f"all {counted(len(found), 'difference')} here are larger"
        if larger == len(found)
        else f"of the {counted(len(found), 'difference')} here {that_do(larger, 'is', 'are')} larger"
    )
    scale = words("tests.scale", images=f"{images:,}", most=most, sizes=sizes)
    return f"{words('tests.untested')}  {scale}"


def _supposed(compared: Sequence[Compared], listed: Listed, words: Words, meanings: Mapping[Kinds, str]) -> list[Block]:
    """Return the reasons that the larger differences would have, if seeds confirmed them; nothing without any."""
    cases: dict[Kinds, list[Compared]] = {}
    for one in compared:
        if one.test is not None and one.train is not None:
            cases.setdefault((_side(one, "test_error"), _side(one, "train_error")), []).append(one)
    parts = [
        f"{_where(kinds)} ({listed(cases[kinds])}): {meanings[kinds]}."
        for kinds in meanings
        if kinds in cases and "open" not in kinds
    ]
    if not parts:
        return [Prose(words("tests.nothing-supposed"))]
    return [Prose(words("tests.supposed")), Bullets(tuple(parts))]


def _where(kinds: Kinds) -> str:
    test, train = kinds
    if test == train:
        return f"Both errors {test}"
    shown = {"equal": f"Test error equal within {number(MARGIN)} points", "open": "Test error not resolved"}
    text = shown.get(test, f"Test error {test}")
    return text if train == "open" else f"{text}, training error {train}"


def _with_training(compared: Sequence[Compared], listed: Listed) -> str:
    """Return what is compared, with by how much the training errors differ, resolved or not."""
    sizes = sorted(verdict.difference.value for one in compared for verdict in _known(one.train))
    reach = " to ".join(dict.fromkeys(signed(value) for value in (sizes[0], sizes[-1])))
    return f"{listed(compared)}; training {reach} points"


def _known(verdict: Verdict | None) -> list[Verdict]:
    return [] if verdict is None else [verdict]


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
