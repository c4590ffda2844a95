"""Reasons that test and training errors give together: of what is shown, or, with one seed, of what would be."""

from collections.abc import Callable, Sequence

from reslab.analysis.comparisons import Compared, beyond_chance, chance_reach
from reslab.analysis.verdicts import MARGIN
from reslab.exhibits.blocks import Block, Bullets, Prose
from reslab.exhibits.wording import number, points, signed, span
from reslab.studies.words import Words

Listed = Callable[[Sequence[Compared]], str]
"""Lists what is compared, as in "rate 0.2 and rate 0.5"."""


def reasons(compared: Sequence[Compared], listed: Listed, words: Words) -> list[Block]:
    """Return what the two errors of each variant say together, or why that cannot be said.

    The words have a table [reasons] by what is shown of both errors.  Where a test error differs and no difference of
    the training errors is resolved, there is no reason: their sizes are given.  Of single seeds, reasons are those that
    larger differences than the draw of the images explains would have, if seeds confirmed them.
    """
    meanings = words.under("reasons")
    if nothing_beside(compared):
        return [Prose(words("tests.nothing"))]
    supposed = untested(compared)
    cases: dict[str, list[Compared]] = {}
    for one in compared:
        if one.test is not None and one.train is not None:
            kinds = (one.test.kind, one.train.kind)
            if supposed:
                kinds = (beyond_chance(one), beyond_chance(one, "train_error"))
            cases.setdefault(", ".join(kinds), []).append(one)
    if supposed:
        meanings = {kinds: text for kinds, text in meanings.items() if "open" not in kinds}
    sentences = [
        _reason(kinds, listed(cases[kinds]), text, words) for kinds, text in meanings.items() if kinds in cases
    ]
    if not supposed:
        sentences += [
            words("tests.unexplained", kind=kind, listed=listed(own), sizes=_training(own))
            for kind in ("higher", "lower")
            if (own := cases.get(f"{kind}, open")) and f"{kind}, open" not in meanings
        ]
    if not sentences:
        return [Prose(words("tests.nothing-supposed" if supposed else "tests.nothing-shown"))]
    if supposed:
        return [Prose(words("tests.supposed")), Bullets(tuple(sentences))]
    return [Bullets(tuple(sentences))] if len(sentences) > 1 else [Prose(sentences[0])]


def nothing_beside(compared: Sequence[Compared]) -> bool:
    """Return whether no comparison has finished runs on both sides."""
    return not any(one.test is not None for one in compared)


def untested(compared: Sequence[Compared]) -> bool:
    """Return whether there are comparisons and none of them could be tested, for want of seeds."""
    verdicts = [one.test for one in compared if one.test is not None]
    return bool(verdicts) and all(verdict.kind == "unknown" for verdict in verdicts)


def on_what_scale(compared: Sequence[Compared], words: Words) -> str:
    """Return that nothing is tested, and how many differences the draw of the test images could explain."""
    known = [(one, reach) for one in compared if (reach := chance_reach(one)) is not None]
    return words(
        "tests.untested",
        images=min((group.number("num_test") or 0 for one, _ in known for group in (one.first, one.second)), default=0),
        most=points(max((reach for _, reach in known), default=None)),
        compared=len(known),
        larger=sum(beyond_chance(one) != "open" for one, _ in known),
    )


def _reason(kinds: str, listed: str, meaning: str, words: Words) -> str:
    test, _, train = kinds.partition(", ")
    return words("tests.reason", test=test, train=train, margin=number(MARGIN), listed=listed, meaning=meaning)


def _training(compared: Sequence[Compared]) -> str:
    """Return by how much the training errors differ, resolved or not."""
    sizes = sorted(one.train.difference.value for one in compared if one.train is not None)
    return span(signed(sizes[0]), signed(sizes[-1]))
