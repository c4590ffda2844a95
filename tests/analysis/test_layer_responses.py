"""Whether deeper networks respond less: planted responses, with noise and without, are judged as they were planted."""

import numpy as np
import pytest

from reslab.analysis.layers import responding_less

FLAT = [1.0] * 18


@pytest.mark.parametrize(
    ("deeper", "found"),
    [
        ([0.8] * 54, "less"),
        ([0.98] * 54, "alike"),  # lower everywhere, by too little to count
        ([1.2] * 54, "otherwise"),
        ([0.2] * 20 + [1.05] * 34, "otherwise"),  # lower on average, by a third of its layers alone
    ],
)
def test_two_depths(deeper: list[float], found: str) -> None:
    assert responding_less({20: FLAT, 56: deeper}) == found


def test_every_step_must_go_down() -> None:
    assert responding_less({20: FLAT, 56: [0.8] * 54, 110: [0.6] * 108}) == "less"
    assert responding_less({20: FLAT, 56: [0.6] * 54, 110: [0.8] * 108}) == "otherwise"
    assert responding_less({20: FLAT}) is None
    assert responding_less({20: FLAT, 56: []}) is None


def test_layers_are_compared_at_the_same_part_of_the_depth() -> None:
    chance = np.random.default_rng(0)
    falling = np.linspace(2, 1, 18) + chance.normal(0, 0.03, 18)
    deeper = 0.8 * np.linspace(2, 1, 54) + chance.normal(0, 0.03, 54)
    assert responding_less({20: list(falling), 56: list(deeper)}) == "less"
