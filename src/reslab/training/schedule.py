"""The learning rate of every iteration, as a function of the iteration alone (and of whether it still warms up)."""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass

from reslab.errors import ResLabError
from reslab.recipe import Recipe, unhandled


@dataclass(frozen=True, slots=True)
class Schedule:
    """A recipe's schedule counted in iterations; an iteration's number is that of the ones completed before it."""

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
    """Of the one-cycle schedule: the share of the training in which it rises, and where it starts and ends, in base \
rates."""

    @property
    def num_epochs(self) -> int:
        """Passes over the training images, the last of which may be cut short."""
        return math.ceil(self.num_iterations / self.iterations_per_epoch)

    def epochs_done(self, iteration: int) -> int:
        """Return the number of epochs whose last iteration is among the first `iteration` ones."""
        done, rest = divmod(iteration, self.iterations_per_epoch)
        return done + (rest > 0 and iteration >= self.num_iterations)

    def ends_epoch(self, iteration: int) -> bool:
        """Say whether the last of the first `iteration` iterations is the last of an epoch."""
        return self.epochs_done(iteration) != self.epochs_done(iteration - 1)

    def epoch_end(self, epoch: int) -> int:
        """Return the number of iterations completed when `epoch` (from 0) ends."""
        return min((epoch + 1) * self.iterations_per_epoch, self.num_iterations)

    def milestones(self) -> tuple[int, ...]:
        """Return the epochs (from 1) after which a training is worth a look: never the last, after which it is over.

        They are the first one and the last whole one before each drop of the rate, or that at half of a rate that
        changes all the time.
        """
        if self.shape != "step":
            turns = [self.num_epochs // 2]
        else:
            drops = [drop for drop in self.drops if drop < self.num_iterations and self.drop_factor < 1]
            turns = [drop // self.iterations_per_epoch for drop in drops]
        return self.inner(sorted({1, *turns}))

    def inner(self, epochs: Iterable[int]) -> tuple[int, ...]:
        """Return those of some epochs (from 1) after which the training goes on."""
        return tuple(epoch for epoch in epochs if 1 <= epoch < self.num_epochs)

    def rate(self, iteration: int, *, warming: bool) -> float:
        """Return the learning rate of an iteration (from 0); `warming` says that the warm-up has not ended."""
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
        """Return the rate of the one-cycle schedule: highest in the last iteration of its rise, lowest in the last."""
        rise, start, end = self.cycle
        last = self.num_iterations - 1
        peak = max(0.0, rise * self.num_iterations - 1)  # as PyTorch's OneCycleLR has it
        if iteration < peak:
            return _half_cosine(start * self.base_rate, self.base_rate, iteration / peak)
        share = (iteration - peak) / (last - peak) if last > peak else 0.0
        return _half_cosine(self.base_rate, end * self.base_rate, share)

    def still_warming(self, iteration: int, *, warming: bool, train_error: float | None = None) -> bool:
        """Say whether the warm-up goes on after `iteration` completed ones.

        `train_error` (percent) is that of an epoch just completed.  He et al. 2016, section 4.2, warm up
        "until the training error is below 80%"; we look at the end of each epoch, and whatever the error, no
        warm-up outlasts the first drop.
        """
        if not warming or iteration >= self.drops[0]:
            return False
        if self.warmup in ("fixed", "linear"):
            return iteration < self.warmup_iterations
        return train_error is None or train_error >= self.warmup_error


def make_schedule(recipe: Recipe, iterations_per_epoch: int) -> Schedule:
    """Return the schedule of a recipe for a training set that takes so many iterations an epoch."""
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
    """Return what lies at a share of the way from one rate to another, which starts and ends level."""
    return last + (first - last) * (1 + math.cos(math.pi * share)) / 2


def parse_epochs(text: str) -> tuple[int, ...]:
    """Return the epochs (from 1) in a text as in 1,41,82, sorted, and none for "none"; raise `ResLabError`."""
    if text.strip() == "none":
        return ()
    parts = [part.strip() for part in text.split(",")]
    if not all(re.fullmatch("0*[1-9][0-9]{0,7}", part) for part in parts):
        raise ResLabError(
            f"epochs to keep are whole numbers from 1, separated by commas, e.g. 1,41,82, or none; not {text!r}"
        )
    return tuple(sorted({int(part) for part in parts}))
