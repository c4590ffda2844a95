"""What curves are drawn from: which variants, which epochs, and at each the mean and range over the seeds."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean

import polars as pl

from reslab.analysis.groups import Group, by_dataset, datasets_of
from reslab.analysis.thinning import thinned
from reslab.exhibits.blocks import Row
from reslab.exhibits.wording import Label, dataset_name

WITHIN = {"cifar100-coarse": ("cifar100", "20 superclasses")}
"""Data sets that are another's images with other labels, and what their curves are called in its panel."""


@dataclass(frozen=True, slots=True)
class Along:
    """What a training goes along on the horizontal axis, and how far an epoch of a group takes it there."""

    title: str
    of_epoch: Callable[[Group], float]


EPOCHS = Along("Epoch", lambda _: 1.0)

IMAGES_SEEN = Along("Training images seen (millions)", lambda group: (group.number("num_train") or 0) / 1e6)
"""For trainings on more and fewer images, of which an epoch is more and less."""


@dataclass(frozen=True, slots=True)
class Shared:
    """What the curves of one panel are: the data set that it is called by, the groups, and their labels in it."""

    dataset: str
    groups: tuple[Group, ...]
    label: Label

    @property
    def title(self) -> str:
        return dataset_name(self.dataset)

    @property
    def labels(self) -> list[str]:
        return [self.label(group) for group in self.groups]


MOST_POINTS = 800
"""Of the curves of a panel: more cannot be told apart in it, and make the page slow."""

BEGINNING = 5
"""Epochs at the start that are always drawn."""

MOST_CURVES = 9
"""In a panel: more cannot be told apart, whatever their colours and marks."""

EXTREMES = 3
"""Curves drawn at either end where there would be too many."""


def panels_of(groups: Sequence[Group], label: Label) -> list[Shared]:
    """Return the panels for some groups: one a data set, with the same images under other labels in it."""
    datasets = datasets_of(groups)

    def home(dataset: str) -> str:
        return WITHIN[dataset][0] if WITHIN.get(dataset, ("",))[0] in datasets else dataset

    found = []
    for dataset in dict.fromkeys(map(home, datasets)):
        own = tuple(group for group in groups if home(group.recipe.dataset) == dataset)
        guests = sum(group.recipe.dataset != dataset for group in own)

        def name(group: Group, dataset: str = dataset, guests: int = guests) -> str:
            if group.recipe.dataset == dataset:
                return label(group)
            other = WITHIN[group.recipe.dataset][1]
            return other if guests == 1 else f"{label(group)}, {other}"

        found.append(Shared(dataset, own, name))
    return found


def curve_rows(groups: Sequence[Group], label: Label, along: Along = EPOCHS) -> list[Row]:
    """Return label, epoch, n, and mean, low, high and sd of training and test error, a row a group and epoch.

    Unless it is epochs that they go `along`, a row has how far it is along that, too.  Long curves are thinned (see
    `stretch`), but for the beginning and the epochs that carry a mark.
    """
    length, rows = stretch(groups), []
    for group in groups:
        points, far = _points(group), along.of_epoch(group)
        marked = _marked(max(group.drawn_epochs["epoch"].to_list(), default=0))
        drawn = [name for name in points.columns if name not in ("epoch", "n") and not name.endswith("_sd")]
        columns = [points[name].fill_null(math.nan).to_list() for name in drawn]
        kept = thinned(points["epoch"].to_list(), columns, length)
        always = (pl.col("epoch") <= BEGINNING) | pl.col("epoch").is_in(sorted(marked))
        shown = points.with_row_index("place").filter(always | pl.col("place").is_in(kept)).drop("place")
        for point in shown.iter_rows(named=True):
            row: Row = {"label": label(group)}
            row |= {name: short(value) for name, value in point.items() if value is not None}
            row |= {} if along is EPOCHS else {"along": short(row["epoch"] * far)}
            rows.append(row | ({"marked": 1} if row["epoch"] in marked else {}))
    return rows


def stretch(groups: Sequence[Group]) -> int:
    """Return the epochs of which the last and the extremes are drawn, so that a panel has about `MOST_POINTS` points.

    Of a stretch five points are kept as a rule: the last, and two extremes of each of the readings.
    """
    points = sum(group.drawn_epochs["epoch"].n_unique() for group in groups)
    return 1 if points <= MOST_POINTS else 5 * math.ceil(points / MOST_POINTS)


def short(value: float) -> float:
    """Return a number with four digits, as many as a chart shows; whole ones stay whole."""
    return value if isinstance(value, int) else float(f"{value:.4g}")


def _points(group: Group) -> pl.DataFrame:
    """Return epoch, n, and mean, low, high and sd of both errors, in the order of the epochs."""
    train, test = (
        group.curve(f"{name}_error").select(
            "epoch", "n", pl.col("mean").alias(name), pl.col("low", "high", "sd").name.prefix(f"{name}_")
        )
        for name in ("train", "test")
    )
    both = train.join(test, on="epoch", how="full", coalesce=True)
    return both.with_columns(n=pl.coalesce("n_right", "n")).drop("n_right").sort("epoch")


def telling(groups: Sequence[Group], label: Label) -> list[Group]:
    """Return the groups whose curves are drawn: all, or where a panel would be too full, the first and the extremes.

    Extremes are those that end with the lowest and the highest test errors, by their mean rank on the data sets:
    every panel shows the same.
    """
    if all(len(own) <= MOST_CURVES for _, own in by_dataset(groups)):
        return list(groups)
    ranks: dict[str, list[float]] = {}
    for _, own in by_dataset(groups):
        for place, group in enumerate(sorted(own, key=_last_error)):
            ranks.setdefault(label(group), []).append(place / len(own))
    first = label(groups[0])
    others = sorted((name for name in ranks if name != first), key=lambda name: fmean(ranks[name]))
    chosen = {first, *others[:EXTREMES], *others[-EXTREMES:]}
    return [group for group in groups if label(group) in chosen]


def _last_error(group: Group) -> float:
    means = group.curve("test_error")["mean"].to_list()
    return means[-1] if means else math.inf


def _marked(last: int) -> set[int]:
    """Return the epochs at which a curve carries its mark: about eight, and the last."""
    step = max(1, round(last / 8))
    return set(range(last, 0, -step))
