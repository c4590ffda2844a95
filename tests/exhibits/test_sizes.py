"""Differences in words: always a size, an interval where there is one, and one word for what is not significant."""

from reslab.analysis.differences import Difference
from reslab.analysis.verdicts import Verdict, judge
from reslab.exhibits.sizes import kind_words, size, verdict_words

MINUS = "\N{MINUS SIGN}"


def test_a_size_has_its_interval_or_its_one_seed() -> None:
    assert size(Verdict("unknown", Difference(3.06, None, 1, 1), 0.5)) == "+3.06 points (n = 1)"
    found = Verdict("lower", Difference(-2.0, 0.3, 3, 3, freedom=4), 0.5)
    assert size(found) == f"{MINUS}2.00 points (95% interval {MINUS}2.30 to {MINUS}1.70)"
    assert size(Verdict("unknown", Difference(0.5, None, 3, 1), 0.5)) == "+0.50 points (n = 3 and 1)"
    assert size(Verdict("unknown", Difference(0.5, None, 1, 2), 0.5)) == "+0.50 points (n = 1 and 2)"
    published = Difference(0.5, None, 1, 2, published=True)  # of which there is one run whatever we do
    assert size(Verdict("unknown", published, 0.5)) == "+0.50 points (n = 2)"


def test_no_interval_reaches_to_errors_below_zero_or_above_a_hundred() -> None:
    wide = Difference(56.0, 108.0, 2, 2, freedom=2, start=12.0)
    assert size(Verdict("open", wide, 0.5)) == f"+56.00 points (95% interval {MINUS}52.00 to +100.00)"
    beside = Difference(56.0, 108.0, 1, 2, freedom=2, start=12.0, published=True)  # which is exactly 12%
    assert size(Verdict("open", beside, 0.5)) == f"+56.00 points (95% interval {MINUS}12.00 to +88.00)"


def test_what_is_not_resolved_has_a_size_and_the_seeds_that_would_resolve_it() -> None:
    words = verdict_words(Verdict("open", Difference(0.16, 0.65, 3, 2, freedom=3), 0.5, seeds=12))
    assert words.startswith("+0.16 points, not significant (95% interval ")
    assert words.endswith("; about 12 seeds each would detect this size with 80% power)")


def test_the_interval_is_corrected_as_the_verdict_is() -> None:
    """The smaller is resolved alone, with p = 0.03, and not of five."""
    small, *others = [Difference(value, 0.3, 3, 3, freedom=4) for value in (0.34, 0.1, 0.1, 0.1, 0.1)]
    assert small.resolved
    (verdict, *_) = judge([small, *others], margin=0)
    assert verdict_words(verdict).startswith(f"+0.34 points, not significant (95% interval {MINUS}0.")


def test_equal_is_what_is_shown_to_be_small() -> None:
    found = Difference(0.05, 0.3, 3, 3, freedom=4)
    words = verdict_words(Verdict("equal", found, 0.5))
    assert words.startswith("equal within 0.5 points (+0.05; 90% interval ")
    both = verdict_words(Verdict("higher", Difference(0.2, 0.1, 5, 5, freedom=8), 0.5, within=True))
    assert both.endswith(", shown to be under 0.5 points")


def test_cells_are_short() -> None:
    found = Difference(0.1, 0.5, 3, 3, freedom=4)
    assert kind_words(Verdict("open", found, 0.5, seeds=1200)) == "not significant (1,200 seeds)"
    ranged = Verdict("open", found, 0.5, seeds=58, seeds_range=(32, None))
    assert kind_words(ranged) == "not significant (32 to over 1,000 seeds)"
    assert (
        kind_words(Verdict("open", found, 0.5, seeds_range=(577, None))) == "not significant (577 to over 1,000 seeds)"
    )
    assert kind_words(Verdict("open", found, 0.5)) == "not significant (over 1,000 seeds)"
    assert kind_words(Verdict("unknown", Difference(1.0, None, 1, 1), 0.5)) == "one seed, not tested"
    assert kind_words(Verdict("lower", found, 0.5, within=True)) == "lower, by less than 0.5 points"
