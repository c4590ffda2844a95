"""Tables of figures: last epoch, windows of epochs, data, machines, and every single run."""

from collections.abc import Callable, Sequence

import polars as pl

from reslab.analysis.groups import Group
from reslab.analysis.summary import summarise
from reslab.exhibits.blocks import Column, Table
from reslab.exhibits.curves import datasets_of, on_dataset
from reslab.exhibits.wording import (
    SOURCE_NAMES,
    dataset_name,
    duration,
    listing,
    network_name,
    number,
    points,
    rate,
    spread,
    whole,
    with_n,
)
from reslab.published import Published


def window_table(key: str, groups: Sequence[Group], beside: Sequence[Published]) -> Table | None:
    """Return the assignment's table for one data set: minimum, maximum and mean of the mean curve over a window.

    `beside` are the published figures that these runs may be compared with.  None without a finished run.
    """
    done = [group for group in groups if group.in_window("test_error")]
    window = done[0].window if done else None
    if window is None:
        return None
    dataset = dataset_name(done[0].recipe.dataset)
    paper = {one.depth: one for one in beside if one.source == "paper"}
    theirs = {one.depth: one for one in beside if one.source == "assignment"}
    columns = [Column("Network", "left"), *map(Column, ("Seeds", "Minimum (%)", "Maximum (%)", "Mean (%)"))]
    columns += [Column("Assignment (%)")] if theirs else []
    columns += [Column("Paper (%)")] if paper else []
    rows = []
    for group in done:
        figures = group.in_window("test_error")
        assert figures is not None
        row = [network_name(group.recipe), _of(group), points(figures.low), points(figures.high), points(figures.mean)]
        row += [_published(theirs.get(group.recipe.depth))] if theirs else []
        row += [_published(paper.get(group.recipe.depth))] if paper else []
        rows.append(tuple(row))
    length = number(window.last)
    caption = (
        f"Test error on {dataset}: the mean over the seeds at each epoch, and of that curve the minimum, maximum and "
        f"mean from epoch {window.first} to epoch {length}.  "
        "The window starts one ninth past the first drop of the rate, as epoch 90 does in the assignment's schedule."
    )
    notes = ("Assignment: mean (minimum to maximum) over its epochs 90 to 350.",) if theirs else ()
    return Table(
        key, f"Test error on {dataset}, epochs {window.first} to {length}", caption, tuple(columns), tuple(rows), notes
    )


def final_table(key: str, groups: Sequence[Group]) -> Table:
    """Return the last-epoch errors of one data set's groups, a row each."""
    dataset = dataset_name(groups[0].recipe.dataset)
    rows = tuple(
        (
            network_name(group.recipe),
            whole(group.number("parameters")),
            _of(group),
            spread(group.last_epoch("train_error")),
            spread(group.last_epoch("test_error")),
        )
        for group in groups
    )
    columns = (
        Column("Network", "left"),
        *map(Column, ("Parameters", "Seeds", "Training error (%)", "Test error (%)")),
    )
    caption = (
        f"Errors of the last epoch on {dataset}, mean ± sample standard deviation over the finished seeds; the "
        "training error is the running one of the last epoch, on augmented images."
    )
    return Table(key, f"Last-epoch errors on {dataset}", caption, columns, rows)


def published_table(key: str, groups: Sequence[Group], beside: Sequence[Published]) -> Table | None:
    """Return the last-epoch test errors of one data set's groups above the published ones; None where there are none.

    A column is a network, a row a source with what it measured.
    """
    if not beside:
        return None
    dataset = dataset_name(groups[0].recipe.dataset)
    rows: list[tuple[str | None, ...]] = [
        ("This study", "last epoch", *(with_n(group.last_epoch("test_error")) for group in groups))
    ]
    for source in dict.fromkeys(one.source for one in beside):
        own = [one for one in beside if one.source == source]
        by_depth = {one.depth: one for one in own}
        protocol = min((one.protocol for one in own), key=len)
        cells = (_published(by_depth.get(group.recipe.depth)) for group in groups)
        rows.append((SOURCE_NAMES.get(source, source), protocol, *cells))
    columns = (
        Column("Source", "left"),
        Column("What was measured", "left"),
        *(Column(f"{network_name(group.recipe)} (%)") for group in groups),
    )
    caption = (
        f"Test error on {dataset} in percent: measured here, mean ± sample standard deviation over n seeds, and "
        "published.  Sources read their runs differently; the best epoch on the test set flatters."
    )
    title = f"Test errors on {dataset} beside published ones"
    return Table(key, title, caption, columns, tuple(rows), _sources(beside))


