"""Verdicts in words: what correction takes away is said, and counts of seeds read as words."""

from reslab.analysis.differences import Difference
from reslab.analysis.verdicts import Verdict
from reslab.studies.verdicts import training_words, verdict_words


def test_an_interval_without_zero_that_is_not_resolved_is_explained() -> None:
    lost = Verdict("open", Difference(-6.5, 4.6, 2, 2, freedom=2), 0.5)
    assert "cannot be told apart once corrected for the number of comparisons (95% interval" in training_words(lost)
    assert "with two seeds once corrected for the number of comparisons (95% interval" in verdict_words(lost)
    unclear = Verdict("open", Difference(-6.5, 9.6, 2, 2, freedom=2), 0.5)
    assert "cannot be told apart (95% interval" in training_words(unclear)


def test_counts_of_seeds_are_words() -> None:
    open_one = Verdict("open", Difference(0.16, 0.65, 3, 2, freedom=3), 0.5, seeds=12)
    words = verdict_words(open_one)
    assert "not resolvable with three and two seeds" in words
    assert "if it is of this size, about 12 seeds of each would mostly show it" in words
