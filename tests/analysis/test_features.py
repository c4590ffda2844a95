"""Steps, unrest and rises planted in curves are found where they were put."""

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from reslab.analysis.features import (
    Rise,
    at_chance_until,
    drops_of,
    leaving_chance,
    overshoot,
    phases,
    rate_changes,
    rises_of,
    unrest_of,
    way_of,
)
from reslab.analysis.groups import Group, gather
from reslab.analysis.tidy import read_tables
from reslab.recipe import Run
from synthetic import Truth, small, write_run

RATES = pl.DataFrame({"epoch": range(1, 21), "mean": [0.1] * 10 + [0.01] * 6 + [0.001] * 4})


def _errors(values: list[float]) -> pl.DataFrame:
    return pl.DataFrame({"epoch": range(1, len(values) + 1), "mean": values})


def test_each_fall_of_the_rate_and_its_step_is_found() -> None:
    first, second = rate_changes(RATES, _errors([15.0] * 10 + [9.0] * 6 + [8.5] * 4))
    assert first.epoch == 10
    assert (first.error_before, first.error_after, first.drop) == (15.0, 9.0, 6.0)
    assert (second.epoch, second.drop) == (16, 0.5)


@pytest.mark.parametrize(
    ("before", "after", "reach"),
    [
        (10, 6, 1),  # in short phases a single epoch
        (19, 90, 1),
        (40, 30, 3),  # a tenth of the shorter
        (49, 90, 4),
        (50, 90, 5),
        (200, 300, 5),  # and no more than five
    ],
)
def test_a_step_is_told_from_a_tenth_of_the_shorter_phase(before: int, after: int, reach: int) -> None:
    rates = pl.DataFrame({"epoch": range(1, before + after + 1), "mean": [0.1] * before + [0.01] * after})
    near = [80.0] * (before - reach) + [20.0] * reach + [10.0] * reach + [60.0] * (after - reach)
    (change,) = rate_changes(rates, _errors(near))
    assert (change.reach, change.error_before, change.error_after) == (reach, 20.0, 10.0)
    (change,) = rate_changes(rates, _errors([80.0] * (before - 1) + [20.0, 10.0] + [60.0] * (after - 1)))
    assert change.error_before == pytest.approx((80 * (reach - 1) + 20) / reach)
    assert change.error_after == pytest.approx((60 * (reach - 1) + 10) / reach)


def test_a_rise_of_the_rate_is_no_fall() -> None:
    warmed = pl.DataFrame({"epoch": range(1, 11), "mean": [0.01] * 2 + [0.1] * 8})
    assert rate_changes(warmed, _errors([50.0] * 10)) == []


def test_unrest_is_the_typical_step_in_the_second_half_of_a_phase() -> None:
    saw = [90.0 - 8 * step for step in range(9)] + [12.0, 10.0] * 5
    longer = pl.DataFrame({"epoch": range(1, 52), "mean": [0.1] * 19 + [0.01] * 18 + [0.001] * 14})
    first, second, third = phases(longer, _errors(saw + [8.0] * 18 + [7.0] * 14))
    assert first.unrest is not None
    assert first.unrest == 2.0
    assert second.unrest == 0.0
    assert third.unrest is None


@pytest.mark.parametrize(
    ("errors", "num_classes", "num_images", "until"),
    [
        ([90.0, 89.3, 90.4, 70.0, 90.0], 10, 50_000, 3),  # a return to chance is not the beginning
        ([88.9, 60.0], 10, 50_000, 0),  # eleven standard deviations better than guessing
        ([99.0, 98.9, 98.5], 100, 50_000, 2),
        ([87.0, 84.0], 10, 360, 1),  # few images: within three standard deviations, and not
        ([90.0, None, 90.0], 10, 50_000, 1),
        ([90.0] * 5, 10, 50_000, 5),
    ],
)
def test_epochs_of_guessing_are_counted_from_the_start(
    errors: list[float | None], num_classes: int, num_images: int, until: int
) -> None:
    curve = pl.DataFrame({"epoch": range(1, len(errors) + 1), "train_error": errors}).sample(
        fraction=1, shuffle=True, seed=0
    )
    assert at_chance_until(curve, "train_error", num_classes, num_images) == until


def test_curves_of_groups_step_at_each_drop_and_seeds_leave_chance_apart(tmp_path: Path) -> None:
    recipes = [small(8, learning_rate=0.2), small(8, first_drop=4), small(8, schedule="cosine")]
    for recipe in recipes:
        write_run(tmp_path, Run(recipe, 0), Truth(3.0, 1.0))
    groups = [gather(read_tables(tmp_path), recipe.id, recipe, (0,)) for recipe in recipes]
    first, second = drops_of(groups)
    assert (first.place, first.epochs, len(first.falls)) == (0, [4, 6], 2)
    assert (second.place, second.epochs) == (1, [9])
    assert all(fall > 0 for fall in (*first.falls, *second.falls))
    assert [way_of(group) for group in groups] == ["within", "within", "steadily"]
    assert unrest_of(groups[0]) is None  # its phases are too short
    assert leaving_chance(groups[0]) is None
    short = small(8, first_drop=1)
    write_run(tmp_path, Run(short, 0), Truth(3.0, 1.0))
    learning = gather(read_tables(tmp_path), "it", short, (0,))
    assert [drop.place for drop in drops_of([learning])] == [1]  # after one epoch it would fall anyway
    assert drops_of([learning, groups[0]])[0].epochs == [6]


