"""Where errors stand: no mark hides another."""

from reslab.analysis.places import epoch_ticks, log_ticks, spread_out


def test_values_close_together_get_lanes_of_their_own() -> None:
    assert spread_out([1.0, 2.0, 1.05, 2.05, 1.1, 3.0], 0.2) == [0, 0, 1, 1, 2, 0]


def test_a_logarithmic_axis_goes_from_round_number_to_round_number() -> None:
    assert log_ticks([0.9, 3.0]) == (0.8, 3.0, [0.8, 1.0, 1.5, 2.0, 3.0])
    low, high, ticks = log_ticks([0.003, 700.0])
    assert (low, high) == (0.001, 1000.0)
    assert ticks == [0.001, 0.01, 0.1, 1.0, 10.0, 100.0, 1000.0]


def test_epochs_have_ticks_at_whole_ones_only() -> None:
    assert epoch_ticks(1) == [0, 1]
    assert epoch_ticks(90) == [*range(0, 91, 10)]
    assert epoch_ticks(91) == [0, 20, 40, 60, 80]
