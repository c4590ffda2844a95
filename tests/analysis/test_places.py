"""Where errors stand: no mark hides another."""

from reslab.analysis.places import spread_out


def test_values_close_together_get_lanes_of_their_own() -> None:
    assert spread_out([1.0, 2.0, 1.05, 2.05, 1.1, 3.0], 0.2) == [0, 0, 1, 1, 2, 0]
