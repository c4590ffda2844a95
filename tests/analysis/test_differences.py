"""Differences and their intervals, against Student's table and arithmetic by hand."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reslab.analysis.differences import Difference, by_images_alone, difference, from_single
from reslab.analysis.summary import summarise

T_2, T_4 = 4.3026527, 2.7764451
"""Student's t, two-sided 95%, for 2 and 4 degrees of freedom."""


def test_two_means_by_hand() -> None:
    found = difference(summarise([1.0, 2.0, 3.0]), summarise([4.0, 5.0, 6.0]))
    assert found is not None
    assert found.value == 3.0
    assert found.margin == pytest.approx(T_4 * math.sqrt(2 / 3), rel=1e-6)
    assert found.resolved


def test_a_difference_inside_its_margin_is_not_resolved() -> None:
    found = difference(summarise([1.0, 2.0, 3.0]), summarise([3.0, 4.0, 5.0]))
    assert found is not None
    assert not found.resolved


def test_means_that_are_exactly_alike_are_not_resolved() -> None:
    found = difference(summarise([2.0, 2.0]), summarise([2.0, 2.0]))
    assert found is not None
    assert (found.value, found.margin, found.resolved) == (0.0, 0.0, False)


def test_one_seed_has_no_margin_and_resolves_nothing() -> None:
    found = difference(summarise([1.0]), summarise([9.0, 9.1, 9.2]))
    assert found is not None
    assert found.margin is None
    assert not found.resolved


def test_no_value_no_difference() -> None:
    assert difference(summarise([]), summarise([1.0, 2.0])) is None
    assert from_single(8.0, summarise([None])) is None


def test_seeds_that_agree_by_chance_still_have_the_spread_of_one_image() -> None:
    same, other = summarise([2.0, 2.0]), summarise([2.3, 2.3])
    exact, coarse = difference(same, other), difference(same, other, resolution=0.28)
    assert exact is not None
    assert coarse is not None
    assert exact.resolved
    assert coarse.margin == pytest.approx(T_2 * 0.28, rel=1e-6)
    assert not coarse.resolved


def test_a_single_published_run_is_compared_with_one_more_of_ours() -> None:
    found = from_single(8.0, summarise([8.0, 9.0, 10.0]))
    assert found is not None
    assert found.value == 1.0
    assert found.margin == pytest.approx(T_2 * math.sqrt(4 / 3), rel=1e-6)
    assert (found.start, found.seeds) == (8.0, (3,))


def test_equal_networks_differ_by_the_draw_of_images_as_often_as_it_says() -> None:
    counts = np.random.default_rng(0).binomial(10_000, 0.14, (20_000, 2)) / 100
    beyond = np.abs(counts[:, 0] - counts[:, 1]) > by_images_alone(14.0, 14.0, 10_000)
    assert beyond.mean() == pytest.approx(0.05, abs=0.005)


errors = st.lists(st.floats(0, 100), min_size=2, max_size=5)


@given(errors, errors)
def test_the_other_way_round_is_the_same_with_the_other_sign(first: list[float], second: list[float]) -> None:
    there, back = difference(summarise(first), summarise(second)), difference(summarise(second), summarise(first))
    assert there is not None
    assert back is not None
    assert there.value == -back.value
    assert there.margin == pytest.approx(back.margin)


def test_an_interval_reaches_to_no_error_below_zero_or_above_a_hundred() -> None:
    wide = Difference(56.0, 108.0, 2, 2, freedom=2)
    assert wide.ends() == pytest.approx((-52, 164))
    measured, published = replace(wide, start=12.0), replace(wide, start=12.0, published=True)
    assert measured.ends() == pytest.approx((-52, 100))  # the 12% may be off, too
    assert published.ends() == pytest.approx((-12, 88))
    assert (wide.cut(), measured.cut(), published.cut()) == ((False, False), (False, True), (True, True))
    assert replace(published, start=70.0).cut() == (False, True)
    assert Difference(-12.0, 0.0, 1, 2, freedom=1, start=12.0, published=True).cut() == (False, False)
    assert Difference(56.0, None, 2, 1).ends() is None
