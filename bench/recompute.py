"""Recompute the figures of a report from the plain files of its runs.

python bench/recompute.py [RUNS] [REPORT]      results/runs and results/report, if not given

Reads run.json, result.json, metrics.jsonl, provenance.json and diagnostics.json, does what the captions say, and
compares every number with the CSV files in REPORT/tables.  Intervals, p, verdicts and the seeds that would detect a
difference are compared there and in the report's sentences; recompute_tests.py computes them.  Prints how many agree,
by table, and each that does not (exit code 1).  Nothing of ResLab's code is used, so that a mistake there is not
repeated here.
"""

import csv
import itertools
import json
import re
import statistics
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from recompute_tests import Errors, against_single, compare, corrected, of_size, sizes

Row = dict[str, str]
UNIT = {"s": 1, "min": 60, "h": 3600}


@dataclass
class Recipe:
    """The finished runs of one recipe, by seed: what their files have."""

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
        return Errors(self.name, tuple(self.last("test_error")), images)

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
        """Compare the numbers of a cell with these, each to the digits that are shown."""
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
    return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines())) if path.exists() else []


def spread(values: Sequence[float]) -> list[float]:
    return [statistics.fmean(values)] + ([statistics.stdev(values)] if len(values) > 1 else [])


def seconds(text: str) -> tuple[float, float]:
    """Return a time as shown, and how far off rounding may be."""
    parts = [(float(value.replace(",", "")), UNIT[unit]) for value, unit in re.findall(r"([\d.,]+) (s|min|h)", text)]
    decimal = "." in text
    return sum(value * unit for value, unit in parts), (0.05 if decimal else 0.5 * min(unit for _, unit in parts))


def drops(rates: dict[int, float]) -> list[tuple[range, range]]:
    """Return the epochs on both sides of each fall of the rate: as many as the shorter phase has, five at most."""
    phases: list[list[int]] = []
    for epoch, rate in rates.items():
        if not phases or rates[phases[-1][-1]] != rate:
            phases.append([])
        phases[-1].append(epoch)
    sides = []
    for before, after in itertools.pairwise(phases):
        reach = min(5, len(before), len(after))
        sides.append((range(before[-1] - reach + 1, before[-1] + 1), range(after[0], after[0] + reach)))
    return sides


def appendix(report: Path, recipes: dict[str, Recipe], tally: Tally) -> dict[str, Recipe]:
    """Check the tables of the appendix; return the recipes by what the report calls them."""
    named = {row["What it is"]: recipes[row["Recipe"]] for row in rows_of(report, "appendix-recipes")}
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
        tally.check((*place, "Best epoch"), row["Best epoch"], statistics.fmean([epoch for _, epoch in best]))
        optimism = [end - error for end, (error, _) in zip(last, best, strict=True)]
        tally.check((*place, "Optimism"), row["Optimism (points)"], *spread(optimism))
    for cells in csv.reader((report / "tables" / "appendix-steps.csv").read_text(encoding="utf-8").splitlines()):
        if cells[0] != "Runs":
            steps(cells, named[cells[0]], tally)
    for row in rows_of(report, "appendix-gap"):
        gaps = [one["gap"]["final"] for one in named[row["Runs"]].each(lambda run: run["diagnosed"]) if "gap" in one]
        place = ("appendix-gap", row["Runs"])
        tally.check((*place, "Seeds"), row["Seeds measured"], len(gaps))
        train = statistics.fmean([one["train_error"] for one in gaps])
        tally.check((*place, "Training"), row["Training error (%)"], train)
        test = [statistics.fmean([one["test_error"] for one in gaps])]
        if "on all test images" in (report / "report.md").read_text(encoding="utf-8"):
            measured = [run for run in named[row["Runs"]].seeds.values() if "gap" in run["diagnosed"]]
            test = [statistics.fmean([run["result"]["test_error"] for run in measured])]
        tally.check((*place, "Test"), row["Test error (%)"], *test)
        tally.check((*place, "Gap"), row["Gap (points)"], test[0] - train)
    for row in rows_of(report, "appendix-machines"):
        machines(row, named[row["Runs"]], tally)
    for row in rows_of(report, "appendix-software"):
        same = sum(
            all(
                ", ".join(dict.fromkeys(str(one[key]) for one in run["provenance"]["attempts"])) == row[column]
                for column, key in (("System", "platform"), ("Threads", "threads"))
            )
            for recipe in recipes.values()
            for run in recipe.seeds.values()
        )
        tally.check(("appendix-software", row["System"], "Runs"), row["Runs"], same)
    return named