def test_a_seed_that_never_learns_leaves_chance_at_no_epoch(tmp_path: Path) -> None:
    for seed, error in ((0, 3.0), (1, 90.0)):
        write_run(tmp_path, Run(small(8), seed), Truth(error, error))
    group = gather(read_tables(tmp_path), "it", small(8), (0, 1))
    assert leaving_chance(group) == (0, None)


def test_how_far_a_curve_ends_above_its_lowest_place() -> None:
    assert overshoot(_errors([9.0, 7.5, 7.0, 8.25])) == 1.25
    assert overshoot(_errors([9.0, 8.0])) == 0
    assert overshoot(_errors([])) is None


LONG = small(8, length=60, first_drop=20, second_drop=40)


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Sequence[float], Sequence[float]], Group]:
    """Return what makes a group of three phases of twenty epochs with these test and training errors."""
    root = tmp_path_factory.mktemp("long")
    write_run(root, Run(LONG, 0), Truth(3.0, 1.0))
    group = gather(read_tables(root), "it", LONG, (0,))

    def curves(test: Sequence[float], train: Sequence[float]) -> Group:
        columns = {"test_error": test, "train_error": train}
        epochs = group.epochs.with_columns(pl.Series(name, values) for name, values in columns.items())
        return replace(group, epochs=epochs, _known={})

    return curves


Curves = Callable[[Sequence[float], Sequence[float]], Group]
FALLING = [8.0 - 0.125 * epoch for epoch in range(60)]
RISING = [10.0 + 0.25 * epoch for epoch in range(20)]


def test_a_planted_rise_is_found_where_it_is_and_as_high_as_it_is(long: Curves) -> None:
    (first,) = rises_of(long([20.0] * 20 + RISING + [9.0] * 20, FALLING))
    # Means over two epochs of twenty, after the first 20: of 0.25 and 0.125 an epoch, 18 epochs apart.
    assert first == Rise(0, (10.125, 14.625), (5.4375, 3.1875))
    (second,) = rises_of(long([20.0] * 20 + [9.0] * 20 + RISING, FALLING))
    assert (second.place, second.test) == (1, (10.125, 14.625))
    assert rises_of(long(RISING + [9.0] * 40, FALLING)) == []  # before the first drop the rate alone may do it


def test_what_falls_or_is_not_learnt_meanwhile_is_no_rise(long: Curves) -> None:
    assert rises_of(long([20.0] * 20 + RISING[::-1] + [9.0] * 20, FALLING)) == []
    assert rises_of(long([20.0] * 20 + RISING + [9.0] * 20, FALLING[::-1])) == []


def test_an_epoch_without_an_error_is_left_out(long: Curves) -> None:
    test = [20.0] * 20 + [float("nan"), *RISING[1:]] + [9.0] * 20
    group = long(test, FALLING)
    whole = replace(group, epochs=group.epochs.with_columns(pl.col("test_error").fill_nan(None)), _known={})
    (rise,) = rises_of(whole)
    assert rise.test == (10.25, 14.625)  # the second of the first two epochs alone


def test_noise_is_no_rise(long: Curves) -> None:
    """Four times as much as such means usually differ is a chance of a few in a thousand."""
    chance = random.Random(0)
    curves = ([chance.gauss(10, 0.5) for _ in range(60)] for _ in range(100))
    assert sum(len(rises_of(long(errors, FALLING))) for errors in curves) <= 3  # of 200 phases
    unrest = [10.0 + (epoch % 2) for epoch in range(60)]
    slightly = [error + 0.05 * (epoch % 20) for epoch, error in enumerate(unrest)]
    assert rises_of(long(unrest, FALLING)) == rises_of(long(slightly, FALLING)) == []


def test_of_phases_too_short_for_their_unrest_no_rise_is_told(tmp_path: Path) -> None:
    write_run(tmp_path, Run(small(8), 0), Truth(3.0, 1.0))
    group = gather(read_tables(tmp_path), "it", small(8), (0,))
    rising = group.epochs.with_columns(test_error=pl.col("epoch").cast(pl.Float64))
    assert rises_of(replace(group, epochs=rising, _known={})) == []


@pytest.mark.parametrize("warmup", [[], [0.01], [0.02, 0.04, 0.06, 0.08, 0.099]], ids=["none", "fixed", "linear"])
def test_a_rise_is_put_to_its_drop_whatever_warm_up_there_was(long: Curves, warmup: list[float]) -> None:
    group = long([20.0] * 20 + RISING + [9.0] * 20, FALLING)
    rates = warmup + ([0.1] * 20 + [0.01] * 20 + [0.001] * 20)[len(warmup) :]
    warm = replace(group, epochs=group.epochs.with_columns(pl.Series("rate", rates)), _known={})
    assert [rise.place for rise in rises_of(warm)] == [0]
