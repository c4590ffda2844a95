"""The tables of a report's appendix, recomputed; called by recompute.py."""

import csv
import itertools
import re
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from recompute_records import Recipe, Row, Tally, rows_of, spread

UNIT = {"s": 1, "min": 60, "h": 3600}


def appendix(report: Path, recipes: dict[str, Recipe], tally: Tally) -> dict[str, Recipe]:
    """Check the tables of the appendix; return the recipes by their names in the report."""
    named = {row["Runs"]: recipes[row["Recipe"]] for row in rows_of(report, "appendix-recipes")}
    for row in rows_of(report, "appendix-runs"):
        run = recipes[row["Recipe"]].seeds[int(row["Seed"])]
        place = ("appendix-runs", f"{row['Recipe']}/seed{row['Seed']}")
        tally.check((*place, "Epochs"), row["Epochs"], len(run["metrics"]))
        tally.check((*place, "Test error"), row["Test error (%)"], run["result"]["test_error"])
        started = run["provenance"]["attempts"][0]["started"][:16]
        tally.check((*place, "Started"), row["Started"].replace("-", " "), *map(float, re.findall(r"\d+", started)))
        time_check(tally, (*place, "Time"), row["Time"], run["result"]["seconds"])
    for row in rows_of(report, "appendix-epochs"):
        recipe, place = named[row["Runs"]], ("appendix-epochs", row["Runs"])
        tally.check((*place, "n"), row["n"], len(recipe.seeds))
        last, curve = recipe.last("test_error"), recipe.curve("test_error")
        tally.check((*place, "Last"), row["Last epoch (%)"], *spread(last))
        if row["Epochs"]:
            drop = recipe.fields["first_drop"]
            first = max(int(drop) + 1, int(drop * 10 / 9 + 0.5))
            window = [error for epoch, error in curve.items() if epoch >= first]
            tally.check((*place, "Epochs"), row["Epochs"], first, max(curve))
            tally.check((*place, "Mean"), row["Mean of these (%)"], statistics.fmean(window))
            tally.check((*place, "Range"), row["Their range (%)"], min(window), max(window))
        best = recipe.each(lambda run: min((one["test_error"], one["epoch"]) for one in run["metrics"]))
        tally.check((*place, "Best"), row["Best on the test set (%)"], *spread([error for error, _ in best]))
        tally.check((*place, "Its epoch"), row["Its epoch"].replace(", ", " and "), *(epoch for _, epoch in best))
        optimism = [end - error for end, (error, _) in zip(last, best, strict=True)]
        tally.check((*place, "Optimism"), row["Optimism (points)"], *spread(optimism))
    for cells in csv.reader((report / "tables" / "appendix-steps.csv").read_text(encoding="utf-8").splitlines()):
        if cells[0] != "Runs":
            steps(cells, named[cells[0]], tally)
    for row in rows_of(report, "appendix-gap"):
        gaps = [one["gap"]["final"] for one in named[row["Runs"]].each(lambda run: run["diagnosed"]) if "gap" in one]
        place = ("appendix-gap", row["Runs"])
        tally.check((*place, "Seeds"), row.get("Seeds measured", "1"), len(gaps))
        train = statistics.fmean([one["train_error"] for one in gaps])
        tally.check((*place, "Training"), row["Training error (%)"], train)
        test = [statistics.fmean([one["test_error"] for one in gaps])]
        if "on all test images" in (report / "report.md").read_text(encoding="utf-8"):
            measured = [run for run in named[row["Runs"]].seeds.values() if "gap" in run["diagnosed"]]
            test = [statistics.fmean([run["result"]["test_error"] for run in measured])]
        tally.check((*place, "Test"), row["Test error (%)"], *test)
        tally.check((*place, "Gap"), row["Gap (points)"], test[0] - train)
    for table in ("curvature", "noise"):
        for row in rows_of(report, f"appendix-{table}"):
            on_weights(table, row, named[row["Runs"]], tally)
    for row in rows_of(report, "appendix-recipes"):
        times(row, named[row["Runs"]], tally)
    for row in rows_of(report, "appendix-software"):
        same = sum(
            all(
                ", ".join(dict.fromkeys(str(one[key]) for one in _training(run))) == row[column]
                for column, key in (("System", "platform"), ("Threads", "threads"))
            )
            for recipe in recipes.values()
            for run in recipe.seeds.values()
        )
        tally.check(("appendix-software", row["System"], "Runs"), row["Runs"], same)
    return named


