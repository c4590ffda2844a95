"""Means, spreads, mean curves and windows of epochs, each with the number of seeds behind it (pure)."""

import math
import statistics
from collections.abc import Iterable
from dataclasses import dataclass

import polars as pl

from reslab.recipe import Recipe, images_trained_on


@dataclass(frozen=True, slots=True)
class Summary:
    """A summary of some values; `mean`, `low` and `high` are None without values, `sd` (n-1) without two."""

    n: int
    mean: float | None = None
    sd: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Window:
    """Completed epochs from `first` to `last`, both included."""

    first: int
    last: int


@dataclass(frozen=True, slots=True)
class WindowFigures:
    """Minimum, maximum and mean of a mean curve over a window."""

    low: float
    high: float
    mean: float


def summarise(values: Iterable[float | None]) -> Summary:
    """Summarise the known values; a missing one is left out, not taken as zero."""
    known = [value for value in values if value is not None]
    if not known:
        return Summary(0)
    spread = statistics.stdev(known) if len(known) > 1 else None
    return Summary(len(known), statistics.fmean(known), spread, min(known), max(known))


def mean_curve(epochs: pl.DataFrame, column: str) -> pl.DataFrame:
    """Return epoch, mean, sd (null for one seed), low, high and n of `column`, over the runs that reached the epoch."""
    value = pl.col(column)
    return (
        epochs.filter(value.is_not_null())
        .group_by("epoch")
        .agg(
            mean=value.mean(),
            sd=value.std(ddof=1),
            low=value.min(),
            high=value.max(),
            n=value.len().cast(pl.Int64),
        )
        .sort("epoch")
    )


def schedule_epochs(recipe: Recipe, num_train: int | None) -> tuple[float, ...] | None:
    """Return the length and then the drops in epochs; None where they are iterations and the images are unknown."""
    places = (recipe.length, *recipe.drops)
    if recipe.schedule_unit == "epochs":
        return places
    if not num_train:
        return None
    iterations_an_epoch = math.ceil(num_train / recipe.batch_size)
    return tuple(place / iterations_an_epoch for place in places)


def rounded_schedule(recipe: Recipe, num_train: int | None) -> tuple[float, str, tuple[float, ...]]:
    """Return the length, its unit, and the drops if the rate has any, rounded to hundredths of epochs.

    Iterations stay iterations where the number of images is unknown.
    """
    places = schedule_epochs(recipe, num_train)
    length, *drops = (round(place, 2) for place in places or (recipe.length, *recipe.drops))
    return length, "epochs" if places else recipe.schedule_unit, tuple(drops) if recipe.schedule == "step" else ()


def same_schedule(recipe: Recipe, other: Recipe, epochs_apart: float) -> bool:
    """Return whether the lengths and drops of two schedules lie less than `epochs_apart` from each other.

    False for iterations on a data set of unknown size, which cannot be converted to epochs.
    """
    here, there = (schedule_epochs(one, images_trained_on(one)) for one in (recipe, other))
    if here is None or there is None or len(here) != len(there) or recipe.drop_factor != other.drop_factor:
        return False
    return all(abs(first - second) < epochs_apart for first, second in zip(here, there, strict=True))


def settled_window(recipe: Recipe, num_train: int | None) -> Window | None:
    """Return the window of the assignment's tables, scaled to this recipe's schedule.

    The assignment's window is from epoch 90 to the end, its rate first dropping after epoch 81; another schedule's
    begins at the same place relative to its own first drop (82 epochs: from 46, with the drop at 41), and a very short
    one's at the first epoch wholly after the drop.  None where the rate has no drops, or the length in epochs is
    unknown.
    """
    places = schedule_epochs(recipe, num_train)
    if places is None or recipe.schedule != "step":
        return None
    length, first_drop, *_ = places
    last = max(1, math.ceil(length - 1e-9))
    behind = math.ceil(first_drop - 1e-9) + 1
    return Window(min(last, max(behind, math.floor(first_drop * 90 / 81 + 0.5))), last)


def window_figures(curve: pl.DataFrame, window: Window) -> WindowFigures | None:
    """Return the minimum, maximum and mean of a mean curve over the window; None unless the curve covers all of it."""
    inside = curve.filter(pl.col("epoch").is_between(window.first, window.last))["mean"].to_list()
    if len(inside) != window.last - window.first + 1:
        return None
    return WindowFigures(min(inside), max(inside), statistics.fmean(inside))
