"""Features computed from curves: steps where the rate changes, unrest, and where a curve rises (pure)."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise, takewhile
from typing import Literal

import polars as pl

from reslab.analysis.groups import Group
from reslab.analysis.summary import schedule_epochs

REACH = 5
"""Most epochs averaged on each side of a change of rate; in shorter phases a tenth of the phase, at least one."""
STEPS = 8
"""Fewest steps from epoch to epoch that unrest is estimated from."""
DROPS = 3
"""Most drops of the rate in a step schedule."""
RISES = 4
"""Standard errors, estimated from unrest, that a rise must exceed: a report has many curves."""


@dataclass(frozen=True, slots=True)
class RateChange:
    """A drop of the rate after `epoch` completed epochs; errors are means over `reach` epochs on each side."""

    epoch: int
    error_before: float
    error_after: float
    reach: int

    @property
    def drop(self) -> float:
        """Points by which the error fell."""
        return self.error_before - self.error_after


@dataclass(frozen=True, slots=True)
class Phase:
    """Epochs `first` to `last` at one rate; `unrest` is the RMS step of the error from epoch to epoch."""

    first: int
    last: int
    rate: float
    unrest: float | None


def rate_changes(rates: pl.DataFrame, errors: pl.DataFrame) -> list[RateChange]:
    """Find where the rate drops and how the error steps there, from two mean curves (epoch, mean).

    A rate that falls more often than `DROPS` falls gradually and yields nothing.
    """
    error = _by_epoch(errors)
    changes = []
    for before, after in pairwise(_phases(rates)):
        reach = min(_reach(*before[:2]), _reach(*after[:2]))
        left = [error[epoch] for epoch in range(before[1] - reach + 1, before[1] + 1) if epoch in error]
        right = [error[epoch] for epoch in range(after[0], after[0] + reach) if epoch in error]
        if after[2] < before[2] and left and right:
            means = statistics.fmean(left), statistics.fmean(right)
            changes.append(RateChange(before[1], *means, reach))
    return changes if len(changes) <= DROPS else []


@dataclass(frozen=True, slots=True)
class Rise:
    """A rise of the test error at one rate while the training error falls; `place` 0 is after the first drop.

    Both pairs are means over the first and over the last epochs at that rate.
    """

    place: int
    test: tuple[float, float]
    train: tuple[float, float]


def phases(rates: pl.DataFrame, errors: pl.DataFrame) -> list[Phase]:
    """Return the phases of constant rate, with the unrest of the error in the second half of each.

    In the first half the error still falls, which is not unrest.
    """
    error = _by_epoch(errors)
    found = []
    for first, last, rate in _phases(rates):
        half = [error[epoch] for epoch in range((first + last + 1) // 2, last + 1) if epoch in error]
        steps = [after - before for before, after in pairwise(half)]
        unrest = math.sqrt(statistics.fmean(step * step for step in steps)) if len(steps) >= STEPS else None
        found.append(Phase(first, last, rate, unrest))
    return found


def stands_out(change: RateChange, among: Sequence[Phase]) -> bool:
    """Return whether a step is over three times the unrest of the phase before it, `among` the phases of its curve."""
    before = next((phase for phase in among if phase.last == change.epoch), None)
    return before is not None and before.unrest is not None and change.drop > 3 * before.unrest


def at_chance_until(errors: pl.DataFrame, column: str, num_classes: int, num_images: int) -> int:
    """Return for how many epochs from the start one run's error (epoch, column) is no lower than by guessing.

    Guessing errs on 1 - 1/classes of the images; errors within three standard deviations of that, or within a tenth of
    what guessing gets right, count as guessing.  An unknown error ends the count.
    """
    right = 1 / num_classes
    within = max(3 * math.sqrt(right * (1 - right) / num_images), 0.1 * right)
    count = 0
    for error in errors.sort("epoch")[column].to_list():
        if error is None or error < 100 * (1 - right - within):
            break
        count += 1
    return count


def overshoot(errors: pl.DataFrame) -> float | None:
    """Return by how many points a mean curve (epoch, mean) ends above its lowest value; None without epochs."""
    means = errors["mean"].to_list()
    return means[-1] - min(means) if means else None


@dataclass(frozen=True, slots=True)
class Drop:
    """How the test curves of some groups step at one drop of the rate, the first at `place` 0.

    `epochs` are the different epochs after which the rate drops, sorted; `falls` are the points by which each curve
    falls; `sharp` says that all of them stand out.
    """

    place: int
    epochs: list[int]
    falls: list[float]
    sharp: bool


def drops_of(groups: Sequence[Group]) -> list[Drop]:
    """Return how the curves of groups with step schedules fall at each drop of the rate.

    A drop after a single epoch is left out: the error falls there by learning, whatever the rate.
    """
    steps = []
    for group in groups:
        if group.recipe.schedule == "step":
            curves, among = _curves(group), phases(*_curves(group))
            steps.append([(change, stands_out(change, among)) for change in rate_changes(*curves)])
    found = []
    for place in range(max(map(len, steps), default=0)):
        here = [own[place] for own in steps if len(own) > place and own[place][0].epoch > 1]
        if not here:
            continue
        epochs, falls = sorted({change.epoch for change, _ in here}), [change.drop for change, _ in here]
        found.append(Drop(place, epochs, falls, all(sharp for _, sharp in here)))
    return found


def rises_of(group: Group) -> list[Rise]:
    """Return after which drops of the rate a group's mean test curve rises by more than its unrest explains.

    The means are over as many epochs as for a step; phases of unknown unrest are skipped.
    """
    rates, test = _curves(group)
    errors = [_by_epoch(curve) for curve in (test, group.finished_curve("train_error"))]
    found = []
    places = {change.epoch + 1: place for place, change in enumerate(rate_changes(rates, test))}
    for place, phase in ((places[phase.first], phase) for phase in phases(rates, test) if phase.first in places):
        reach = _reach(phase.first, phase.last)
        early, late = range(phase.first, phase.first + reach), range(phase.last - reach + 1, phase.last + 1)
        ends = [[error[epoch] for epoch in part if epoch in error] for error in errors for part in (early, late)]
        if phase.unrest is None or not all(ends):
            continue
        before, after, high, low = map(statistics.fmean, ends)
        if after - before > RISES * phase.unrest / math.sqrt(reach) and low < high:
            found.append(Rise(place, (before, after), (high, low)))
    return found


def unrest_of(group: Group) -> tuple[float, float] | None:
    """Return the unrest of a group's test curve in its first and last phase where known; None unless two are."""
    known = [phase.unrest for phase in phases(*_curves(group)) if phase.unrest is not None]
    return (known[0], known[-1]) if len(known) > 1 else None


