"""Steps and unrest planted in curves are found where they were put."""

import polars as pl

from reslab.analysis.features import phases, rate_changes

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
    saw = [90.0, 60.0, 40.0, 30.0, 20.0, 10.0, 12.0, 10.0, 12.0, 10.0]
    longer = pl.DataFrame({"epoch": range(1, 23), "mean": [0.1] * 10 + [0.01] * 8 + [0.001] * 4})
    first, second, third = phases(longer, _errors(saw + [8.0] * 8 + [7.0] * 4))
    assert first.unrest is not None
    assert first.unrest == 2.0
    assert second.unrest == 0.0
    assert third.unrest is None
