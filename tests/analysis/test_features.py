"""Steps and unrest planted in curves are found where they were put."""

from pathlib import Path

import polars as pl
import pytest

from reslab.analysis.features import at_chance_until, drops_of, leaving_chance, phases, rate_changes, unrest_of, way_of
from reslab.analysis.groups import gather
from reslab.analysis.tidy import read_tables
from reslab.recipe import Run
from synthetic import Truth, small, write_run

RATES = pl.DataFrame({"epoch": range(1, 21), "mean": [0.1] * 10 + [0.01] * 6 + [0.001] * 4})


def _errors(values: list[float]) -> pl.DataFrame:
    return pl.DataFrame({"epoch": range(1, len(values) + 1), "mean": values})


def test_each_fall_of_the_rate_and_its_step_is_found() -> None:
    first, second = rate_changes(RATES, _errors([15.0] * 10 + [9.0] * 6 + [8.5] * 4))
    assert (first.epoch, first.rate_before, first.rate_after) == (10, 0.1, 0.01)
    assert (first.error_before, first.error_after, first.drop, first.reach) == (15.0, 9.0, 6.0, 5)
    assert (second.epoch, second.drop, second.reach) == (16, 0.5, 4)


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
    assert (first.place, first.epochs, len(first.falls), first.told) == (0, [4, 6], 2, True)
    assert (second.place, second.epochs) == (1, [9])
    assert all(fall > 0 for fall in (*first.falls, *second.falls))
    assert [way_of(group) for group in groups] == ["within", "within", "steadily"]
    assert unrest_of(groups[0]) is None  # its phases are too short
    assert leaving_chance(groups[0]) is None
    short = small(8, first_drop=1)
    write_run(tmp_path, Run(short, 0), Truth(3.0, 1.0))
    (once, _) = drops_of([gather(read_tables(tmp_path), "it", short, (0,))])
    assert not once.told


def test_a_seed_that_never_learns_leaves_chance_at_no_epoch(tmp_path: Path) -> None:
    for seed, error in ((0, 3.0), (1, 90.0)):
        write_run(tmp_path, Run(small(8), seed), Truth(error, error))
    group = gather(read_tables(tmp_path), "it", small(8), (0, 1))
    assert leaving_chance(group) == (0, None)