def way_of(group: Group) -> Literal["steadily", "constant", "within"]:
    """Return why a curve shows no drops of the rate: it changes "steadily", is "constant", or drops "within" epochs."""
    recipe = group.recipe
    if recipe.schedule != "step":
        return "steadily"
    return "constant" if recipe.drop_factor == 1 or recipe.first_drop >= recipe.length else "within"


def leaving_chance(group: Group) -> tuple[int | None, int | None] | None:
    """Return after how many epochs of guessing on the training images the first and the last seed learn.

    Either is None where that seed never learns; the result is None where no seed guesses, or the number of images or
    classes is unknown.
    """
    classes, images = group.number("num_classes"), group.number("num_train")
    if not classes or not images:
        return None
    runs = group.finished_epochs.partition_by("run_id")
    counts = sorted((at_chance_until(own, "train_error", classes, images), own.height) for own in runs)
    if not counts or not counts[-1][0]:
        return None
    first, last = (count if count < length else None for count, length in (counts[0], counts[-1]))
    return first, last


def warmup_epochs(group: Group) -> tuple[int, int, float] | None:
    """Return the fewest and most epochs a group's warm-up lasted in its finished runs, and those to the first drop.

    No warm-up outlasts that drop, after which the rate may be the warm-up's again.  None where none lasted an epoch, or
    the number of images is unknown.
    """
    recipe, places = group.recipe, schedule_epochs(group.recipe, group.number("num_train"))
    if recipe.warmup == "none" or not places or len(places) < 2:
        return None
    most, limit = places[1], recipe.warmup_rate * (1 + 1e-6)
    runs = group.finished_epochs.sort("epoch").filter(pl.col("epoch") <= most).partition_by("run_id")
    lasted = [sum(1 for _ in takewhile(lambda rate: rate <= limit, run["rate"])) for run in runs]
    return (min(lasted), max(lasted), most) if any(lasted) else None


def _curves(group: Group) -> tuple[pl.DataFrame, pl.DataFrame]:
    return group.finished_curve("rate"), group.finished_curve("test_error")


def _by_epoch(curve: pl.DataFrame) -> dict[int, float]:
    return dict(zip(curve["epoch"].to_list(), curve["mean"].to_list(), strict=True))


def _reach(first: int, last: int) -> int:
    """Return how many epochs of a phase an error is averaged over."""
    return max(1, min(REACH, (last - first + 1) // 10))


def _phases(rates: pl.DataFrame) -> list[tuple[int, int, float]]:
    """Return the first epoch, last epoch and rate of each stretch of constant rate."""
    stretches: list[tuple[int, int, float]] = []
    for epoch, rate in zip(rates["epoch"].to_list(), rates["mean"].to_list(), strict=True):
        if stretches and math.isclose(stretches[-1][2], rate, rel_tol=1e-6) and stretches[-1][1] == epoch - 1:
            stretches[-1] = (stretches[-1][0], epoch, rate)
        else:
            stretches.append((epoch, epoch, rate))
    return stretches
