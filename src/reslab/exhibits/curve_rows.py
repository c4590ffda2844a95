"""What curves are drawn from: which variants, which epochs, and at each the mean and range over the seeds."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean

from reslab.analysis.groups import Group, datasets_of, on_dataset
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

    Unless it is epochs that they go `along`, a row has how far it is along that, too.  Where there are very many rows,
    every second epoch is left out, or more (see `drawn_every`).
    """
    rows: list[Row] = []
    stride = drawn_every(groups)
    for group in groups:
        curves = {reading: group.curve(f"{reading}_error") for reading in ("train", "test")}
        last = group.drawn_epochs["epoch"].to_list()
        by_epoch: dict[int, Row] = {}
        for reading, curve in curves.items():
            for point in curve.iter_rows(named=True):
                row = by_epoch.setdefault(point["epoch"], {"label": label(group), "epoch": point["epoch"]})
                row |= {
                    "n": point["n"],
                    reading: _short(point["mean"]),
                    f"{reading}_low": _short(point["low"]),
                    f"{reading}_high": _short(point["high"]),
                }
                if point["sd"] is not None:
                    row[f"{reading}_sd"] = _short(point["sd"])
        marked = _marked(max(last, default=0))
        kept = marked | {epoch for epoch in by_epoch if epoch % stride == 0 or epoch <= BEGINNING}
        far = along.of_epoch(group)
        for epoch, row in sorted(by_epoch.items()):
            if epoch in kept:
                at = {} if along is EPOCHS else {"along": _short(epoch * far)}
                rows.append({**row, **at, **({"marked": 1} if epoch in marked else {})})
    return rows


def drawn_every(groups: Sequence[Group]) -> int:
    """Return the stride of epochs at which curves are drawn, so that a panel has about `MOST_POINTS` points."""
    points = sum(group.drawn_epochs["epoch"].n_unique() for group in groups)
    return max(1, math.ceil(points / MOST_POINTS))


def telling(groups: Sequence[Group], label: Label) -> list[Group]:
    """Return the groups whose curves are drawn: all, or where a panel would be too full, the first and the extremes.

    Extremes are those that end with the lowest and the highest test errors, by their mean rank on the data sets:
    every panel shows the same.
    """
    if all(len(on_dataset(groups, dataset)) <= MOST_CURVES for dataset in datasets_of(groups)):
        return list(groups)
    ranks: dict[str, list[float]] = {}
    for dataset in datasets_of(groups):
        own = sorted(on_dataset(groups, dataset), key=_last_error)
        for place, group in enumerate(own):
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


def _short(value: float) -> float:
    return float(f"{value:.4g}")
