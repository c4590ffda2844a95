"""Tables that are looked up rather than read: images, machines, other epochs, steps at drops, every single run."""

import statistics
from collections.abc import Sequence

import polars as pl

from reslab.amounts import duration
from reslab.analysis.features import REACH, RateChange, rate_changes
from reslab.analysis.groups import Group, datasets_of, on_dataset
from reslab.analysis.readings import readings
from reslab.analysis.summary import summarise
from reslab.analysis.tidy import SEPARATOR
from reslab.datasets import SHORT, is_named, known
from reslab.exhibits.blocks import Column, Table, table_of
from reslab.exhibits.wording import (
    Label,
    counted,
    dataset_name,
    listing,
    number,
    of_asked,
    over_seeds,
    points,
    rate,
    spread,
    whole,
)


def epoch_table(key: str, groups: Sequence[Group], label: Label) -> Table | None:
    """Return what other epochs than the last would have given: the window after the first drop, and the best epochs."""
    read = [(group, readings(group)) for group in groups if group.has_result]
    if not read:
        return None
    windows = [group.window for group, _ in read]
    figures = [group.in_window("test_error") for group, _ in read]
    columns: dict[str, list[str | None]] = {
        "n": [of_asked(group) for group, _ in read],
        "Last epoch (%)": [spread(found.last) for _, found in read],
        "Epochs": [None if one is None else f"{number(one.first)} to {number(one.last)}" for one in windows],
        "Mean of these (%)": [None if one is None else points(one.mean) for one in figures],
        "Their range (%)": [None if one is None else f"{points(one.low)} to {points(one.high)}" for one in figures],
        "Best on the hold-out (%)": [spread(found.chosen) for _, found in read],
        "Best on the test set (%)": [spread(found.best) for _, found in read],
        "Best epoch": [None if one is None else number(round(one)) for _, found in read for one in (found.best_epoch,)],
        "Optimism (points)": [spread(found.optimism) for _, found in read],
    }
    held = "" if any(columns["Best on the hold-out (%)"]) else "  No run had a hold-out to choose an epoch with."
    caption = (
        f"Test errors at other epochs than the last, which is the headline; {over_seeds(groups)}.  The epochs are "
        "those of the assignment's tables, scaled to the schedule: from a ninth past the first drop of the rate "
        "(rounded, at least one epoch past it) to the end; mean and range are of the mean curve there.  Choosing the "
        f"best epoch on the test set flatters by the optimism, the last minus the best of the same run.{held}"
    )
    return table_of(key, "Other epochs than the last", caption, ("Runs", [label(group) for group, _ in read]), columns)


def step_table(key: str, groups: Sequence[Group], label: Label) -> Table | None:
    """Return how the test error steps where the rate drops, a row a group; None where no rate drops."""
    found = [
        (group, rate_changes(group.finished_curve("rate"), group.finished_curve("test_error"))) for group in groups
    ]
    found = [(group, changes) for group, changes in found if changes]
    if not found:
        return None
    drops = max(len(changes) for _, changes in found)
    rows = tuple(
        (label(group), *(cell for place in range(drops) for cell in _step_cells(changes, place)))
        for group, changes in found
    )
    ordinals = ("First", "Second", "Third")
    columns = [Column("Runs", "left")]
    for place in range(drops):
        columns += [Column(f"{ordinals[place]} drop after epoch"), Column("Error before"), Column("Error after")]
        columns.append(Column("Step"))
    caption = (
        f"Mean test error (%) before and after each drop of the rate, over the shorter of both phases and "
        f"{counted(REACH, 'epoch')} at most, and the step between them in points."
    )
    return Table(key, "Steps at the drops of the rate", caption, tuple(columns), rows)


def _step_cells(changes: Sequence[RateChange], place: int) -> tuple[str | None, ...]:
    if place >= len(changes):
        return (None,) * 4
    one = changes[place]
    return (
        whole(one.epoch),
        points(one.error_before),
        points(one.error_after),
        points(one.error_after - one.error_before),
    )


def data_table(key: str, groups: Sequence[Group]) -> Table | None:
    """Return the images that were used: numbers, classes and fingerprint by data set; None before any attempt."""
    rows: list[tuple[str | None, ...]] = []
    for dataset in datasets_of(groups):
        seen = pl.concat([group.runs for group in on_dataset(groups, dataset)])
        seen = seen.filter(pl.col("data_fingerprint").is_not_null())
        same = seen.group_by("data_fingerprint", "data_official", "num_classes", "num_test", maintain_order=True)
        counted_images = same.agg(fewest=pl.col("num_train").min(), most=pl.col("num_train").max())
        for fingerprint, official, classes, test, fewest, most in counted_images.rows():
            train = whole(most) if fewest == most else f"{whole(fewest)} to {whole(most)}"
            asked = is_named(dataset) and not known(dataset).comes_with  # others are never or always the official ones
            verdict = ("yes" if official else "no") if asked and official is not None else None
            rows.append((dataset_name(dataset), whole(classes), train, whole(test), fingerprint[:12], verdict))
    if not rows:
        return None
    names, *cells = zip(*rows, strict=True)
    heads = ("Classes", "Training images", "Test images", "Fingerprint", "Official")
    caption = "Images trained and tested on.  The fingerprint is the start of a hash of all pixels and labels"
    caption += "." if all(row[-1] is None for row in rows) else ", which identifies the official images."
    columns = dict(zip(heads, cells, strict=True))
    return table_of(key, "Images", caption, ("Data set", names), columns, left=heads[-2:])