def _training(run: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the attempts of a finished run that trained anything: one may have started at its end."""
    first, *others = run["provenance"]["attempts"]
    return [first, *(one for one in others if one["from_iteration"] < run["result"]["iterations"])]


def seconds(text: str) -> tuple[float, float]:
    """Return a time as shown, and the largest rounding error."""
    parts = [(float(value.replace(",", "")), UNIT[unit]) for value, unit in re.findall(r"([\d.,]+) (s|min|h)", text)]
    decimal = "." in text
    return sum(value * unit for value, unit in parts), (0.05 if decimal else 0.5 * min(unit for _, unit in parts))


def time_check(tally: Tally, place: tuple[str, str, str], shown: str, value: float | None) -> None:
    if not shown or value is None:
        if shown or value is not None:
            tally.wrong.append(f"{' / '.join(place)}: {shown!r} shown, recomputed {value}")
        return
    told, off = seconds(shown)
    tally.check(place, "0" if abs(told - value) <= off + 1e-6 else "1", 0)


def drops(rates: dict[int, float]) -> list[tuple[range, range]]:
    """Return the epochs on both sides of each fall of the rate: a tenth of the shorter phase, one to five."""
    phases: list[list[int]] = []
    for epoch, rate in rates.items():
        if not phases or rates[phases[-1][-1]] != rate:
            phases.append([])
        phases[-1].append(epoch)
    sides = []
    for before, after in itertools.pairwise(phases):
        if rates[after[0]] > rates[before[0]]:  # the end of a warm-up
            continue
        reach = max(1, min(5, len(before) // 10, len(after) // 10))
        sides.append((range(before[-1] - reach + 1, before[-1] + 1), range(after[0], after[0] + reach)))
    return sides


def steps(cells: Sequence[str], recipe: Recipe, tally: Tally) -> None:
    errors = recipe.curve("test_error")
    for place, (before, after) in enumerate(drops(recipe.curve("rate"))):
        high, low = (statistics.fmean([errors[epoch] for epoch in side]) for side in (before, after))
        shown = cells[1 + 4 * place : 5 + 4 * place]
        for text, value in zip(shown, (before[-1], high, low, low - high), strict=True):
            tally.check(("appendix-steps", cells[0], f"drop {place + 1}"), text, value)


def times(row: Row, recipe: Recipe, tally: Tally) -> None:
    place = ("appendix-recipes", row["Runs"])
    timed = [one["seconds"] for run in recipe.seeds.values() for one in run["metrics"] if one["seconds"] is not None]
    if timed:
        time_check(tally, (*place, "An epoch"), row["An epoch"], statistics.median(timed))
        runs = [one for one in recipe.each(lambda run: run["result"]["seconds"]) if one is not None]
        time_check(tally, (*place, "A run"), row["A run"], statistics.fmean(runs) if runs else None)
    peaks = [one["peak_memory_bytes"] for run in recipe.seeds.values() for one in run["metrics"]]
    known = [one for one in peaks if one is not None]
    if known:
        tally.check((*place, "Peak memory"), row["Peak memory (MiB)"], max(known) / 2**20)


def on_weights(table: str, row: Row, recipe: Recipe, tally: Tally) -> None:
    place = (f"appendix-{table}", row["Runs"])
    name = {"curvature": "curvature", "noise": "noise-scale"}[table]
    found = [one[name]["final"] for one in recipe.each(lambda run: run["diagnosed"]) if name in one]
    columns = {
        "Largest eigenvalue": "largest",
        "Stability limit": "stability_limit",
        "Last rate": "rate",
        "Noise scale (images)": "noise_scale",
        "At least (images)": "at_least",
    }
    tally.check((*place, "Seeds"), row.get("Seeds measured", "1"), len(found))
    if "Batch size" in row:
        tally.check((*place, "Batch size"), row["Batch size"], recipe.fields["batch_size"])
    for title, quantity in columns.items():
        values = [one[quantity] for one in found if one.get(quantity) is not None]
        if row.get(title) and values:
            tally.check((*place, title), row[title], statistics.fmean(values))
