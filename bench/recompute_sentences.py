"""Numbers in the sentences of a chapter, about its own and other studies' runs; called by recompute_chapters.py."""

import itertools
import re
import statistics
from collections.abc import Iterable

from recompute_appendix import drops
from recompute_records import Recipe, Row, Tally, spread

LENGTH = ("length", "first_drop", "second_drop")
"""The fields in which recipes of different lengths differ."""

NUMBER = r"[-+]?\d+\.\d+"


def sentences(study: str, chapter: str, known: dict[str, Recipe], recipes: dict[str, Recipe], tally: Tally) -> None:
    """Check what a chapter's sentences say: depths by length, other lengths, ends of curves, curves that rise."""
    text = chapter.replace("\N{MINUS SIGN}", "-")
    for dataset, deeper, least, told in re.findall(r"On (\S+), ResNet-(\d+) minus ResNet-(\d+) is (.*?)[.] ", text):
        both = [_by_length(_one(known, dataset, int(depth)), recipes) for depth in (deeper, least)]
        for shown, length in re.findall(rf"({NUMBER})(?: points)? at (\d+) epochs", told):
            gap = _last(both[0][float(length)]) - _last(both[1][float(length)])
            tally.check((f"{study} in words", f"depth {deeper}", length), shown, gap)
    for shown, length, depth, dataset in re.findall(
        r"(\S+ ± \S+ \(n = \d+\)) in (\d+) epochs \(ResNet-(\d+), (\S+)\)", text
    ):
        other = _by_length(_one(known, dataset, int(depth)), recipes)[float(length)]
        seeds = other.last("test_error")
        tally.check((f"{study} in words", f"depth {depth}", length), shown, *spread(seeds), len(seeds))
    for shown in re.findall(rf"end at most ({NUMBER}) points above their lowest", text):
        curves = [recipe.curve("test_error") for recipe in known.values()]
        tally.check(
            (f"{study} in words", "above", "lowest"), shown, max(one[max(one)] - min(one.values()) for one in curves)
        )
    for first, second, depth, dataset in re.findall(
        rf"({NUMBER}), then ({NUMBER}) points with ResNet-(\d+), ([-\w]+)", text
    ):
        errors = [_last(one) for _, one in sorted(_by_length(_one(known, dataset, int(depth)), known).items())]
        gains = [one - other for one, other in itertools.pairwise(errors)]
        tally.check((f"{study} in words", f"depth {depth}", "gains"), f"{first} {second}", *gains)
    for lowest, dataset in re.findall(rf"({NUMBER})% \(rate [\d.]+(?:, (CIFAR-10+))?\)", text):
        own = [
            one for one in known.values() if one.fields["dataset"] == (dataset or "CIFAR-10").lower().replace("-", "")
        ]
        tally.check((f"{study} in words", dataset, "lowest"), lowest, min(map(_last, own)))
    for coarse, classes in re.findall(
        rf"superclasses end ({NUMBER}) points above.*?classes end ({NUMBER}) points", text
    ):
        tally.check((f"{study} in words", "classes", "rises"), f"{coarse} {classes}", *_rises(known))
    for *shown, high, low in re.findall(
        rf"rises again, from ({NUMBER})% to ({NUMBER})%.*? from ({NUMBER})% to ({NUMBER})%", text
    ):
        _rise(study, [*shown, high, low], known.values(), tally)
    for second, first in re.findall(
        rf"({NUMBER}) points in test error and {NUMBER} in training error.*?by ({NUMBER}) and {NUMBER}", text
    ):
        lines = _by_rate_per_image(known, recipes)
        within = max(_reach(line) for line in lines)
        tally.check(
            (f"{study} in words", "rate per image", "test"),
            f"{second} {first}",
            within,
            _reach(itertools.chain(*lines)),
        )


def per_image(row: Row, known: dict[str, Recipe], recipes: dict[str, Recipe], tally: Tally) -> None:
    """Check a row of the table by the rate per image: the runs with this batch and rate, from whichever study."""
    place = float(row["Batch"]), float(row["Rate"])
    (recipe,) = (
        one
        for line in _by_rate_per_image(known, recipes)
        for one in line
        if (one.fields["batch_size"], one.fields["learning_rate"]) == place
    )
    at = "batch-size-per-image", f"{row['Batch']} at {row['Rate']}"
    test, train = (recipe.last(column) for column in ("test_error", "train_error"))
    tally.check((*at, "Rate per image"), row["Rate per image"].replace("e-", " "), place[1] / place[0])
    tally.check((*at, "Test"), row["Test error (%)"], *spread(test), len(test))
    tally.check((*at, "Training"), row["Training error (%)"], *spread(train))


def _by_rate_per_image(known: dict[str, Recipe], recipes: dict[str, Recipe]) -> list[list[Recipe]]:
    """Return groups of recipes with the same rate per image that differ from a study's base in batch and rate alone."""
    base = next(iter(known.values()))
    lines: dict[float, list[Recipe]] = {}
    for recipe in recipes.values():
        if _alike(recipe, base, ("batch_size", "learning_rate")):
            ratio = round(recipe.fields["learning_rate"] / recipe.fields["batch_size"], 9)
            lines.setdefault(ratio, []).append(recipe)
    return [line for line in lines.values() if len(line) > 1]


def _reach(line: Iterable[Recipe]) -> float:
    means = [_last(recipe) for recipe in line]
    return max(means) - min(means)


def _rise(study: str, shown: list[str], recipes: Iterable[Recipe], tally: Tally) -> None:
    """Check the ends of the errors at the rate after the first drop, against the recipe whose curve is nearest."""
    ends = []
    for recipe in recipes:
        ((_, after), (before, _), *_) = drops(recipe.curve("rate"))
        curves = (recipe.curve("test_error"), recipe.curve("train_error"))
        ends.append([statistics.fmean(curve[epoch] for epoch in part) for curve in curves for part in (after, before)])
    nearest = min(ends, key=lambda own: sum(abs(float(text) - end) for text, end in zip(shown, own, strict=True)))
    tally.check((f"{study} in words", "rise", "after the first drop"), " ".join(shown), *nearest)


def _rises(known: dict[str, Recipe]) -> list[float]:
    """Return by how much 20 superclasses, and 100 classes, end above CIFAR-10 with as many images per class."""
    errors: dict[tuple[str, float], float] = {}
    for one in known.values():
        steps = one.fields["length"] * one.fields.get("train_share", 1.0)
        if round(steps, 6) == round(min(other.fields["length"] for other in known.values()), 6):
            errors[one.fields["dataset"], one.fields.get("train_share", 1.0)] = _last(one)
    return [
        errors["cifar100-coarse", 1.0] - errors["cifar10", 0.5],
        errors["cifar100", 1.0] - errors["cifar10", 0.1],
    ]


def _one(known: dict[str, Recipe], dataset: str, depth: int) -> Recipe:
    name = dataset.lower().replace("-", "")
    return next(one for one in known.values() if (one.fields["dataset"], one.fields["depth"]) == (name, depth))


def _by_length(recipe: Recipe, recipes: dict[str, Recipe]) -> dict[float, Recipe]:
    """Return the recipes that differ from one only in the length of the schedule, by that length."""
    return {one.fields["length"]: one for one in recipes.values() if _alike(one, recipe, LENGTH)}


def _alike(one: Recipe, other: Recipe, but: tuple[str, ...]) -> bool:
    names = (set(one.fields) & set(other.fields)) - set(but)  # older versions leave out fields that came later
    return all(one.fields[name] == other.fields[name] for name in names)


def _last(recipe: Recipe) -> float:
    return statistics.fmean(recipe.last("test_error"))
