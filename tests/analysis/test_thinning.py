"""Thinned curves: shorter, with every extreme in them."""

import math

import numpy as np

from reslab.analysis.thinning import thinned


def test_of_each_stretch_the_last_and_the_extremes_are_kept() -> None:
    epochs = [*range(1, 101)]
    values = np.sin(np.arange(100) / 3)
    kept = thinned(epochs, [values.tolist()], 10)
    assert len(kept) <= 1 + 3 * 10
    assert kept[0] == 0
    for start in range(0, 100, 10):
        own = values[start : start + 10]
        assert {start + 9, start + own.argmin(), start + own.argmax()} <= set(kept)


def test_what_is_not_finite_is_no_extreme() -> None:
    assert thinned([1, 2, 3, 4, 5], [[1.0, math.inf, 0.5, math.nan, 0.7]], 5) == [0, 2, 4]


def test_a_stretch_of_one_keeps_all_and_nothing_is_nothing() -> None:
    assert thinned([1, 2, 3], [[3.0, 3.0, 3.0]], 1) == [0, 1, 2]
    assert thinned([], [[]], 5) == []


def test_thinning_again_loses_no_extreme() -> None:
    epochs, values = [*range(1, 65)], [float(at * 37 % 64) for at in range(64)]
    once = thinned(epochs, [values], 8)
    twice = thinned([epochs[at] for at in once], [[values[at] for at in once]], 16)
    assert {once[at] for at in twice} == set(thinned(epochs, [values], 16))
