"""Verdicts on planted truths: what is there is found, what is not is not claimed, over many draws of noise."""

import random

import pytest
from scipy import stats

from reslab.analysis.differences import Difference, difference, paired_difference
from reslab.analysis.summary import summarise
from reslab.analysis.verdicts import Verdict, equal_within, holm, judge, p_value, seeds_to_resolve

DRAWS = 200


def _draw(generator: random.Random, mean: float, n: int, noise: float = 0.15) -> list[float]:
    return [generator.gauss(mean, noise) for _ in range(n)]


def _verdicts(effect: float, n: int = 3, draws: int = DRAWS) -> list[Verdict]:
    generator = random.Random(f"{effect}/{n}")
    found = []
    for _ in range(draws):
        first, second = (summarise(_draw(generator, mean, n)) for mean in (8.0, 8.0 + effect))
        one = difference(first, second)
        assert one is not None
        found += judge([one])
    return found


def _share(verdicts: list[Verdict], kind: str) -> float:
    return sum(verdict.kind == kind for verdict in verdicts) / len(verdicts)


def test_half_a_point_is_found_with_three_seeds_of_usual_noise() -> None:
    found = _verdicts(-0.5)
    assert _share(found, "lower") > 0.7
    assert _share(found, "higher") == 0


def test_no_effect_is_claimed_no_more_often_than_the_level_allows() -> None:
    found = _verdicts(0.0)
    assert _share(found, "lower") + _share(found, "higher") < 0.09
    assert _share(found, "equal") > 0.6


def test_a_difference_of_the_margin_is_seldom_called_equal() -> None:
    assert _share(_verdicts(0.5), "equal") < 0.09


def test_twelve_comparisons_without_an_effect_claim_one_no_more_often_than_one_does() -> None:
    generator, families = random.Random(12), 0
    for _ in range(DRAWS):
        base = summarise(_draw(generator, 8.0, 3))
        others = [difference(base, summarise(_draw(generator, 8.0, 3))) for _ in range(12)]
        families += any(verdict.resolved for verdict in judge([one for one in others if one is not None]))
    assert families / DRAWS < 0.09


def test_a_spread_twenty_times_the_other_claims_no_more_than_the_level_allows() -> None:
    generator, found = random.Random(20), []
    for _ in range(5 * DRAWS):
        quiet, wild = summarise(_draw(generator, 8.0, 3)), summarise(_draw(generator, 8.0, 3, 3.0))
        one = difference(quiet, wild)
        assert one is not None
        found.append(one.resolved)
    assert sum(found) / len(found) < 0.07  # with one spread pooled over both it is 0.11


def test_p_is_welchs() -> None:
    first, second = [8.1, 8.3, 8.2], [7.5, 7.9, 7.6]
    found = difference(summarise(first), summarise(second))
    assert found is not None
    assert p_value(found) == pytest.approx(stats.ttest_ind(first, second, equal_var=False).pvalue)


def test_pairs_are_students_too() -> None:
    first, second = {0: 8.1, 1: 8.3, 2: 8.2, 9: 1.0}, {0: 7.5, 1: 7.9, 2: 7.6, 8: 2.0}
    found = paired_difference(first, second)
    assert found is not None
    assert (found.n_first, found.paired) == (3, True)
    assert found.start == pytest.approx(8.2)  # of the three pairs
    assert p_value(found) == pytest.approx(stats.ttest_rel([8.1, 8.3, 8.2], [7.5, 7.9, 7.6]).pvalue)
    assert paired_difference({0: 1.0}, {1: 1.0}) is None


def test_equality_is_two_one_sided_tests() -> None:
    first, second = [8.0, 8.1, 8.05], [8.02, 8.12, 8.1]
    found = difference(summarise(first), summarise(second))
    assert found is not None
    shifted = [value - 0.5 for value in second], [value + 0.5 for value in second]
    greatest = max(
        stats.ttest_ind(shifted[0], first, alternative="less").pvalue,
        stats.ttest_ind(shifted[1], first, alternative="greater").pvalue,
    )
    assert greatest < 0.05
    assert equal_within(found, 0.5)
    assert not equal_within(found, 0.05)


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


def test_correction_takes_back_what_one_comparison_would_claim() -> None:
    barely = Difference(0.4, 0.35, 3, 3, sd=0.154, freedom=4)
    nothing = Difference(0.05, 0.9, 3, 3, sd=0.4, freedom=4)
    (alone,) = judge([barely])
    among, *_ = judge([barely, *[nothing] * 9])
    assert (alone.kind, among.kind) == ("higher", "open")
    assert among.p == alone.p
    assert among.seeds is not None
    assert among.seeds > 3


def test_one_seed_is_never_a_verdict() -> None:
    found = difference(summarise([8.0]), summarise([1.0]))
    assert found is not None
    (verdict,) = judge([found])
    assert (verdict.kind, verdict.p, verdict.seeds) == ("unknown", None, None)


def test_a_small_difference_can_be_shown_and_still_be_within_the_margin() -> None:
    (verdict,) = judge([Difference(-0.2, 0.05, 3, 3, sd=0.022, freedom=4)])
    assert (verdict.kind, verdict.within) == ("lower", True)


def test_seeds_that_agree_to_the_last_digit_are_decided() -> None:
    same, other = (Difference(value, 0.0, 3, 3, sd=0.0, freedom=4) for value in (0.0, 0.7))
    assert [verdict.kind for verdict in judge([same, other])] == ["equal", "higher"]


@pytest.mark.parametrize(("value", "sd"), [(0.5, 0.15), (0.2, 0.15), (0.1, 0.3)])
def test_the_seeds_that_would_resolve_it_do(value: float, sd: float) -> None:
    found = Difference(value, 1.0, 3, 3, sd=sd, freedom=4)
    seeds = seeds_to_resolve(found)
    assert seeds is not None

    def power(n: int) -> float:
        generator, hits = random.Random(n), 0
        for _ in range(400):
            first, second = (summarise(_draw(generator, mean, n, sd)) for mean in (0.0, value))
            one = difference(first, second)
            hits += one is not None and one.resolved
        return hits / 400

    assert power(seeds) > 0.74
    assert seeds_to_resolve(found, num_compared=10) > seeds  # type: ignore[operator]
    assert seeds_to_resolve(Difference(1e-6, 1.0, 3, 3, sd=1.0, freedom=4)) is None
    assert seeds_to_resolve(Difference(0.0, 1.0, 3, 3, sd=1.0, freedom=4)) is None
