"""Reasons suggested by test and training errors together: for what is shown or, with one seed, what would be."""

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
    """A chapter's reasons; `none` where something was compared but nothing needs a reason."""

    blocks: Sequence[Block]
    none: bool = False


def reasons(compared: Sequence[Compared], listed: Listed, words: Words) -> Reasons:
    """Return what the two errors of each variant say together, or why they say nothing.

    The words have a table [reasons] by what is shown for both errors.  Where test errors differ but the difference of
    the training errors is open, no reason is given, only its size.  None is given either where the training images
    are augmented differently.  With single seeds, reasons are given for differences beyond what the draw of the images
    explains, supposing that more seeds confirm them.
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
    """Return whether both groups augment their training images alike."""
    first, second = (aspects(group.recipe)["Augmentation"] for group in (one.first, one.second))
    return first == second


def on_what_scale(compared: Sequence[Compared], words: Words) -> str:
    """Return words that nothing is tested, and how many differences exceed what the draw of test images explains."""
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