def time_check(tally: Tally, place: tuple[str, str, str], shown: str, value: float | None) -> None:
    if not shown or value is None:
        if shown or value is not None:
            tally.wrong.append(f"{' / '.join(place)}: {shown!r} shown, recomputed {value}")
        return
    told, off = seconds(shown)
    tally.check(place, "0" if abs(told - value) <= off + 1e-6 else "1", 0)


def steps(cells: Sequence[str], recipe: Recipe, tally: Tally) -> None:
    errors = recipe.curve("test_error")
    for place, (before, after) in enumerate(drops(recipe.curve("rate"))):
        high, low = (statistics.fmean([errors[epoch] for epoch in side]) for side in (before, after))
        shown = cells[1 + 4 * place : 5 + 4 * place]
        for text, value in zip(shown, (before[-1], high, low, low - high), strict=True):
            tally.check(("appendix-steps", cells[0], f"drop {place + 1}"), text, value)


def machines(row: Row, recipe: Recipe, tally: Tally) -> None:
    place = ("appendix-machines", row["Runs"])
    timed = [one["seconds"] for run in recipe.seeds.values() for one in run["metrics"] if one["seconds"] is not None]
    if timed:
        time_check(tally, (*place, "An epoch"), row["An epoch"], statistics.median(timed))
        runs = [one for one in recipe.each(lambda run: run["result"]["seconds"]) if one is not None]
        time_check(tally, (*place, "A run"), row["A run"], statistics.fmean(runs) if runs else None)
    peaks = [one["peak_memory_bytes"] for run in recipe.seeds.values() for one in run["metrics"]]
    known = [one for one in peaks if one is not None]
    if known:
        tally.check((*place, "Peak memory"), row["Peak memory (MiB)"], max(known) / 2**20)


def chapters(report: Path, runs: Path, recipes: dict[str, Recipe], tally: Tally) -> None:
    """Check the tables of the chapters: errors and their differences, images, how curves end, what was measured."""
    for path in sorted((runs / "studies").glob("*.json")):
        study = json.loads(path.read_text())
        known = dict(_variants(study, recipes))
        find, asked = _finder(known), Asked(study["name"], [one.errors for one in recipes.values()])
        for row in rows_of(report, f"{study['name']}-errors"):
            label = next(iter(row.values()))
            place, recipe = (f"{study['name']}-errors", label), find(label)
            tally.check((*place, "Test"), row["Test error (%)"], *spread(recipe.last("test_error")))
            tally.check((*place, "Training"), row["Training error (%)"], *spread(recipe.last("train_error")))
            if row.get("Difference (points)"):
                other = find(row["Against"]) if row.get("Against") else _base(row, report, study["name"], find, recipe)
                tally.check((*place, "Difference"), row["Difference (points)"], _apart(recipe, other))
                asked.rows.append((place, row, recipe, other))
        for row in rows_of(report, f"{study['name']}-comparisons"):
            second, _, first = row["Compared"].partition(" against ")
            pair = _pair(second, first, find)
            place = (f"{study['name']}-comparisons", row["Compared"])
            tally.check((*place, "Difference"), row["Difference (points)"], _apart(*pair))
            asked.rows.append((place, row, *pair))
        tested(asked, known, *_chapter(report, study["title"]), tally)
        for row in rows_of(report, f"{study['name']}-curvature"):
            measured(study["name"], "curvature", row, find(row["Runs"]), tally)
        for row in rows_of(report, f"{study['name']}-noise"):
            measured(study["name"], "noise", row, find(row["Runs"]), tally)
        for row in rows_of(report, f"{study['name']}-endings"):
            errors = find(row["Training"]).curve("test_error")
            place, end = (f"{study['name']}-endings", row["Training"]), max(errors)
            lowest = min(errors, key=lambda epoch: (errors[epoch], epoch))
            tally.check((*place, "Lowest"), row["Lowest in epoch"], lowest)
            tally.check((*place, "Above"), row["Above that at the end (points)"], errors[end] - errors[lowest])
        for row in rows_of(report, f"{study['name']}-amounts"):
            amounts(row, known, tally, f"{study['name']}-amounts")
        for row in rows_of(report, f"{study['name']}-design"):
            design(row, known, tally, f"{study['name']}-design")