def variant_table(key: str, groups: Sequence[Group], label: Callable[[Group], str]) -> Table:
    """Return last-epoch errors of any groups, a row each, whatever their data set and network."""
    rows = tuple(
        (
            label(group),
            dataset_name(group.recipe.dataset),
            _of(group),
            spread(group.last_epoch("train_error")),
            spread(group.last_epoch("test_error")),
        )
        for group in groups
    )
    columns = (
        Column("Variant", "left"),
        Column("Data set", "left"),
        *map(Column, ("Seeds", "Training error (%)", "Test error (%)")),
    )
    caption = "Errors of the last epoch, mean ± sample standard deviation over the finished seeds of each variant."
    return Table(key, "Last-epoch errors", caption, columns, rows)


def data_table(key: str, groups: Sequence[Group]) -> Table | None:
    """Return the images that were used: numbers, classes and fingerprint by data set; None before any attempt."""
    rows: list[tuple[str | None, ...]] = []
    for dataset in datasets_of(groups):
        seen = pl.concat([group.runs for group in on_dataset(groups, dataset)])
        seen = seen.filter(pl.col("data_fingerprint").is_not_null())
        columns = ["data_fingerprint", "data_official", "num_classes", "num_train", "num_test"]
        for fingerprint, official, classes, train, test in seen.select(columns).unique(maintain_order=True).rows():
            verdict = None if dataset == "digits" or official is None else "yes" if official else "no"
            rows.append((dataset_name(dataset), whole(classes), whole(train), whole(test), fingerprint[:12], verdict))
    if not rows:
        return None
    return Table(
        key,
        "Images",
        "Images trained and tested on.  The fingerprint is the start of a hash of all pixels and labels, by which the "
        "official images are known.",
        (
            Column("Data set", "left"),
            *map(Column, ("Classes", "Training images", "Test images")),
            Column("Fingerprint", "left"),
            Column("Official", "left"),
        ),
        tuple(rows),
    )


def speed_table(key: str, groups: Sequence[Group], label: Callable[[Group], str]) -> Table | None:
    """Return where the groups ran and how fast; None before a completed epoch."""
    rows: list[tuple[str | None, ...]] = []
    for group in groups:
        timed = group.epochs.filter(pl.col("seconds").is_not_null())
        if not timed.height:
            continue
        per_run = group.runs.filter(pl.col("status") == "finished")["seconds"].to_list()
        rows.append(
            (
                label(group),
                listing(dict.fromkeys(group.runs["device_name"].drop_nulls().to_list())) or None,
                listing(dict.fromkeys(str(count) for count in group.runs["threads"].drop_nulls().to_list())) or None,
                rate(summarise(group.runs["images_per_second"].to_list()).mean),
                duration(_median(timed["seconds"].to_list())),
                duration(summarise(per_run).mean),
            )
        )
    if not rows:
        return None
    return Table(
        key,
        "Machines and times",
        "Where the runs ran and how fast: training images a second (mean over the runs), and median time of an "
        "epoch with its test; the last column is the mean time of a finished run.",
        (
            Column("Runs", "left"),
            Column("Machine", "left"),
            *map(Column, ("Threads", "Images a second", "An epoch", "A run")),
        ),
        tuple(rows),
    )


def runs_table(key: str, runs: pl.DataFrame) -> Table:
    """Return every run with its seed, status, figures and origin: the appendix."""
    rows = tuple(
        (
            row["recipe_id"],
            str(row["seed"]),
            row["status"],
            whole(row["epochs"]),
            points(row["test_error"]),
            duration(row["seconds"]),
            (row["started"] or "")[:16].replace("T", "\N{NO-BREAK SPACE}") or None,
            _commit(row["commit"], row["dirty"], row["source_digest"]),
            row["device_name"],
        )
        for row in runs.iter_rows(named=True)
    )
    return Table(
        key,
        "All runs",
        "Every run of this report: its recipe's id, seed and status, completed epochs, last-epoch test error (finished "
        "runs only), training time, start (UTC), the code it ran (commit, with + where changed since, or digest of the "
        "sources) and its machine.",
        (
            Column("Recipe", "left"),
            Column("Seed"),
            Column("Status", "left"),
            *map(Column, ("Epochs", "Test error (%)", "Time")),
            Column("Started", "left"),
            Column("Code", "left"),
            Column("Machine", "left"),
        ),
        rows,
    )


def _of(group: Group) -> str:
    done, asked = group.num_finished, len(group.seeds)
    return str(done) if done == asked else f"{done} of {asked}"


def _published(one: Published | None) -> str | None:
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


def _commit(commit: str | None, dirty: bool | None, digest: str | None) -> str | None:
    if commit:
        return commit[:10] + ("+" if dirty else "")
    return digest[:10] if digest else None


def _median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]
