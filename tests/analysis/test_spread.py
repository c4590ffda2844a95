"""What seeds vary by, shared across groups: known spreads are found again, and a wild group keeps its own."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import polygamma

from reslab.analysis.differences import difference, with_spreads
from reslab.analysis.spread import Own, Prior, common, fit, inverse_trigamma, share
from reslab.analysis.summary import summarise


def _groups(spreads: list[float], seeds: int, draw: int) -> list[list[float]]:
    chance = np.random.default_rng(draw)
    return [list(8 + spread * chance.standard_normal(seeds)) for spread in spreads]


def _owns(groups: list[list[float]]) -> list[Own]:
    return [Own(float(np.var(values, ddof=1)), len(values) - 1) for values in groups]


@given(st.floats(1e-6, 1e8))
def test_the_inverse_of_trigamma_is_one(value: float) -> None:
    assert float(polygamma(1, inverse_trigamma(value))) == pytest.approx(value, rel=1e-4)


def test_equal_spreads_are_pooled() -> None:
    prior, apart = common(_owns(_groups([0.15] * 400, 2, 0)))
    assert prior is not None
    assert not apart
    assert math.sqrt(prior.scale) == pytest.approx(0.15, rel=0.05)
    assert prior.freedom > 20


def test_three_groups_share_a_spread_and_two_do_not() -> None:
    groups = [Own(1.0, 2), Own(1.1, 2), Own(1.2, 2)]
    assert common(groups[:2]) == (None, frozenset())
    prior, apart = common(groups)
    assert prior is not None
    assert (prior.basis, apart) == (6.0, frozenset())


@pytest.mark.parametrize("freedom", [2.0, 6.0])
def test_how_much_the_spreads_differ_is_found_again(freedom: float) -> None:
    chance = np.random.default_rng(3)
    variances = 0.15**2 * freedom / chance.chisquare(freedom, 4000)
    owns = [Own(float(variance * chance.chisquare(2) / 2), 2) for variance in variances]
    assert fit(owns).freedom == pytest.approx(freedom, rel=0.2)


def test_the_moderated_variance_by_hand() -> None:
    prior = Prior(scale=2.0, freedom=3.0, basis=10.0)
    spread = prior.moderate(Own(variance=6.0, freedom=1, unit=0.5))
    assert spread.variance == pytest.approx((3 * 2.0 * 0.5 + 1 * 6.0) / 4)
    assert spread.freedom == 4


def test_nobody_knows_more_than_all_seeds_together_tell() -> None:
    endless = Prior(scale=1.0, freedom=math.inf, basis=7.0)
    assert endless.moderate(Own(1.0, 1)).freedom == 7
    assert endless.assume(4.0).freedom == 7
    assert endless.assume(4.0).variance == 4


def test_two_groups_share_nothing() -> None:
    assert common([Own(1.0, 2), Own(4.0, 2)]) == (None, frozenset())


def test_a_wild_group_keeps_its_own_spread_and_gives_nothing_to_the_others() -> None:
    calm = _groups([0.15] * 7, 3, 5)
    wild = [8.0, 12.0, 15.0]
    with_it, without = common(_owns([*calm, wild])), common(_owns(calm))
    assert with_it == (without[0], frozenset({7}))
    assert share(_owns([*calm, wild]), *with_it)[7].variance == pytest.approx(np.var(wild, ddof=1))


def test_units_make_spreads_of_small_and_large_errors_alike() -> None:
    owns = [Own(unit * 0.5 * factor, 2, unit) for unit in (0.1, 1.0, 10.0) for factor in (0.8, 1.0, 1.2)]
    prior, _ = common(owns)
    assert prior is not None
    assert prior.freedom == math.inf
    assert prior.scale == pytest.approx(0.5)


def _studies(num: int) -> list[list[list[float]]]:
    return [_groups([0.15] * 7, 2, draw) for draw in range(num)]


def test_intervals_of_two_seeds_cover_and_are_a_third_as_wide() -> None:
    covered, widths, welch = 0, [], []
    studies = _studies(600)
    for groups in studies:
        owns = _owns(groups)
        prior, apart = common(owns)
        first, second = (summarise(values) for values in groups[:2])
        moderated = with_spreads(first, second, share(owns, prior, apart)[:2], sum(own.freedom for own in owns))
        alone = difference(first, second)
        assert moderated is not None
        assert alone is not None
        assert moderated.margin is not None
        assert alone.margin is not None
        covered += abs(moderated.value) <= moderated.margin
        widths.append(moderated.margin)
        welch.append(alone.margin)
    assert covered / len(studies) == pytest.approx(0.95, abs=0.02)
    assert np.median(widths) < np.median(welch) / 1.8


def test_the_edge_of_divergence_is_set_apart_where_the_others_differ_too() -> None:
    """As learning rates do: their spreads differ so much that almost any would be like them."""
    calm = [Own(variance**2, 1) for variance in (0.02, 0.03, 0.13, 0.13, 0.25, 0.35, 0.5, 0.6, 0.7, 0.8, 1.1, 1.2)]
    prior, apart = common([*calm, Own(30.0**2, 1)])
    assert apart == frozenset({len(calm)})
    assert prior == fit(calm)
    assert prior is not None
    assert prior.freedom < 4