@dataclass
class Asked:
    """What a study compares: where the report tells it, its row there, and both sides; and all recipes' errors."""

    study: str
    report: list[Errors]
    rows: list[tuple[tuple[str, str], Row, Recipe, Recipe]] = field(default_factory=list)


def tested(asked: Asked, known: dict[str, Recipe], chapter: str, answers: Sequence[str], tally: Tally) -> None:
    """Check intervals, p, verdicts and seeds: in the rows of comparisons, then in sentences and answers."""
    found = compare([(second.errors, first.errors) for _, _, second, first in asked.rows], asked.report)
    for (place, row, *_), (one, p) in zip(asked.rows, corrected(found), strict=True):
        if not row.get("95% interval"):
            continue
        shown = row["95% interval"].removesuffix(" (90%)")
        tally.check((*place, "95% interval"), shown, *one.interval(one.level(p)))
        if row["Corrected p"].startswith("<"):
            tally.check((*place, "Corrected p"), row["Corrected p"] if p < 0.001 else f"no: {p}", 0.001)
        else:
            tally.check((*place, "Corrected p"), row["Corrected p"], p)
        verdict = re.fullmatch(r"([a-z ]+?)(?:,? by .*| within .*| \((.*) seeds\))?", row["Verdict"])
        kind, seeds = verdict.groups() if verdict else (row["Verdict"], None)
        if kind != one.verdict(p):
            tally.wrong.append(f"{' / '.join(place)}: {row['Verdict']} shown, recomputed {one.verdict(p)}")
        elif seeds:
            tally.check((*place, "Seeds"), seeds.replace("over 1,000", "1001"), *one.seeds_range(len(found)))
    beside = _published(known, "\n".join([chapter, *answers]))
    groups = [recipe.errors for recipe, _ in beside]
    published = [
        against_single(own, groups, figure, asked.report) for own, (_, figure) in zip(groups, beside, strict=True)
    ]
    design_pairs = _design_pairs(known) if "rather than" in chapter else []
    together = (found, published, compare(design_pairs, asked.report))
    expected = [of_size(one, p, len(own)) for own in together for one, p in corrected(own)]
    for told in sizes(chapter):
        _in_text(asked.study, told, expected, tally)
    if answers and not sum(_in_answer(asked.study, text, expected, tally) for text in answers):
        tally.wrong.append(f"{asked.study}: no size is found in its answers")


def _in_text(study: str, shown: dict[str, str], expected: Sequence[dict[str, float]], tally: Tally) -> None:
    """Check a size in a sentence against the difference that is nearest to it."""
    nearest = min(
        expected, key=lambda one: sum(abs(one[name] - float(shown[name])) for name in ("value", "low", "high"))
    )
    for name, text in shown.items():
        tally.check((f"{study} in words", shown["value"], name), text.replace("over 1,000", "1001"), nearest[name])


CLAUSE = re.compile(
    r"(?P<value>[-+]?\d+\.\d\d)(?: to (?P<most>[-+]?\d+\.\d\d))?(?: points, 9[05]% interval)? ?"
    r"\(?(?P<low>[-+]?\d+\.\d\d) to (?P<high>[-+]?\d+\.\d\d)\)"
)
"""The size of a clause of an answer, or the range of sizes, and the interval around it: in a sentence, in a cell."""


def _in_answer(study: str, text: str, expected: Sequence[dict[str, float]], tally: Tally) -> int:
    """Check sizes and intervals of an answer; sizes without a sign are of either.  Return how many there are.

    The interval of one size must be that difference's; around a range, its ends must be ends of differences.
    """
    found = [match.groupdict() for match in CLAUSE.finditer(text.replace("\N{MINUS SIGN}", "-"))]
    for one in found:
        signs = any(end and end[0] in "+-" for end in one.values())
        known = expected if signs else [_unsigned(difference) for difference in expected]
        parts = {name: float(end) for name, end in one.items() if end}
        if "most" in parts:
            places = {"value": "value", "most": "value", "low": "low", "high": "high"}
            values = [
                min((other[name] for other in known), key=lambda value: abs(value - parts[place]))
                for place, name in places.items()
            ]
        else:  # of all three parts, for the same pair may be corrected among others, too
            nearest = min(known, key=lambda other: sum(abs(other[name] - part) for name, part in parts.items()))
            values = [nearest[name] for name in parts]
        tally.check((study, "answer", text), " and ".join(end for end in one.values() if end), *values)
    return len(found)


