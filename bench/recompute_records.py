"""The plain files of runs and the tables of a report, and the count of what agrees; for recompute.py."""

import csv
import json
import re
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from recompute_tests import Errors

Row = dict[str, str]


@dataclass
class Recipe:
    """The finished runs of one recipe, by seed: the content of their files."""

    name: str
    fields: dict[str, Any] = field(default_factory=dict)
    seeds: dict[int, dict[str, Any]] = field(default_factory=dict)

    def each(self, read: Callable[[dict[str, Any]], Any]) -> list[Any]:
        """Return what each run has, in the order of the seeds."""
        return [read(self.seeds[seed]) for seed in sorted(self.seeds)]

    def last(self, column: str) -> list[float]:
        return self.each(lambda run: run["metrics"][-1][column])

    @property
    def errors(self) -> Errors:
        """The last test errors of its runs."""
        images = self.each(lambda run: run["provenance"]["data"]["num_test"])[0]
        return Errors(self.name, tuple(self.last("test_error")), images, self.fields["learning_rate"])

    def curve(self, column: str) -> dict[int, float]:
        """Return the mean over the runs by epoch."""
        values: dict[int, list[float]] = {}
        for run in self.seeds.values():
            for row in run["metrics"]:
                values.setdefault(row["epoch"], []).append(row[column])
        return {epoch: statistics.fmean(found) for epoch, found in sorted(values.items())}


@dataclass
class Tally:
    """What was compared."""

    agreed: dict[str, int] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    def check(self, place: tuple[str, str, str], shown: str, *values: float | None) -> None:
        """Compare the numbers in a cell with these, each to the digits shown."""
        table = place[0]
        found = re.findall(r"[-+]?[\d,]*\d(?:\.\d+)?", shown)
        if len(found) != len(values):
            self.wrong.append(f"{' / '.join(place)}: {shown!r} has {len(found)} numbers, recomputed {values}")
            return
        for text, value in zip(found, values, strict=True):
            decimals = len(text.partition(".")[2])
            near = value is not None and abs(float(text.replace(",", "")) - value) <= 0.5 * 10**-decimals + 1e-9
            if near:
                self.agreed[table] = self.agreed.get(table, 0) + 1
            else:
                self.wrong.append(f"{' / '.join(place)}: {text} shown, recomputed {value}")


def read_runs(root: Path) -> dict[str, Recipe]:
    """Return the recipes by their id."""
    found: dict[str, Recipe] = {}
    for path in sorted(root.glob("*/seed*/result.json")):
        folder = path.parent
        run = {"result": json.loads(path.read_text())}
        recipe = found.setdefault(folder.parent.name, Recipe(folder.parent.name))
        recipe.fields = json.loads((folder / "run.json").read_text())["recipe"]
        run["metrics"] = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
        run["provenance"] = json.loads((folder / "provenance.json").read_text())
        diagnosed = folder / "diagnostics.json"
        run["diagnosed"] = json.loads(diagnosed.read_text())["diagnostics"] if diagnosed.exists() else {}
        recipe.seeds[int(folder.name.removeprefix("seed"))] = run
    return found


def rows_of(report: Path, name: str) -> list[Row]:
    path = report / "tables" / f"{name}.csv"
    text = path.read_text(encoding="utf-8").replace("\N{NO-BREAK SPACE}", " ") if path.exists() else ""
    return list(csv.DictReader(text.splitlines()))


def spread(values: Sequence[float]) -> list[float]:
    return [statistics.fmean(values)] + ([statistics.stdev(values)] if len(values) > 1 else [])
