"""Do gradients vanish on their way back?  What reached the first layers of each network, and when, in words."""

from reslab.analysis.diagnoses import moment_order
from reslab.exhibits.blocks import Block, Prose
from reslab.exhibits.why_figures import gradients_figure, moment_words
from reslab.exhibits.wording import evenly, listing, opened
from reslab.studies.findings import Findings

VANISHED = 0.01
"""Share of the last inner layers' gradient below which that of the first ones counts as vanished."""

MOST_LISTED = 8
"""Networks whose figures are listed one by one."""

Shares = dict[tuple[str, str], float]
"""How much gradient reaches the first layers, by a network's name and the moment."""


def gradients(found: Findings) -> list[Block]:
    """Return the gradient norms by layer and whether they vanish; nothing where they were not measured."""
    figure = gradients_figure("gradients", found.groups, found.label, ordered=found.ordered)
    if figure is None:
        return []
    shares = {
        (found.full(group), moment): share
        for group in found.groups
        for moment in group.diagnoses.moments("gradients")
        if (share := group.diagnoses.reaching(moment)) is not None
    }
    if not shares:
        return [figure]
    moments = sorted({moment for _, moment in shares}, key=moment_order)
    epochs = [moment for moment in moments if moment.startswith("epoch ")]
    during = {name for name, moment in shares if moment in epochs}
    gone: dict[str, list[str]] = {}
    for (name, moment), share in shares.items():
        if share < VANISHED:
            gone.setdefault(name, []).append(moment)
    text = found.words(
        "gradients.text",
        parts=[
            (opened(moment_words(some)), _values(own))
            for some in (["initial"], epochs, ["final"])
            if (own := {key: share for key, share in shares.items() if key[1] in some})
        ],
        epochs=bool(epochs),
        unseen=listing(dict.fromkeys(name for name, _ in shares if name not in during)),
        limit=f"{VANISHED:g}",
        gone="; ".join(f"{name} ({moment_words(some)})" for name, some in gone.items()),
        moments=moment_words(moments),
    )
    return [figure, Prose(text)]


def _values(shares: Shares) -> str:
    """Return each of a few shares before training, else the smallest and the largest, and of what they are."""
    moments = {moment for _, moment in shares}
    if moments == {"initial"} and len(shares) <= MOST_LISTED:
        texts = evenly(list(shares.values()))
        return listing(f"{text} for {name}" for (name, _), text in zip(shares, texts, strict=True))
    ends = [
        f"{f'{shares[name, moment]:#.2g}'.removesuffix('.')} "
        f"({name}{f', {moment_words([moment])}' if len(moments) > 1 else ''})"
        for name, moment in (min(shares, key=shares.__getitem__), max(shares, key=shares.__getitem__))
    ]
    return f"from {ends[0]} to {ends[1]}" if len(shares) > 1 else ends[0]
