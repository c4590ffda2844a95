"""The tables of a report's chapters, recomputed: errors and differences, images, what was measured."""

import json
import statistics
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from recompute_records import Recipe, Row, Tally, rows_of, spread
from recompute_sentences import per_image, sentences
from recompute_words import Asked, chapter_words, tested


def chapters(report: Path, runs: Path, recipes: dict[str, Recipe], tally: Tally) -> None:
    """Check the tables of the chapters, and numbers in their sentences."""
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
        tested(asked, known, *chapter_words(report, study["title"]), tally)
        sentences(study["name"], chapter_words(report, study["title"])[0], known, recipes, tally)
        for row in rows_of(report, f"{study['name']}-per-image"):
            per_image(row, known, recipes, tally)
        for row in rows_of(report, f"{study['name']}-amounts"):
            amounts(row, known, tally, f"{study['name']}-amounts")
        for row in rows_of(report, f"{study['name']}-design"):
            design(row, known, tally, f"{study['name']}-design")


def _variants(study: dict[str, Any], recipes: dict[str, Recipe]) -> Iterator[tuple[str, Recipe]]:
    """Yield the label of each variant with its runs: those of its recipe and the study's seeds."""
    for variant in study["variants"]:
        for recipe in recipes.values():
            common = set(recipe.fields) & set(variant["recipe"])
            seeds = variant["seeds"] or study["seeds"]
            if all(recipe.fields[name] == variant["recipe"][name] for name in common):
                own = {seed: run for seed, run in recipe.seeds.items() if seed in seeds}
                yield variant["label"], Recipe(recipe.name, recipe.fields, own)


def _finder(known: dict[str, Recipe]) -> Callable[[str], Recipe]:
    """Return a function that finds the runs for a row's label: of the one variant whose label has all its parts."""

    def parts(label: str) -> set[str]:
        return set(label.replace(" of the images", "").split(", "))

    def find(label: str) -> Recipe:
        exact = [recipe for name, recipe in known.items() if parts(label) == parts(name)]
        found = exact or [recipe for name, recipe in known.items() if parts(label) <= parts(name)]
        assert len(found) == 1, f"{label!r} is {len(found)} of {list(known)}"
        return found[0]

    return find


def _base(row: Row, report: Path, study: str, find: Callable[[str], Recipe], own: Recipe) -> Recipe:
    """Return the baseline of a row without a column Against: the row of its data set and depth without size."""
    for other in rows_of(report, f"{study}-errors"):
        recipe = find(next(iter(other.values())))
        same = [recipe.fields[name] == own.fields[name] for name in ("dataset", "depth")]
        if not other["Difference (points)"] and (all(same) or (same[0] and study == "depth")):
            return recipe
    raise AssertionError(f"{row}: compared with nothing")


def _pair(second: str, first: str, find: Callable[[str], Recipe]) -> tuple[Recipe, Recipe]:
    """Return both sides of a comparison; either label may leave out what the other says."""
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


def design(row: Row, known: dict[str, Recipe], tally: Tally, table: str) -> None:
    """Check a row of classes by images per class: for runs that saw as many samples as those on all images."""
    (classes, *_), *cells = row.items()
    for head, shown in cells:
        numbers = tuple(int(text.split(" ")[0].replace(",", "")) for text in (row[classes], head))
        for label, recipe in known.items():
            data = recipe.each(lambda run: run["provenance"]["data"])[0]
            own = data["num_classes"], data["num_train"] // data["num_classes"]
            if own == numbers and "same epochs" not in label:
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
