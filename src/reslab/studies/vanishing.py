"""Do gradients vanish on their way back?  What reached the first layers of each network, and when, in words."""

import statistics
from collections.abc import Sequence

from reslab.analysis.diagnoses import moment_order
from reslab.analysis.groups import Group
from reslab.exhibits.blocks import Block, Prose
from reslab.exhibits.why_figures import gradients_figure, moment_words
from reslab.exhibits.wording import Label, evenly, listing, opened
from reslab.studies.sentences import placed
from reslab.studies.words import Words

VANISHED = 0.01
"""Share of the last inner layers' gradient below which that of the first ones counts as vanished."""

MOST_LISTED = 8
"""Networks whose figures are listed one by one."""

Shares = dict[tuple[str, str], float]
"""How much gradient reaches the first layers, by a network's name and the moment."""


def gradients(groups: Sequence[Group], label: Label, words: Words, ordered: bool = True) -> list[Block]:
    """Return the gradient norms by layer and whether they vanish; nothing where they were not measured."""
    figure = gradients_figure("gradients", groups, label, ordered=ordered)
    if figure is None:
        return []
    name = placed(groups, label)
    shares = {
        (name(group), moment): share
        for group in groups
        for moment in group.diagnoses.moments("gradients")
        if (share := _reaching(group, moment)) is not None
    }
    return (
        [figure, Prose("  ".join([_shares_words(shares, words), _vanished_words(shares, words)]))]
        if shares
        else [figure]
    )


def _shares_words(shares: Shares, words: Words) -> str:
    """Return what was measured before, during and at the end of training, and of which networks it was not."""
    epochs = _epochs(shares)
    subject = words("gradients.share")
    sentences = []
    for moments in (["initial"], epochs, ["final"]):
        found = {key: share for key, share in shares.items() if key[1] in moments}
        if found:
            values = _each(found) if moments == ["initial"] and len(found) <= MOST_LISTED else _from_to(found)
            sentences.append(opened(f"{moment_words(moments)} {subject} is {values}."))
            subject = "it"
    if not epochs:
        sentences.append(words("gradients.not-between"))
    elif unseen := _unseen(shares):
        sentences.append(words("gradients.unseen", listed=listing(unseen)))
    return "  ".join(sentences)


def _each(shares: Shares) -> str:
    texts = evenly(list(shares.values()))
    return listing(f"{text} for {name}" for (name, _), text in zip(shares, texts, strict=True))


def _from_to(shares: Shares) -> str:
    """Return the smallest and the largest, and of what they are: with the moment where there are several."""
    several = len({moment for _, moment in shares}) > 1
    ends = [
        f"{_share(shares[name, moment])} ({name}{f', {moment_words([moment])}' if several else ''})"
        for name, moment in (min(shares, key=shares.__getitem__), max(shares, key=shares.__getitem__))
    ]
    return f"from {ends[0]} to {ends[1]}" if len(shares) > 1 else ends[0]


def _share(value: float) -> str:
    """Return a share with two significant digits, zeros at its end included."""
    return f"{value:#.2g}".removesuffix(".")


def _vanished_words(shares: Shares, words: Words) -> str:
    """Return of which networks the gradient vanished, and when; or that it did at none of the moments measured."""
    gone: dict[str, list[str]] = {}
    for (name, moment), share in shares.items():
        if share < VANISHED:
            gone.setdefault(name, []).append(moment)
    if gone:
        listed = "; ".join(f"{name} ({moment_words(moments)})" for name, moments in gone.items())
        return words("gradients.vanished", limit=f"{VANISHED:g}", listed=listed)
    moments = sorted({moment for _, moment in shares}, key=moment_order)
    case = "gradients.none" if _epochs(shares) else "gradients.none-at-the-ends"
    text = words(case, limit=f"{VANISHED:g}", moments=moment_words(moments))
    return text if _unseen(shares) or not _epochs(shares) else f"{text}  {words('gradients.cause')}"


def _unseen(shares: Shares) -> list[str]:
    """Return the networks on which nothing was measured between the start and the end of training."""
    during = {name for name, moment in shares if moment.startswith("epoch ")}
    return [name for name in dict.fromkeys(name for name, _ in shares) if name not in during]


def _epochs(shares: Shares) -> list[str]:
    return sorted({moment for _, moment in shares if moment.startswith("epoch ")}, key=moment_order)


def _reaching(group: Group, moment: str) -> float | None:
    """Return the median gradient of the first quarter of the inner layers over that of the last."""
    values = group.diagnoses.by_layer("gradients", moment)["value"].to_list()[1:-1]
    quarter = len(values) // 4
    if not quarter:
        return None
    last = statistics.median(values[-quarter:])
    return statistics.median(values[:quarter]) / last if last else None
