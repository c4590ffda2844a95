"""Published figures beside measured ones: as cells, and as a table of sources by network."""

from collections.abc import Callable, Iterable, Sequence

from reslab.analysis.groups import Group
from reslab.exhibits.blocks import Column, Table
from reslab.exhibits.captions import source_name, titled
from reslab.exhibits.wording import dataset_name, listing, network_name, over_seeds, with_n
from reslab.published import Published

Matches = Callable[[Group, Published], bool]
"""Says whether a published figure is of what a group varies."""


def same_depth(group: Group, one: Published) -> bool:
    """Return whether a published figure is of the group's data set and depth."""
    return (one.dataset, one.depth) == (group.recipe.dataset, group.recipe.depth)


def nothing(group: Group, one: Published) -> bool:
    """Return that no published figure stands in a group's row."""
    return False


def published_table(
    key: str, groups: Sequence[Group], beside: Sequence[Published], measured: str = "last epoch"
) -> Table | None:
    """Return the last-epoch test errors of one data set's groups above the published ones; None where there are none.

    A column is a network, a row a source with what it measured; `measured` is what these groups did.
    """
    if not beside:
        return None
    rows: list[tuple[str | None, ...]] = [
        ("This study", measured, *(with_n(group.last_epoch("test_error")) for group in groups))
    ]
    notes = []
    for source, own in _by_source(beside).items():
        name, by_depth = source_name(source), {one.depth: one for one in own}
        shortest, *_ = protocols = sorted({one.protocol: None for one in own}, key=len)
        cells = (published_words(by_depth.get(group.recipe.depth)) for group in groups)
        rows.append((name, shortest, *cells))
        notes.append("; ".join([f"{name}: {listing({one.citation: None for one in own})}", *protocols[1:]]))
    heads = (Column("Source", "left"), Column("What was measured", "left"))
    plain, dataset = all(group.recipe.family == "plain" for group in groups), dataset_name(groups[0].recipe.dataset)
    words = titled("published", plain=plain, dataset=dataset, over=over_seeds(groups))
    columns = (*heads, *(Column(network_name(group.recipe)) for group in groups))
    return Table(key, *words, columns, tuple(rows), (f"{'.  '.join(notes)}.",))


def published_words(one: Published | None) -> str | None:
    """Return a published figure with its spread or range, two decimals throughout."""
    if one is None:
        return None
    if one.standard_deviation is not None:
        n = f" (n = {one.n})" if one.n else ""
        return f"{one.error:.2f} ± {one.standard_deviation:.2f}{n}"
    return f"{one.error:.2f}" + ("" if one.low is None or one.high is None else f" ({one.low:.2f} to {one.high:.2f})")


def citations(beside: Iterable[Published]) -> tuple[str, ...]:
    """Return a note for each table that figures of the assignment are of: what it measured."""
    return tuple(
        f"Assignment: {one.citation}; {one.protocol}." for one in {one.citation: one for one in beside}.values()
    )


def _by_source(beside: Sequence[Published]) -> dict[str, list[Published]]:
    return {source: [one for one in beside if one.source == source] for source in {one.source: None for one in beside}}
