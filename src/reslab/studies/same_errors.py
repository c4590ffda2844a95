"""Do networks get the same images wrong?  The part of a chapter that predictions answer."""

from collections.abc import Sequence

from reslab.analysis.agreement import Agreement, Shared, agreement, references, with_predictions
from reslab.exhibits.blocks import Heading, Prose
from reslab.exhibits.predictions import agreement_table, classes_figure
from reslab.exhibits.wording import span
from reslab.studies.findings import Findings
from reslab.studies.question import Blocks

FEW = 20
"""Wrong images below which a share of them is uncertain by more than a tenth or two."""


def same_errors(found: Findings) -> Blocks:
    """Return what the networks' predictions say together; nothing where none were kept, or nothing is wrong."""
    groups = with_predictions(found.done)
    shared = agreement(groups, references(groups, found.compared))
    if shared is None:
        return []
    return [
        Heading(found.words("same.heading")),
        Prose(_words(shared, found) if found.study.answers else ""),
        agreement_table("agreement", shared, found.full, found.label),
        classes_figure("classes", shared.groups, found.label, ordered=found.ordered),
    ]


def _words(shared: Agreement, found: Findings) -> str:
    """Return how much is shared, at its least and most, and whether the images or the networks make the errors."""
    pairs = zip(shared.groups, shared.with_reference, strict=True)
    others = [found.label(group) for group, one in pairs if one is not None]
    return found.words(
        "same.text",
        seeds=_reach(shared.by_seeds),
        others=_reach(shared.with_reference),
        who=others[0] if len(others) == 1 else "",
        whom=list(dict.fromkeys(map(found.label, shared.references.values()))),
        few=FEW if shared.fewest < FEW else 0,
        nested=shared.nested,
        hard=shared.hard,
    )


def _reach(shared: Sequence[Shared | None]) -> str:
    """Return the least and the largest share in percent; "" without any."""
    known = [one.share for one in shared if one is not None]
    return f"{span(*(f'{end(known):.0f}' for end in (min, max)))}%" if known else ""
