"""Do networks get the same images wrong?  The part of the appendix that predictions answer."""

from collections.abc import Sequence

from reslab.analysis.agreement import Agreement, Shared, agreement
from reslab.analysis.groups import Group, by_dataset, datasets_of
from reslab.exhibits.blocks import Block, Prose
from reslab.exhibits.captions import text
from reslab.exhibits.predictions import agreement_table
from reslab.exhibits.wording import Label, dataset_name, span

FEW = 20
"""Wrong images below which a share of them is uncertain by more than a tenth or two."""


def same_errors(key: str, groups: Sequence[Group], short: Label, *, answers: bool = True) -> list[Block]:
    """Return what the predictions of these groups say together, each beside the first of its data set; with a table.

    Nothing where no two were kept, or nothing is wrong.  The groups have predictions, those of a data set of the same
    images; `short` names one among those of its data set.  The sentence is left to the reader without `answers`.
    """
    shared = agreement(groups, {dataset: own[0] for dataset, own in by_dataset(groups)})
    if shared is None:
        return []
    table = agreement_table(key, shared, lambda group: group.label, short)
    return [*([Prose(_words(key, shared, short))] if answers else []), *([table] if table is not None else [])]


def _words(key: str, shared: Agreement, short: Label) -> str:
    """Return how much is shared, at its least and most, and whether the images or the networks make the errors."""
    datasets = datasets_of(shared.groups)
    pairs = [
        {
            "who": who,
            "beside": short(shared.references[dataset]),
            "where": dataset_name(dataset) if len(datasets) > 1 else "",
            "share": _reach([one.share for one in known]),
            "chance": _reach([one.chance for one in known]),
        }
        for dataset in datasets
        for who, of in (("seeds", shared.by_seeds), ("recipes", shared.with_reference))
        if (known := _on(dataset, shared, of))
    ]
    few, hard = FEW if shared.fewest < FEW else 0, shared.hard and any(shared.by_seeds)
    return text("same.text", pairs=pairs, few=few, hard=hard, nested=shared.nested, table=f"appendix-{key}")


def _on(dataset: str, shared: Agreement, of: Sequence[Shared | None]) -> list[Shared]:
    """Return what is known of pairs of a data set's networks."""
    pairs = zip(shared.groups, of, strict=True)
    return [one for group, one in pairs if one is not None and group.recipe.dataset == dataset]


def _reach(shares: Sequence[float]) -> str:
    """Return the least and the largest share in percent."""
    return f"{span(*(f'{end(shares):.0f}' for end in (min, max)))}%"