def _unsigned(one: dict[str, float]) -> dict[str, float]:
    low, high = sorted(map(abs, (one["low"], one["high"])))
    return {"value": abs(one["value"]), "low": low, "high": high}


def _published(known: dict[str, Recipe], chapter: str) -> list[tuple[Recipe, float]]:
    """Return the runs that a chapter compares with the paper's, and the paper's figures, from its sentences."""
    found = re.findall(r"(ResNet-\d+): [^\n]*? the paper.s ([\d.]+)%", chapter)
    by_depth = {f"ResNet-{recipe.fields['depth']}": recipe for recipe in known.values()}
    return [(by_depth[name], float(figure)) for name, figure in dict.fromkeys(found)]


def _design_pairs(known: dict[str, Recipe]) -> list[tuple[Errors, Errors]]:
    """Return what tells classes from images of each: 100 classes and 10 with as few of each, 10 with all, 20."""
    by_place = {(one.fields["dataset"], one.fields["train_share"]): one.errors for one in known.values()}
    hundred, coarse, ten = (by_place[name, 1.0] for name in ("cifar100", "cifar100-coarse", "cifar10"))
    few = by_place["cifar10", 0.1]
    return [(hundred, few), (few, ten), (coarse, hundred)]


def _chapter(report: Path, title: str) -> tuple[str, list[str]]:
    """Return the text of a chapter without its tables and answers, and the answers' sizes, of the opening, too."""
    parts = re.split(
        r"^## (.*)$",
        (report / "report.md").read_text(encoding="utf-8").replace("\N{RIGHT SINGLE QUOTATION MARK}", "'"),
        flags=re.MULTILINE,
    )
    text = dict(zip(parts[1::2], parts[2::2], strict=True)).get(title, "")
    lines = [line for line in text.splitlines() if not line.startswith("|")]
    found = [line for line in lines if re.match(r"- .* points, 9[05]% interval [^;]*\)[.;]", line)]
    told = [line.lower() for line in found]
    for row in rows_of(report, "opening-answers"):
        start = f"- {row['Where']}: {row['Answer'].split('; ')[0].removesuffix('.')} (".lower()
        found += [row["Points (95% interval)"]] if any(line.startswith(start) for line in told) else []
    return "\n".join(line for line in lines if line not in found), found


def _variants(study: dict[str, Any], recipes: dict[str, Recipe]) -> Iterator[tuple[str, Recipe]]:
    """Yield the label of each variant with its runs: of the same recipe, and of the seeds asked."""
    for variant in study["variants"]:
        for recipe in recipes.values():
            common = set(recipe.fields) & set(variant["recipe"])
            seeds = variant["seeds"] or study["seeds"]
            if all(recipe.fields[name] == variant["recipe"][name] for name in common):
                own = {seed: run for seed, run in recipe.seeds.items() if seed in seeds}
                yield variant["label"], Recipe(recipe.name, recipe.fields, own)


def _finder(known: dict[str, Recipe]) -> Callable[[str], Recipe]:
    """Return what finds the runs behind a row's label: the one variant whose own label has all its parts."""

    def parts(label: str) -> set[str]:
        for now, before in (("steps", "samples"), ("epochs", "passes")):  # what earlier records call the same
            label = label.replace(f"(same {now})", f"(same {before})")
        return set(label.replace(" of the images", "").split(", "))

    def find(label: str) -> Recipe:
        found = [recipe for name, recipe in known.items() if parts(label) <= parts(name)]
        assert len(found) == 1, f"{label!r} is {len(found)} of {list(known)}"
        return found[0]

    return find


def _base(row: Row, report: Path, study: str, find: Callable[[str], Recipe], own: Recipe) -> Recipe:
    """Return what a row without a column Against is compared with: the row of its data set and depth without size."""
    for other in rows_of(report, f"{study}-errors"):
        recipe = find(next(iter(other.values())))
        same = [recipe.fields[name] == own.fields[name] for name in ("dataset", "depth")]
        if not other["Difference (points)"] and (all(same) or (same[0] and study.startswith("fast"))):
            return recipe
    raise AssertionError(f"{row}: compared with nothing")


