"""Groups: the runs of one recipe, from which every chart, table and sentence is made."""

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar, cast

import polars as pl

from reslab.analysis.diagnoses import Diagnoses
from reslab.analysis.summary import (
    Summary,
    Window,
    WindowFigures,
    mean_curve,
    settled_window,
    summarise,
    window_figures,
)
from reslab.analysis.tables import Tables
from reslab.datasets import SHORT
from reslab.lab.folder.predictions import Predictions
from reslab.recipe import Recipe, field_names, to_mapping

T = TypeVar("T")

LENGTH = ("length", "first_drop", "second_drop", "third_drop", "warmup_length")
"""The fields of a recipe that change with the length of its schedule."""

LOST = frozenset({"diverged", "failed"})
"""Statuses of runs that will not reach the end of their schedule unless changed or retried."""


@dataclass(frozen=True, slots=True)
class Group:
    """The runs of a recipe under a label; `seeds` were requested, `runs` and `epochs` are what exists.

    All `runs` are on the same images; those on others are set `apart` and count nowhere.
    """

    label: str
    recipe: Recipe
    seeds: tuple[int, ...]
    runs: pl.DataFrame
    epochs: pl.DataFrame
    diagnoses: Diagnoses = field(default_factory=Diagnoses)
    tables: Tables | None = field(default=None, repr=False, compare=False)
    """All runs of the report that these belong to."""
    apart: pl.DataFrame = field(default_factory=pl.DataFrame)
    _known: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def finished(self) -> pl.DataFrame:
        """The runs that reached the end of their schedule."""
        return self.once("finished", lambda: self.runs.filter(pl.col("status") == "finished"))

    @property
    def num_finished(self) -> int:
        """How many runs reached the end of their schedule."""
        return self.finished.height

    @property
    def has_result(self) -> bool:
        """Whether a finished run has errors to show; one whose errors are not finite has none."""
        return all(self.last_epoch(column).mean is not None for column in ("train_error", "test_error"))

    @property
    def num_diverged(self) -> int:
        """How many runs diverged."""
        return self.once("diverged", lambda: self.runs.filter(pl.col("status") == "diverged").height)

    def last_epoch(self, column: str) -> Summary:
        """Summarise a figure of the last epoch over the finished runs: a column of RUN_SCHEMA (`analysis.tables`).

        What only the curves have, as weight_norm, is the last row of `finished_curve`.
        """
        return self.once(f"last {column}", lambda: summarise(self.finished[column].to_list()))

    @property
    def test_error(self) -> float:
        """Mean test error (%) of the last epoch over the finished runs; 0 without a result."""
        return self.last_epoch("test_error").mean or 0.0

    @property
    def gap(self) -> float:
        """Points by which the mean test error of the last epoch exceeds the training error; requires a result."""
        train, test = self.last_epoch("train_error").mean, self.last_epoch("test_error").mean
        assert train is not None
        assert test is not None
        return test - train

    def curve(self, column: str) -> pl.DataFrame:
        """Return the mean curve of `column` over the seeds, without lost runs unless there are no others."""
        return self.once(f"curve {column}", lambda: mean_curve(self.drawn_epochs, column))

    @property
    def drawn_epochs(self) -> pl.DataFrame:
        """The epochs that curves are drawn from: without diverged and failed runs, unless there are no others."""
        return self.once("drawn", self._drawn_epochs)

    def _drawn_epochs(self) -> pl.DataFrame:
        sound = self.runs.filter(~pl.col("status").is_in(sorted(LOST)))
        epochs = self.epochs.filter(pl.col("run_id").is_in(sound["run_id"].to_list()))
        return epochs if epochs.height else self.epochs

    @property
    def predictions(self) -> list[Predictions]:
        """The trained networks' predictions for the test images, in order of the seeds, where kept."""
        known = {} if self.tables is None else self.tables.predictions
        return [known[run_id] for run_id in self.finished.sort("seed")["run_id"].to_list() if run_id in known]

    def fact(self, column: str) -> object:
        """Return the first known value, or None, of a column that is the same for all runs of a recipe."""
        return self.once(f"fact {column}", lambda: next(iter(self.runs[column].drop_nulls()), None))

    def number(self, column: str) -> int | None:
        """Return `fact` as a whole number."""
        value = self.fact(column)
        return value if isinstance(value, int) else None

    @property
    def images_of_each(self) -> int:
        """How many training images each class has; 0 where unknown."""
        images, classes = self.number("num_train"), self.number("num_classes")
        return images // classes if images and classes else 0

    @property
    def window(self) -> Window | None:
        """The window of epochs that the assignment's tables use, for this recipe."""
        return settled_window(self.recipe, self.number("num_train"))

    def in_window(self, column: str) -> WindowFigures | None:
        """Return minimum, maximum and mean over the window of the finished runs' mean curve."""
        window = self.window
        if window is None:
            return None
        return self.once(f"window {column}", lambda: window_figures(self.finished_curve(column), window))

    def finished_curve(self, column: str) -> pl.DataFrame:
        """Return the mean curve of `column` over the finished runs, so that all epochs are of the same runs."""
        return self.once(f"finished {column}", lambda: mean_curve(self.finished_epochs, column))

    @property
    def finished_epochs(self) -> pl.DataFrame:
        """The epochs of the finished runs."""
        finished = pl.col("run_id").is_in(self.finished["run_id"].to_list())
        return self.once("finished epochs", lambda: self.epochs.filter(finished))

    def unfinished(self) -> dict[int, dict[str, Any]]:
        """Return what is known of each unfinished seed, by seed; runs set apart have the status "apart"."""
        rows = {row["seed"]: row for row in self.runs.iter_rows(named=True)}
        rows |= {row["seed"]: {**row, "status": "apart"} for row in self.apart.iter_rows(named=True)}
        found = {seed: rows.get(seed, {"status": "pending"}) for seed in self.seeds}
        return {seed: row for seed, row in found.items() if row["status"] != "finished"}

    def once(self, name: str, compute: Callable[[], T]) -> T:
        """Return the value cached under this name, computing it first if need be: a report uses each many times."""
        if name not in self._known:
            self._known[name] = compute()
        return cast(T, self._known[name])


