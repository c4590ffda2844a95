"""The learning rate as a function of the iteration alone (and of whether the warm-up is still on)."""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass

from reslab.errors import ResLabError
from reslab.recipe import Recipe, unhandled


@dataclass(frozen=True, slots=True)
class Schedule:
    """A recipe's schedule in iterations; an iteration's number is how many were completed before it."""

    base_rate: float
    shape: str
    drops: tuple[int, ...]
    drop_factor: float
    num_iterations: int
    iterations_per_epoch: int
    warmup: str
    warmup_rate: float
    warmup_error: float
    warmup_iterations: int
    final_rate: float
    cycle: tuple[float, float, float]
    """For the one-cycle schedule: the share of the training in which the rate rises, and its first and last value, \
relative to the base rate."""

    @property
    def num_epochs(self) -> int:
        """Passes over the training images; the last may be incomplete."""
        return math.ceil(self.num_iterations / self.iterations_per_epoch)

    def epochs_done(self, iteration: int) -> int:
        """Return the number of epochs that end within the first `iteration` iterations."""
        done, rest = divmod(iteration, self.iterations_per_epoch)
        return done + (rest > 0 and iteration >= self.num_iterations)

    def ends_epoch(self, iteration: int) -> bool:
        """Say whether an epoch ends when `iteration` iterations are completed."""
        return self.epochs_done(iteration) != self.epochs_done(iteration - 1)

    def epoch_end(self, epoch: int) -> int:
        """Return the number of iterations completed when `epoch` (from 0) ends."""
        return min((epoch + 1) * self.iterations_per_epoch, self.num_iterations)

    def milestones(self) -> tuple[int, ...]:
        """Return the epochs (from 1) after which a training is worth a look; never the last.

        They are the first epoch and the last whole epoch before each drop of the rate, or, if the rate changes
        continuously, the first epoch and the middle one.
        """
        if self.shape != "step":
            turns = [self.num_epochs // 2]
        else:
            drops = [drop for drop in self.drops if drop < self.num_iterations and self.drop_factor < 1]
            turns = [drop // self.iterations_per_epoch for drop in drops]
        return self.inner(sorted({1, *turns}))

    def inner(self, epochs: Iterable[int]) -> tuple[int, ...]:
        """Return those of some epochs (from 1) that are not the last."""
        return tuple(epoch for epoch in epochs if 1 <= epoch < self.num_epochs)

    def rate(self, iteration: int, *, warming: bool) -> float:
        """Return the learning rate of an iteration (from 0); `warming` says that the warm-up is still on."""
        if warming:
            risen = (iteration + 1) / self.warmup_iterations if self.warmup == "linear" else 1.0
            return self.warmup_rate * risen
        match self.shape:
            case "step":
                num_drops = sum(iteration >= drop for drop in self.drops)
                return self.base_rate / (1 / self.drop_factor) ** num_drops  # 0.1 / 10 is 0.01; 0.1 * 0.1 is not
            case "linear":
                left = self.num_iterations - iteration
                return self.base_rate * left / (self.num_iterations - self.warmup_iterations)
            case "cosine":
                share = (iteration - self.warmup_iterations) / (self.num_iterations - self.warmup_iterations)
                return _half_cosine(self.base_rate, self.final_rate, share)
            case "one-cycle":
                return self._cycled(iteration)
            case _:
                raise unhandled("schedule", self.shape)

    def _cycled(self, iteration: int) -> float:
        """Return the one-cycle rate: highest in the last iteration of its rise, lowest in the last of all."""
        rise, start, end = self.cycle
        last = self.num_iterations - 1
        peak = max(0.0, rise * self.num_iterations - 1)  # as in PyTorch's OneCycleLR
        if iteration < peak:
            return _half_cosine(start * self.base_rate, self.base_rate, iteration / peak)
        share = (iteration - peak) / (last - peak) if last > peak else 0.0
        return _half_cosine(self.base_rate, end * self.base_rate, share)

    def still_warming(self, iteration: int, *, warming: bool, train_error: float | None = None) -> bool:
        """Say whether the warm-up is still on after `iteration` completed iterations.

        `train_error` (percent) is that of an epoch just completed.  He et al. 2016, section 4.2, warm up "until the
        training error is below 80%"; we check at the end of each epoch, and no warm-up outlasts the first drop,
        whatever the error.
        """
        if not warming or iteration >= self.drops[0]:
            return False
        if self.warmup in ("fixed", "linear"):
            return iteration < self.warmup_iterations
        return train_error is None or train_error >= self.warmup_error


def make_schedule(recipe: Recipe, iterations_per_epoch: int) -> Schedule:
    """Return the schedule of a recipe for a training set with `iterations_per_epoch` iterations an epoch."""
    unit = {"epochs": iterations_per_epoch, "iterations": 1}[recipe.schedule_unit]
    has_length = {"none": False, "until-error": False, "fixed": True, "linear": True}[recipe.warmup]

    def iterations(length: float) -> int:
        return max(1, round(length * unit))

    return Schedule(
        base_rate=recipe.learning_rate,
        shape=recipe.schedule,
        drops=tuple(map(iterations, recipe.drops)),
        drop_factor=recipe.drop_factor,
        num_iterations=iterations(recipe.length),
        iterations_per_epoch=iterations_per_epoch,
        warmup=recipe.warmup,
        warmup_rate=recipe.learning_rate if recipe.warmup == "linear" else recipe.warmup_rate,
        warmup_error=recipe.warmup_error,
        warmup_iterations=iterations(recipe.warmup_length) if has_length else 0,
        final_rate=recipe.final_rate,
        cycle=(recipe.cycle_rise, recipe.cycle_start, recipe.cycle_end),
    )


def _half_cosine(first: float, last: float, share: float) -> float:
    """Interpolate from one rate to another along half a cosine, at a share of the way."""
    return last + (first - last) * (1 + math.cos(math.pi * share)) / 2


def parse_epochs(text: str) -> tuple[int, ...]:
    """Return the epochs (from 1) in a text such as 1,41,82, sorted; none for "none".  Raise `ResLabError` otherwise."""
    if text.strip() == "none":
        return ()
    parts = [part.strip() for part in text.split(",")]
    if not all(re.fullmatch("0*[1-9][0-9]{0,7}", part) for part in parts):
        raise ResLabError(
            f"epochs to keep must be whole numbers from 1, separated by commas, e.g. 1,41,82, or none; not {text!r}"
        )
    return tuple(sorted({int(part) for part in parts}))
