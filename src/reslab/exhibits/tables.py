"""Tables of figures: last epoch, data, machines, and every single run."""

from collections.abc import Callable, Sequence

import polars as pl

from reslab.analysis.groups import Group, datasets_of, on_dataset
from reslab.analysis.summary import summarise
from reslab.exhibits.blocks import Column, Table
from reslab.exhibits.wording import (
    dataset_name,
    duration,
    listing,
    network_name,
    of_asked,
    points,
    rate,
    spread,
    whole,
)


def final_table(key: str, groups: Sequence[Group]) -> Table:
    """Return the last-epoch errors of one data set's groups, a row each."""
    dataset = dataset_name(groups[0].recipe.dataset)
    rows = tuple(
        (
            network_name(group.recipe),
            whole(group.number("parameters")),
            of_asked(group),
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


def variant_table(key: str, groups: Sequence[Group], label: Callable[[Group], str]) -> Table:
    """Return last-epoch errors of any groups, a row each, whatever their data set and network."""
    rows = tuple(
        (
            label(group),
            dataset_name(group.recipe.dataset),
            of_asked(group),
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


def size_table(key: str, groups: Sequence[Group], label: Callable[[Group], str]) -> Table | None:
    """Return parameters and multiply-adds of the networks; None before a finished run."""
    rows = tuple(
        (label(group), whole(group.number("parameters")), f"{adds / 1e6:.2f}")
        for group in groups
        if (adds := group.number("multiply_adds")) is not None
    )
    if not rows:
        return None
    columns = (Column("Network", "left"), Column("Parameters"), Column("Multiply-adds (millions)"))
    caption = "Trained parameters, and multiplications with additions for one image, of each network."
    return Table(key, "Sizes of the networks", caption, columns, rows)


def cost_table(key: str, groups: Sequence[Group], label: Callable[[Group], str]) -> Table | None:
    """Return speed, memory and time of each group's runs; None before a completed epoch."""
    rows: list[tuple[str | None, ...]] = []
    for group in groups:
        if group.epochs.height:
            peak = summarise(group.epochs["peak_memory_bytes"].drop_nulls().to_list()).high
            rows.append(
                (
                    label(group),
                    rate(summarise(group.runs["images_per_second"].to_list()).mean),
                    duration(_median(group.epochs["seconds"].drop_nulls().to_list() or [0.0])),
                    None if peak is None else f"{peak / 2**20:,.0f}",
                )
            )
    if not rows:
        return None
    columns = (Column("Runs", "left"), *map(Column, ("Images a second", "An epoch", "Peak memory (MiB)")))
    caption = (
        "What the runs took: training images a second (mean over the runs), median time of an epoch with its test, and "
        "the most memory that a run held (on a processor, that of the whole process)."
    )
    return Table(key, "Speed and memory", caption, columns, tuple(rows))


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


def _commit(commit: str | None, dirty: bool | None, digest: str | None) -> str | None:
    if commit:
        return commit[:10] + ("+" if dirty else "")
    return digest[:10] if digest else None


def _median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]