Label = Callable[[Group], str]
"""Names a group among others."""

Row = dict[str, Any]
"""A mark or point of a chart: its label, its place and its figures."""


def gather(tables: Tables, label: str, recipe: Recipe, seeds: Sequence[int]) -> Group:
    """Gather the runs of a recipe and these seeds from the tables."""
    mine = (pl.col("recipe_id") == recipe.id) & pl.col("seed").is_in(list(seeds))
    runs = tables.runs.filter(mine)
    diagnoses = tables.diagnoses.of(runs["run_id"].to_list())
    return Group(label, recipe, tuple(seeds), runs, tables.epochs.filter(mine), diagnoses, tables)


def seeds_of(runs: pl.DataFrame) -> dict[tuple[Recipe, str], list[int]]:
    """Return the seeds of some runs, rows of `Tables.runs`, by recipe and the start of their images' fingerprint.

    For runs that have not begun, or are on the official images, the recipe's own value is used, usually "": there,
    the name of the data set identifies the images.
    """
    seeds: dict[tuple[Recipe, str], list[int]] = {}
    rows = runs.filter("data_official").select("dataset", "data_fingerprint").rows()
    official = {dataset: found for (dataset, found), _ in reversed(Counter(rows).most_common())}
    for row in runs.iter_rows(named=True):
        recipe = Recipe.from_mapping({name: row[name] for name in field_names()})
        found = row["data_fingerprint"]
        named = found is None or (row["data_official"] and official[recipe.dataset] == found)
        images = str(row["images"]) if named else str(found)[:SHORT]
        seeds.setdefault((recipe, images), []).append(row["seed"])
    return seeds


