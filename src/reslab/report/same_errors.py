"""Do networks get the same images wrong?  The part of the appendix based on predictions."""

from collections.abc import Sequence

from reslab.analysis.agreement import Agreement, agreement
from reslab.analysis.groups import Group, by_dataset, datasets_of
from reslab.exhibits.blocks import Block, Prose
from reslab.exhibits.captions import text
from reslab.exhibits.predictions import agreement_table
from reslab.exhibits.wording import Label, dataset_name, listing, span

FEW = 20
"""Wrong images below which a share of them is uncertain by more than a tenth or two."""


def same_errors(key: str, groups: Sequence[Group], short: Label, *, answers: bool = True) -> list[Block]:
    """Return how far these groups share errors, with a table; each is compared with the first on its data set.

    [] where fewer than two predictions were kept, or nothing is wrong.  All groups have predictions, on each data set
    for the same images; `short` names a group among those on its data set.  Without `answers` there is only the table.
    """
    shared = agreement(groups, {dataset: own[0] for dataset, own in by_dataset(groups)})
    if shared is None:
        return []
    table = agreement_table(key, shared, lambda group: group.label, short)
    return [*([Prose(_words(key, shared, short))] if answers else []), *([table] if table is not None else [])]


def _words(key: str, shared: Agreement, short: Label) -> str:
    """Return the least and the most that is shared, and whether errors are due to the images or to the networks."""
    datasets = {dataset: shared.on(dataset) for dataset in datasets_of(shared.groups)}
    pairs = [
        {
            "who": who,
            "beside": short(shared.references[dataset]).removesuffix(f", {dataset_name(dataset)}"),
            "where": dataset_name(dataset) if len(datasets) > 1 else "",
            "share": _reach([one.share for one in known]),
            "chance": _reach([one.chance for one in known]),
        }
        for dataset, own in datasets.items()
        for who, of in (("seeds", own.by_seeds), ("recipes", own.with_reference))
        if (known := [one for one in of if one is not None])
    ]
    few, hard = FEW if shared.fewest < FEW else 0, shared.hard and any(shared.by_seeds)
    nested = [dataset_name(dataset) for dataset, own in datasets.items() if own.nested]
    where = f"On {listing(nested)}, most" if len(nested) < len(datasets) else "Most"
    return text("same.text", pairs=pairs, few=few, hard=hard, nested=nested and where, table=f"appendix-{key}")


def _reach(shares: Sequence[float]) -> str:
    """Return the least and the largest share in percent."""
    return f"{span(*(f'{end(shares):.0f}' for end in (min, max)))}%"
