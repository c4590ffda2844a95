"""Clauses and answers: one or two differences with their intervals, of more the ends; no sign where words have it."""

import math

import pytest

from reslab.analysis.differences import Difference
from reslab.analysis.verdicts import Kind, Verdict
from reslab.studies.findings import Answer, Clause

MINUS = "\N{MINUS SIGN}"


def _unbroken(text: str) -> str:
    """Return a cell's text: a size stays on one line with its interval."""
    return "; ".join(part.replace(" ", "\N{NO-BREAK SPACE}") for part in text.split("; "))


def _verdict(kind: Kind, value: float, standard_error: float | None = 0.1) -> Verdict:
    """Return a verdict by the normal distribution: its 95% interval reaches 1.96 standard errors, its 90% one 1.645."""
    margin = None if standard_error is None else 1.96 * standard_error
    p = None if standard_error is None else 0.01
    return Verdict(kind, Difference(value, margin, 3, 3, freedom=math.inf), 0.5, p, p)


@pytest.mark.parametrize(
    ("verdicts", "sizes", "sentence"),
    [
        ([_verdict("lower", -2.0)], "2.00 (1.80 to 2.20)", "2.00 points, 95% interval 1.80 to 2.20"),
        ([_verdict("higher", 2.0)], "2.00 (1.80 to 2.20)", "2.00 points, 95% interval 1.80 to 2.20"),
        (
            [_verdict("open", -0.1)],
            f"{MINUS}0.10 ({MINUS}0.30 to +0.10)",
            f"{MINUS}0.10 points, 95% interval {MINUS}0.30 to +0.10",
        ),
        (
            [_verdict("equal", 0.1)],
            f"+0.10 ({MINUS}0.06 to +0.26, 90%)",
            f"+0.10 points, 90% interval {MINUS}0.06 to +0.26",
        ),
        ([_verdict("unknown", 0.5, None)], "+0.50", "+0.50 points"),
        (
            [_verdict("lower", -2.0), _verdict("lower", -1.0, 0.2)],
            "2.00 (1.80 to 2.20); 1.00 (0.61 to 1.39)",
            "2.00 points, 95% interval 1.80 to 2.20; 1.00 points, 95% interval 0.61 to 1.39",
        ),
        (
            [_verdict("equal", 0.1), _verdict("equal", -0.1)],
            f"+0.10 ({MINUS}0.06 to +0.26, 90%); {MINUS}0.10 ({MINUS}0.26 to +0.06, 90%)",
            f"+0.10 points, 90% interval {MINUS}0.06 to +0.26; {MINUS}0.10 points, 90% interval {MINUS}0.26 to +0.06",
        ),
        (
            [_verdict("unknown", -1.0, None), _verdict("unknown", 2.0, None)],
            f"{MINUS}1.00; +2.00",
            f"{MINUS}1.00; +2.00 points",
        ),
        (
            [_verdict("lower", -2.0), _verdict("lower", -3.0), _verdict("lower", -1.0)],
            "estimates 1.00 to 3.00",
            "estimates 1.00 to 3.00 points",
        ),
        (
            [_verdict("open", 0.2), _verdict("open", -0.1), _verdict("open", 0.1), _verdict("open", 0.3)],
            f"estimates {MINUS}0.10 to +0.30",
            f"estimates {MINUS}0.10 to +0.30 points",
        ),
    ],
)
def test_one_and_two_differences_have_their_intervals_and_more_their_ends(
    verdicts: list[Verdict], sizes: str, sentence: str
) -> None:
    clause = Clause("it is so", tuple(verdicts))
    assert clause.sizes == (sizes if len(verdicts) > 2 else _unbroken(sizes))
    assert clause.sentence == f"it is so ({sentence})"


def test_what_rests_on_no_verdict_has_no_size() -> None:
    told, better = Clause("two diverged"), Clause("one beats it", (_verdict("lower", -2.0),))
    assert (told.sizes, told.sentence) == ("", "two diverged")
    answer = Answer("CIFAR-10", (better, told))
    assert (answer.words, answer.sizes) == ("one beats it; two diverged", _unbroken("2.00 (1.80 to 2.20)"))
    assert answer.sentence == "CIFAR-10: one beats it (2.00 points, 95% interval 1.80 to 2.20); two diverged."
    assert Answer("CIFAR-10", (told,)).sizes == ""


def test_intervals_allow_for_the_number_of_comparisons() -> None:
    """Of five comparisons the strictest is asked at the level of 1%, which 2.576 standard errors reach."""
    difference = Difference(2.0, 1.96 * 0.1, 3, 3, freedom=math.inf)
    clause = Clause("it is so", (Verdict("higher", difference, 0.5, 0.001, 0.005),))
    assert clause.sizes == _unbroken("2.00 (1.74 to 2.26)")