def relatives(group: Group, fields: Collection[str], label: str) -> list[Group]:
    """Return the finished recipes in a group's report that equal its own but for these fields, its own included.

    They are on the same images and have all existing seeds, whichever study requested them.
    """
    if group.tables is None:
        return []
    rows = group.tables.runs.filter((pl.col("status") == "finished") & (pl.col("dataset") == group.recipe.dataset))
    own, seeds = _others(group.recipe, fields), dict[Recipe, list[int]]()
    for (recipe, _), found_seeds in seeds_of(rows).items():
        if _others(recipe, fields) == own:
            seeds.setdefault(recipe, []).extend(found_seeds)
    found = on_same_images([group, *(gather(group.tables, label, recipe, own) for recipe, own in seeds.items())])
    return [one for one in found[1:] if one.has_result]


def _others(recipe: Recipe, fields: Collection[str]) -> dict[str, object]:
    """Return a recipe's fields but for these."""
    return {name: value for name, value in to_mapping(recipe).items() if name not in fields}


def on_same_images(groups: Sequence[Group]) -> list[Group]:
    """Return the groups with runs on other images than the rest set apart, data set by data set.

    A data set's name does not prove that the images are the same: an archive may change between two runs.  The
    official images count, else those of most runs, the first of a tie; a run that has not begun has none yet.
    """
    counting = {name: _counting_images(on_dataset(groups, name)) for name in datasets_of(groups)}
    return [_without_others(group, counting[group.recipe.dataset]) for group in groups]


def _counting_images(groups: Sequence[Group]) -> str | None:
    """Return the fingerprint of the images that count for groups on one data set; None where no run has begun."""
    rows: list[tuple[str, bool | None]] = [
        row
        for group in groups
        for row in group.runs.select("data_fingerprint", "data_official").iter_rows()
        if row[0] is not None
    ]
    if not rows:
        return None
    number = Counter(fingerprint for fingerprint, _ in rows)
    official = {fingerprint for fingerprint, is_official in rows if is_official}
    return max(number, key=lambda fingerprint: (fingerprint in official, number[fingerprint]))


def _without_others(group: Group, fingerprint: str | None) -> Group:
    if fingerprint is None:
        return group
    is_other = (pl.col("data_fingerprint") != fingerprint).fill_null(value=False)
    apart = group.runs.filter(is_other)
    if not apart.height:
        return group
    runs = group.runs.filter(~is_other)
    ids = runs["run_id"].to_list()
    epochs = group.epochs.filter(pl.col("run_id").is_in(ids))
    return replace(group, runs=runs, epochs=epochs, diagnoses=group.diagnoses.of(ids), apart=apart, _known={})


def lowest(groups: Sequence[Group]) -> list[Group]:
    """Return the groups with the lowest mean test error, rounded as shown: several if tied; all have a result."""
    least = min(round(group.test_error, 2) for group in groups)
    return [group for group in groups if round(group.test_error, 2) == least]


def datasets_of(groups: Sequence[Group]) -> list[str]:
    """Return the data sets of some groups, in order."""
    return list(dict.fromkeys(group.recipe.dataset for group in groups))


def on_dataset(groups: Sequence[Group], dataset: str) -> list[Group]:
    """Return the groups on a data set."""
    return [group for group in groups if group.recipe.dataset == dataset]


def by_dataset(groups: Sequence[Group]) -> list[tuple[str, list[Group]]]:
    """Return each data set of some groups, in order, with the groups on it."""
    return [(dataset, on_dataset(groups, dataset)) for dataset in datasets_of(groups)]


def images_of(groups: Sequence[Group]) -> list[Row]:
    """Return a row for each set of images that runs began on, with the `fewest` and the `most` trained on."""
    rows = []
    for _, own in by_dataset(groups):
        begun = pl.concat([group.runs for group in own]).drop_nulls("data_fingerprint")
        same = ("dataset", "data_fingerprint", "data_official", "num_classes", "num_test")
        counted = begun.group_by(same, maintain_order=True)
        rows += counted.agg(fewest=pl.col("num_train").min(), most=pl.col("num_train").max()).rows(named=True)
    return rows
