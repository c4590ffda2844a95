"""Tables for reference: images, machines, other epochs, steps at drops, every single run."""

from collections.abc import Sequence
from itertools import chain
from statistics import median

import polars as pl

from reslab.amounts import duration, rate
from reslab.analysis.features import REACH, rate_changes
from reslab.analysis.groups import Group, images_of
from reslab.analysis.readings import readings
from reslab.analysis.summary import summarise
from reslab.analysis.tables import SEPARATOR, each_of
from reslab.datasets import SHORT, is_named, known
from reslab.exhibits.blocks import Column, Table, table_of
from reslab.exhibits.captions import titled
from reslab.exhibits.wording import dataset_name, number, of_asked, points, span, spread, whole


def epoch_table(key: str, groups: Sequence[Group]) -> Table | None:
    """Return the errors at other epochs than the last: the window after the first drop, and the best epochs."""
    rows = []
    for group in groups:
        if group.has_result:
            found, window, figures = readings(group), group.window, group.in_window("test_error")
            rows.append(
                {
                    "Runs": group.label,
                    "n": of_asked(group),
                    "Last epoch (%)": spread(found.last),
                    "Epochs": span(number(window.first), number(window.last)) if window else None,
                    "Mean of these (%)": points(figures.mean) if figures else None,
                    "Their range (%)": span(points(figures.low), points(figures.high)) if figures else None,
                    "Best on the hold-out (%)": spread(found.chosen),
                    "Best on the test set (%)": spread(found.best),
                    "Its epoch": ", ".join(map(str, found.best_epochs)) or None,
                    "Optimism (points)": spread(found.optimism),
                }
            )
    held = any(row["Best on the hold-out (%)"] for row in rows)
    return table_of(key, titled("epochs", groups=groups, held=held), rows)


def step_table(key: str, groups: Sequence[Group]) -> Table | None:
    """Return how the test error steps where the rate drops, a row per group; None where no rate drops."""
    found = {
        group.label: changes
        for group in groups
        if group.recipe.schedule == "step"
        and (changes := rate_changes(group.finished_curve("rate"), group.finished_curve("test_error")))
    }
    drops = max(map(len, found.values()), default=0)
    rows = []
    for name, changes in found.items():
        cells = [
            (whole(one.epoch), points(one.error_before), points(one.error_after), points(-one.drop)) for one in changes
        ]
        rows.append((name, *chain(*cells), *[None] * 4 * (drops - len(changes))))
    columns = [Column("Runs", "left")]
    for ordinal in ("First", "Second", "Third")[:drops]:
        columns += map(Column, (f"{ordinal} drop after epoch", "Error before", "Error after", "Step"))
    return Table(key, *titled("steps", reach=REACH), tuple(columns), tuple(rows)) if rows else None


def data_table(key: str, groups: Sequence[Group]) -> Table | None:
    """Return the images used, by data set: numbers, classes and fingerprint; None before any attempt."""
    rows = []
    for found in images_of(groups):
        name, official = found["dataset"], found["data_official"]
        asked = is_named(name) and not known(name).comes_with  # other data sets are always or never official
        rows.append(
            {
                "Data set": dataset_name(name),
                "Classes": whole(found["num_classes"]),
                "Training images": span(whole(found["fewest"]), whole(found["most"])) or None,
                "Test images": whole(found["num_test"]),
                "Fingerprint": found["data_fingerprint"][:12],
                "Official": ("yes" if official else "no") if asked and official is not None else None,
            }
        )
    official = any(row["Official"] for row in rows)
    return table_of(key, titled("images", official=official), rows, left=("Fingerprint", "Official"))


def recipes_table(key: str, groups: Sequence[Group]) -> Table | None:
    """Return each recipe's id, with its runs, their speed and their peak memory; None without a group."""
    rows = []
    for group in groups:
        timed = group.epochs["seconds"].drop_nulls().to_list()
        peak = summarise(group.epochs["peak_memory_bytes"].drop_nulls().to_list()).high
        rows.append(
            {
                "Runs": group.label,
                "Recipe": group.recipe.id,
                "Images a second": rate(summarise(group.runs["images_per_second"].to_list()).mean),
                "An epoch": duration(median(timed)) if timed else None,
                "A run": _time(summarise(group.finished["seconds"].to_list()).mean),
                "Peak memory (MiB)": None if peak is None else f"{peak / 2**20:,.0f}",
            }
        )
    untimed = any(group.epochs.height and row["An epoch"] is None for group, row in zip(groups, rows, strict=True))
    return table_of(key, titled("recipes", untimed=untimed), rows, left=("Recipe",))


def runs_table(key: str, runs: pl.DataFrame) -> Table:
    """Return every run (one or more) with its seed, status, figures and origin; what all share is said once."""
    statuses, machines = set(runs["status"]), set(runs["device_name"])
    all_here = runs.select(pl.all_horizontal(pl.col("fetched_from", "trained_again").is_null()).all()).item()
    sets = runs.drop_nulls("data_fingerprint").unique(["dataset", "data_fingerprint"])
    several_sets, finished = sets.height > sets["dataset"].n_unique(), statuses == {"finished"}
    machine = machines.pop() if len(machines) == 1 and len(each_of(runs["device_name"])) == 1 else None
    rows = [
        {
            "Recipe": row["recipe_id"],
            "Seed": str(row["seed"]),
            "Status": None if finished else row["status"],
            "Epochs": whole(row["epochs"]),
            "Test error (%)": points(row["test_error"]),
            "Time": _time(row["seconds"]),
            "Started": (row["started"] or "")[:16].replace("T", "\N{NO-BREAK SPACE}") or None,
            "Code": _commit(row["commit"], row["dirty"], row["source_digest"]),
            "Images": (row["data_fingerprint"] or "")[:SHORT] or None if several_sets else None,
            "Trained": None if all_here else _origin(row["fetched_from"], row["trained_again"]),
            "Machine": None if machine else row["device_name"],
        }
        for row in runs.iter_rows(named=True)
    ]
    words = titled("runs", here=all_here, machine=machine, several_sets=several_sets, finished=finished)
    table = table_of(key, words, rows, left=("Status", "Started", "Code", "Images", "Trained", "Machine"))
    assert table is not None
    return table


def _time(seconds: float | None) -> str | None:
    return None if seconds is None else duration(seconds)


def _origin(fetched_from: str | None, trained_again: str | None) -> str:
    """Return where a run was trained, and how training it again compared."""
    where = "here" if fetched_from is None else f"fetched from {fetched_from}"
    return f"{where}; again: {trained_again}" if trained_again else where


def _commit(commit: str | None, dirty: bool | None, digest: str | None) -> str | None:
    mark = "+" if commit and dirty else ""
    return SEPARATOR.join(part[:10] + mark for part in (commit or digest or "").split(SEPARATOR)) or None