def _pair(second: str, first: str, find: Callable[[str], Recipe]) -> tuple[Recipe, Recipe]:
    """Return both sides of a comparison; the first leaves out what the second has said, and the reverse."""
    tail = second.split(", ")
    ways = [(second, first)]
    ways += [(second, f"{first}, {part}") for part in tail]
    ways += [(f"{second}, {part}", first) for part in first.split(", ")[1:]]
    for one, other in ways:
        try:
            return find(one), find(other)
        except AssertionError:
            continue
    raise AssertionError(f"{second!r} against {first!r}: not found")


def _apart(second: Recipe, first: Recipe) -> float:
    return statistics.fmean(second.last("test_error")) - statistics.fmean(first.last("test_error"))


def measured(study: str, table: str, row: Row, recipe: Recipe, tally: Tally) -> None:
    place = (f"{study}-{table}", row["Runs"])
    name = {"curvature": "curvature", "noise": "noise-scale"}[table]
    found = [one[name]["final"] for one in recipe.each(lambda run: run["diagnosed"]) if name in one]
    columns = {
        "Largest eigenvalue": "largest",
        "Stability limit": "stability_limit",
        "Last rate": "rate",
        "Noise scale (images)": "noise_scale",
        "At least (images)": "at_least",
    }
    if "Seeds measured" in row:
        tally.check((*place, "Seeds"), row["Seeds measured"], len(found))
    if "Batch size" in row:
        tally.check((*place, "Batch size"), row["Batch size"], recipe.fields["batch_size"])
    for title, quantity in columns.items():
        values = [one[quantity] for one in found if one.get(quantity) is not None]
        if row.get(title) and values:
            tally.check((*place, title), row[title], statistics.fmean(values))


def design(row: Row, known: dict[str, Recipe], tally: Tally, table: str) -> None:
    """Check a row of classes by images of each class: of the runs that saw as many samples as those on all images."""
    (classes, *_), *cells = row.items()
    for head, shown in cells:
        numbers = tuple(int(text.split(" ")[0].replace(",", "")) for text in (row[classes], head))
        for label, recipe in known.items():
            data = recipe.each(lambda run: run["provenance"]["data"])[0]
            own = data["num_classes"], data["num_train"] // data["num_classes"]
            if own == numbers and "same passes" not in label:
                seeds = recipe.last("test_error")
                counted = [float(len(seeds))] if "n = " in shown else []
                tally.check((table, row[classes], head), shown, *spread(seeds), *counted)
                break
        else:
            tally.check((table, row[classes], head), shown)


def amounts(row: Row, known: dict[str, Recipe], tally: Tally, table: str) -> None:
    names = {"cifar10": "CIFAR-10", "cifar100": "CIFAR-100", "cifar100-coarse": "CIFAR-100 (20 superclasses)"}
    shares = {"all": 1.0, "1/2": 0.5, "1/5": 0.2, "1/10": 0.1}
    for recipe in known.values():
        if (names.get(recipe.fields["dataset"]), recipe.fields["train_share"]) == (
            row["Data set"],
            shares[row["Share"]],
        ):
            data = recipe.each(lambda run: run["provenance"]["data"])[0]
            place = (table, f"{row['Data set']}, {row['Share']}")
            tally.check((*place, "Images"), row["Images"], data["num_train"])
            tally.check((*place, "Classes"), row["Classes"], data["num_classes"])
            tally.check((*place, "Each"), row["Images per class"], data["num_train"] / data["num_classes"])
            return


def main() -> None:
    """Print what agrees, and end with 1 where something does not."""
    given = [Path(text) for text in sys.argv[1:]]
    runs, report = (given + [Path("results/runs"), Path("results/report")][len(given) :])[:2]
    recipes, tally = read_runs(runs), Tally()
    appendix(report, recipes, tally)
    chapters(report, runs, recipes, tally)
    for table, count in tally.agreed.items():
        print(f"{count:5d}  {table}")
    print(f"{sum(tally.agreed.values()):5d}  numbers agree with the records, {len(tally.wrong)} do not")
    print("\n".join(tally.wrong))
    sys.exit(1 if tally.wrong else 0)


if __name__ == "__main__":
    main()
