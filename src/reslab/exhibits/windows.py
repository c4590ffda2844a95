"""Tables of measured errors beside published ones: the assignment's windows of epochs, and last epochs."""

from collections.abc import Callable, Sequence

from reslab.analysis.groups import Group
from reslab.exhibits.blocks import Column, Table
from reslab.exhibits.wording import (
    SOURCE_NAMES,
    dataset_name,
    listing,
    network_name,
    number,
    of_asked,
    over_seeds,
    points,
    spread,
    with_n,
)
from reslab.published import Published

Matches = Callable[[Group, Published], bool]
"""Says whether a published figure is of what a group varies."""


def same_depth(group: Group, one: Published) -> bool:
    """Return whether a published figure is of the group's depth."""
    return one.depth == group.recipe.depth


def nothing(group: Group, one: Published) -> bool:
    """Return that no published figure is of what a group varies."""
    return False


def network(group: Group) -> str:
    """Return the name of a group's network."""
    return network_name(group.recipe)


def window_table(
    key: str,
    groups: Sequence[Group],
    beside: Sequence[Published],
    label: Callable[[Group], str] = network,
    *,
    heading: str = "Network",
    matches: Matches = same_depth,
) -> Table | None:
    """Return the assignment's table for one data set: minimum, maximum and mean of the mean curve over a window.

    `beside` are the published figures that these runs may be compared with.  None without a finished run.
    """
    done = [group for group in groups if group.in_window("test_error")]
    windows = {group.window for group in done}
    window = done[0].window if done else None
    if window is None:
        return None
    dataset = dataset_name(done[0].recipe.dataset)
    sources = [source for source in ("assignment", "paper") if any(one.source == source for one in beside)]
    columns = [Column(heading, "left"), *([Column("Epochs")] if len(windows) > 1 else []), Column("Seeds")]
    columns += [*map(Column, ("Minimum (%)", "Maximum (%)", "Mean (%)"))]
    columns += [Column(f"{SOURCE_NAMES[source]} (%)") for source in sources]
    rows = []
    for group in done:
        figures, own = group.in_window("test_error"), group.window
        assert figures is not None
        assert own is not None
        row = [
            label(group),
            *([f"{number(own.first)} to {number(own.last)}"] if len(windows) > 1 else []),
            of_asked(group),
        ]
        row += [points(figures.low) or "", points(figures.high) or "", points(figures.mean) or ""]
        known = [one for one in beside if matches(group, one)]
        rows.append((*row, *(published_words(next((one for one in known if one.source == s), None)) for s in sources)))
    one_window = f"from epoch {number(window.first)} to epoch {number(window.last)}"
    where = one_window if len(windows) == 1 else "over the epochs given"
    several = any(group.num_finished > 1 for group in done)
    curve = (
        "the mean over the seeds at each epoch, and of that curve the" if several else "of the curve of one seed the"
    )
    caption = (
        f"Test error on {dataset}: {curve} minimum, maximum and mean {where}.  The window starts one ninth past the "
        "first drop of the rate, as epoch 90 does in the assignment's schedule, and in any case behind it."
    )
    theirs = listing(dict.fromkeys(one.protocol for one in beside if one.source == "assignment"))
    notes = (f"Assignment: mean (minimum to maximum); {theirs}.",) if theirs else ()
    title = (
        f"epochs {number(window.first)} to {number(window.last)}"
        if len(windows) == 1
        else "after the first drop of the rate"
    )
    return Table(key, f"Test error on {dataset}, {title}", caption, tuple(columns), tuple(rows), notes)


def beside_table(
    key: str,
    groups: Sequence[Group],
    beside: Sequence[Published],
    label: Callable[[Group], str],
    *,
    heading: str,
    matches: Matches,
) -> Table | None:
    """Return last-epoch training and test errors of one data set's groups beside the assignment's; None without any."""
    done = [group for group in groups if group.has_result]
    if not done:
        return None
    dataset = dataset_name(done[0].recipe.dataset)
    trained = any(one.train_error is not None for one in beside)
    columns = [Column(heading, "left"), *map(Column, ("Seeds", "Training error (%)", "Test error (%)"))]
    columns += [Column("Assignment, training (%)")] if trained else []
    columns += [Column("Assignment, test (%)")] if beside else []
    rows = []
    for group in done:
        known = next((one for one in beside if matches(group, one)), None)
        train, test = (spread(group.last_epoch(f"{reading}_error")) for reading in ("train", "test"))
        row = [label(group), of_asked(group), train, test]
        row += [None if known is None else points(known.train_error)] if trained else []
        row += [published_words(known)] if beside else []
        rows.append(tuple(row))
    caption = (
        f"Errors of the last epoch on {dataset}, {over_seeds(done)}; the training error is the running one of the "
        "last epoch, on augmented images."
    )
    notes = tuple(
        f"Assignment: {one.citation}; {one.protocol}." for one in {one.citation: one for one in beside}.values()
    )
    title = f"Last-epoch errors on {dataset}{' beside published ones' if beside else ''}"
    return Table(key, title, caption, tuple(columns), tuple(rows), notes)


def published_table(
    key: str, groups: Sequence[Group], beside: Sequence[Published], measured: str = "last epoch"
) -> Table | None:
    """Return the last-epoch test errors of one data set's groups above the published ones; None where there are none.

    A column is a network, a row a source with what it measured; `measured` is what these groups did.
    """
    if not beside:
        return None
    dataset = dataset_name(groups[0].recipe.dataset)
    rows: list[tuple[str | None, ...]] = [
        ("This study", measured, *(with_n(group.last_epoch("test_error")) for group in groups))
    ]
    for source in dict.fromkeys(one.source for one in beside):
        own = [one for one in beside if one.source == source]
        by_depth = {one.depth: one for one in own}
        protocol = min((one.protocol for one in own), key=len)
        cells = (published_words(by_depth.get(group.recipe.depth)) for group in groups)
        rows.append((SOURCE_NAMES.get(source, source), protocol, *cells))
    columns = (
        Column("Source", "left"),
        Column("What was measured", "left"),
        *(Column(network_name(group.recipe)) for group in groups),
    )
    of_plain = " of plain networks" if all(group.recipe.family == "plain" for group in groups) else ""
    caption = (
        f"Test error{of_plain} on {dataset} in percent: measured here, {over_seeds(groups)}, and published.  Sources "
        "read their runs differently; the best epoch on the test set flatters."
    )
    title = f"Test errors{of_plain} on {dataset} beside published ones"
    return Table(key, title, caption, columns, tuple(rows), _sources(beside))


def published_words(one: Published | None) -> str | None:
    """Return a published figure with its spread or range, two decimals throughout."""
    if one is None:
        return None
    if one.standard_deviation is not None:
        n = f" (n = {one.n})" if one.n else ""
        return f"{one.error:.2f} ± {one.standard_deviation:.2f}{n}"
    return f"{one.error:.2f}" + ("" if one.low is None or one.high is None else f" ({one.low:.2f} to {one.high:.2f})")


def _sources(beside: Sequence[Published]) -> tuple[str, ...]:
    """Return a note for each source: its citation, and what its protocols add to the shortest one."""
    notes = []
    for source in dict.fromkeys(one.source for one in beside):
        own = [one for one in beside if one.source == source]
        citation = listing(dict.fromkeys(one.citation for one in own))
        protocols = dict.fromkeys(one.protocol for one in own)
        shortest = min(protocols, key=len)
        further = "".join(f"; {protocol}" for protocol in protocols if protocol != shortest)
        notes.append(f"{SOURCE_NAMES.get(source, source)}: {citation}{further}.")
    return tuple(notes)
