"""Reasons that test and training errors give together: of what is shown, or, with one seed, of what would be."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from reslab.analysis.comparisons import Compared
from reslab.analysis.reasons import beyond_chance, by_kinds, chance_reach, shows
from reslab.analysis.verdicts import MARGIN
from reslab.exhibits.blocks import Block, Bullets, Prose
from reslab.exhibits.recipes import aspects
from reslab.exhibits.wording import number, points, signed, span
from reslab.studies.words import Words

Listed = Callable[[Sequence[Compared]], str]
"""Lists what is compared, as in "rate 0.2 and rate 0.5"."""


@dataclass(frozen=True, slots=True)
class Reasons:
    """What a chapter says of why; `none` where something was compared and nothing asks for a reason."""

    blocks: Sequence[Block]
    none: bool = False


def reasons(compared: Sequence[Compared], listed: Listed, words: Words) -> Reasons:
    """Return what the two errors of each variant say together, or why that cannot be said.

    The words have a table [reasons] by what is shown of both errors.  Where a test error differs and no difference of
    the training errors is resolved, there is no reason: their sizes are given.  Nor is there one where the training
    images are augmented differently.  Of single seeds, reasons are those that larger differences than the draw of the
    images explains would have, if seeds confirmed them.
    """
    if (state := shows(compared)) == "nothing":
        return Reasons([Prose(words("tests.nothing"))])
    supposed, meanings = state == "untested", words.under("reasons")
    cases, unlike = (
        by_kinds([one for one in compared if _alike(one) == alike], supposed=supposed) for alike in (True, False)
    )
    sentences = []
    for kinds, meaning in meanings.items():
        if kinds in cases and not (supposed and "open" in kinds):
            test, train = kinds.split(", ")
            values = {"test": test, "train": train, "margin": number(MARGIN), "meaning": meaning}
            sentences.append(words("tests.reason", **values, listed=listed(cases[kinds])))
    for kind in ("higher", "lower"):
        if (kinds := f"{kind}, open") in cases and kinds not in meanings and not supposed:
            sizes = sorted(one.train.difference.value for one in cases[kinds] if one.train is not None)
            ends = span(signed(sizes[0]), signed(sizes[-1]))
            sentences.append(words("tests.unexplained", kind=kind, listed=listed(cases[kinds]), sizes=ends))
        if not supposed and (found := [one for kinds, own in unlike.items() if kinds.startswith(kind) for one in own]):
            sentences.append(words("tests.unlike", kind=kind, listed=listed(found)))
    if not sentences:
        return Reasons([Prose(words("tests.nothing-supposed" if supposed else "tests.nothing-shown"))], none=True)
    if supposed:
        return Reasons([Prose(words("tests.supposed")), Bullets(tuple(sentences))])
    return Reasons([Bullets(tuple(sentences)) if len(sentences) > 1 else Prose(sentences[0])])


def _alike(one: Compared) -> bool:
    """Say whether the training errors are of images that are augmented alike."""
    first, second = (aspects(group.recipe)["Augmentation"] for group in (one.first, one.second))
    return first == second


def on_what_scale(compared: Sequence[Compared], words: Words) -> str:
    """Return that nothing is tested, and how many differences the draw of the test images could explain."""
    known = [(one, reach) for one in compared if (reach := chance_reach(one)) is not None]
    reaches = [reach for _, reach in known]
    return words(
        "tests.untested",
        images=min((group.number("num_test") or 0 for one, _ in known for group in (one.first, one.second)), default=0),
        most=span(points(min(reaches)), points(max(reaches))) if reaches else "",
        compared=len(known),
        single=all(group.num_finished == 1 for one, _ in known for group in (one.first, one.second)),
        larger=sum(beyond_chance(one) != "open" for one, _ in known),
    )