def speed_table(key: str, groups: Sequence[Group], label: Label) -> Table | None:
    """Return where the groups ran, how fast and in how much memory; None before a completed epoch.

    Machine and threads have columns where they differ, else the caption says them.
    """
    begun = [group for group in groups if group.epochs.height]
    if not begun:
        return None
    timed = [group.epochs["seconds"].drop_nulls().to_list() for group in begun]
    ended = [group.runs.filter(pl.col("status") == "finished")["seconds"].to_list() for group in begun]
    peaks = [summarise(group.epochs["peak_memory_bytes"].drop_nulls().to_list()).high for group in begun]
    columns: dict[str, list[str | None]] = {
        "Machine": [listing(_each(group.runs["device_name"])) or None for group in begun],
        "Threads": [listing(_each(group.runs["threads"])) or None for group in begun],
        "Images a second": [rate(summarise(group.runs["images_per_second"].to_list()).mean) for group in begun],
        "An epoch": [duration(statistics.median(own)) if own else None for own in timed],
        "A run": [_time(summarise(own).mean) for own in ended],
        "Peak memory (MiB)": [None if peak is None else f"{peak / 2**20:,.0f}" for peak in peaks],
    }
    caption = (
        "What the runs took: training images a second (mean over the runs), median time of an epoch with its test, "
        "mean time of a finished run, and the most memory that one held (of a process's runs together, on a processor "
        "with all else in it)."
    )
    if None in columns["An epoch"]:
        caption += "  A dash is a time that was not recorded."
    machines = set(zip(columns["Machine"], columns["Threads"], strict=True))
    machine, threads = next(iter(machines))
    if machine is not None and len(machines) == 1:
        with_threads = f", {counted(int(threads), 'thread')} each" if threads and threads.isdecimal() else ""
        caption += f"  All ran on {machine}{with_threads}."
        del columns["Machine"], columns["Threads"]
    return table_of(
        key, "Machines and times", caption, ("Runs", [label(one) for one in begun]), columns, left=("Machine",)
    )


def runs_table(key: str, runs: pl.DataFrame) -> Table:
    """Return every run with its seed, status, figures and origin: the appendix; one machine for all is said once."""
    rows = list(runs.iter_rows(named=True))
    columns: dict[str, list[str | None]] = {
        "Seed": [str(row["seed"]) for row in rows],
        "Status": [row["status"] for row in rows],
        "Epochs": [whole(row["epochs"]) for row in rows],
        "Test error (%)": [points(row["test_error"]) for row in rows],
        "Time": [_time(row["seconds"]) for row in rows],
        "Started": [(row["started"] or "")[:16].replace("T", "\N{NO-BREAK SPACE}") or None for row in rows],
        "Code": [_commit(row["commit"], row["dirty"], row["source_digest"]) for row in rows],
        "Images": [(row["data_fingerprint"] or "")[:SHORT] or None for row in rows],
        "Trained": [_origin(row["fetched_from"], row["trained_again"]) for row in rows],
        "Machine": [row["device_name"] for row in rows],
    }
    caption = (
        "Every run of this report: its recipe's id, seed and status, completed epochs, last-epoch test error (finished "
        "runs only), training time, start (UTC), and the code it ran (commit, with + where changed since, or digest of "
        "the sources)."
    )
    if set(columns["Trained"]) == {_HERE}:
        del columns["Trained"]
    else:
        caption += "  Runs from elsewhere were fetched; a second training has its error, or the same bits as the first."
    machines = set(columns["Machine"])
    if len(machines) == 1 and len(_each(runs["device_name"])) == 1:
        del columns["Machine"]
        caption += f"  All ran on {machines.pop()}."
    if _several_sets(runs):
        caption += "  Images are told by the start of their fingerprint."
    else:
        del columns["Images"]
    if set(columns["Status"]) == {"finished"}:
        del columns["Status"]
        caption += "  All have finished."
    left = ("Status", "Started", "Code", "Images", "Trained", "Machine")
    return table_of(key, "All runs", caption, ("Recipe", [row["recipe_id"] for row in rows]), columns, left=left)


def _time(seconds: float | None) -> str | None:
    return None if seconds is None else duration(seconds)


_HERE = "here"


def _origin(fetched_from: str | None, trained_again: str | None) -> str:
    """Return where a run was trained, and what training it again has shown."""
    where = _HERE if fetched_from is None else f"fetched from {fetched_from}"
    return f"{where}; again: {trained_again}" if trained_again else where


def _several_sets(runs: pl.DataFrame) -> bool:
    """Return whether runs on a data set of one name are on different images."""
    sets = runs.filter(pl.col("data_fingerprint").is_not_null()).select("dataset", "data_fingerprint").unique()
    return sets.height > sets["dataset"].n_unique()


def _commit(commit: str | None, dirty: bool | None, digest: str | None) -> str | None:
    mark = "+" if commit and dirty else ""
    return SEPARATOR.join(part[:10] + mark for part in (commit or digest or "").split(SEPARATOR)) or None


def _each(column: pl.Series) -> list[str]:
    """Return the different values of a column in which a run may have several."""
    return list(dict.fromkeys(part for value in column.drop_nulls().to_list() for part in value.split(SEPARATOR)))
