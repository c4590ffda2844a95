"""Means, spreads and windows, against numbers worked out by hand."""

import polars as pl
import pytest

from reslab.analysis.summary import (
    Summary,
    Window,
    WindowFigures,
    mean_curve,
    schedule_epochs,
    settled_window,
    summarise,
    window_figures,
)
from reslab.recipe import Recipe, stretch


def test_the_standard_deviation_is_that_of_a_sample() -> None:
    summary = summarise([2.0, 4.0, 9.0])
    assert (summary.n, summary.mean, summary.low, summary.high) == (3, 5.0, 2.0, 9.0)
    assert summary.sd == pytest.approx(13**0.5)


def test_a_missing_value_is_left_out_never_a_zero() -> None:
    assert summarise([None, 4.0]) == Summary(1, 4.0, None, 4.0, 4.0)
    assert summarise([None]) == Summary(0, None, None, None, None)


def test_a_mean_curve_counts_the_seeds_that_reached_each_epoch() -> None:
    epochs = pl.DataFrame({"epoch": [1, 1, 2, 2, 3], "test_error": [10.0, 14.0, 6.0, None, 5.0]})
    curve = mean_curve(epochs, "test_error")
    assert curve["epoch"].to_list() == [1, 2, 3]
    assert curve["mean"].to_list() == [12.0, 6.0, 5.0]
    assert curve["n"].to_list() == [2, 1, 1]
    assert curve["sd"].to_list() == [pytest.approx(8**0.5), None, None]
    assert (curve["low"].to_list(), curve["high"].to_list()) == ([10.0, 6.0, 5.0], [14.0, 6.0, 5.0])


@pytest.mark.parametrize(
    ("recipe", "window"),
    [
        (Recipe(), Window(90, 164)),
        (Recipe(length=350), Window(90, 350)),
        (stretch(Recipe(), 82), Window(46, 82)),
        (stretch(Recipe(), 328), Window(180, 328)),
        (stretch(Recipe(), 10), Window(6, 10)),
        (stretch(Recipe(), 8), Window(5, 8)),
        (stretch(Recipe(), 2), Window(2, 2)),
        (stretch(Recipe(), 1), Window(1, 1)),
    ],
)
def test_the_window_starts_where_the_assignments_does_on_its_schedule(recipe: Recipe, window: Window) -> None:
    assert settled_window(recipe, 50_000) == window


def test_a_schedule_in_iterations_needs_the_number_of_images() -> None:
    paper = Recipe(schedule_unit="iterations", length=64_000, first_drop=32_000, second_drop=48_000)
    assert schedule_epochs(paper, None) is None
    assert settled_window(paper, None) is None
    assert schedule_epochs(paper, 50_000) == pytest.approx((64_000 / 391, 32_000 / 391, 48_000 / 391))
    assert settled_window(paper, 50_000) == Window(91, 164)


def test_window_figures_are_of_the_mean_curve_and_need_all_of_it() -> None:
    curve = pl.DataFrame({"epoch": [1, 2, 3, 4], "mean": [50.0, 9.0, 7.0, 8.0]})
    assert window_figures(curve, Window(2, 4)) == WindowFigures(low=7.0, high=9.0, mean=8.0)
    assert window_figures(curve, Window(2, 5)) is None
