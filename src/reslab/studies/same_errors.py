"""Do networks get the same images wrong?  The part of a chapter that predictions answer."""

from collections.abc import Sequence

from reslab.analysis.agreement import Agreement, Shared, agreement, references, with_predictions
from reslab.analysis.groups import datasets_of
from reslab.exhibits.blocks import Heading, Prose
from reslab.exhibits.predictions import agreement_table
from reslab.exhibits.wording import dataset_name, span
from reslab.studies.findings import Findings
from reslab.studies.question import Blocks

FEW = 20
"""Wrong images below which a share of them is uncertain by more than a tenth or two."""


def same_errors(found: Findings) -> Blocks:
    """Return what the networks' predictions say together; nothing where none were kept, or nothing is wrong.

    The table is that of several seeds of a recipe; the appendix has the pairs of different ones.
    """
    groups = with_predictions(found.done)
    shared = agreement(groups, references(groups, found.compared))
    if shared is None:
        return []
    table = agreement_table("agreement", shared, found.full, found.label) if any(shared.by_seeds) else None
    return [Heading(found.words("same.heading")), Prose(_words(shared, found) if found.study.answers else ""), table]


def _words(shared: Agreement, found: Findings) -> str:
    """Return how much is shared, at its least and most, and whether the images or the networks make the errors."""
    datasets = datasets_of(shared.groups)
    pairs = [
        {
            "who": who,
            "beside": found.label(shared.references[dataset]),
            "where": dataset_name(dataset) if len(datasets) > 1 else "",
            "share": _reach([one.share for one in known]),
            "chance": _reach([one.chance for one in known]),
        }
        for dataset in datasets
        for who, of in (("seeds", shared.by_seeds), ("recipes", shared.with_reference))
        if (known := _on(dataset, shared, of))
    ]
    return found.words(
        "same.text", pairs=pairs, few=FEW if shared.fewest < FEW else 0, hard=shared.hard and any(shared.by_seeds)
    )


def _on(dataset: str, shared: Agreement, of: Sequence[Shared | None]) -> list[Shared]:
    """Return what is known of pairs of a data set's networks."""
    pairs = zip(shared.groups, of, strict=True)
    return [one for group, one in pairs if one is not None and group.recipe.dataset == dataset]


def _reach(shares: Sequence[float]) -> str:
    """Return the least and the largest share in percent."""
    return f"{span(*(f'{end(shares):.0f}' for end in (min, max)))}%"
