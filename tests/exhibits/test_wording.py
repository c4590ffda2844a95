"""Numbers and lists as a reader sees them."""

import pytest

from reslab.analysis.summary import summarise
from reslab.exhibits import wording


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0001, "0.0001"), (0.1, "0.1"), (128, "128"), (1640, "1,640"), (163.84, "163.84"), (-0.5, "\N{MINUS SIGN}0.5")],
)
def test_settings_are_never_powers_of_ten(value: float, text: str) -> None:
    assert wording.number(value) == text


def test_spreads_say_no_more_than_there_is() -> None:
    assert wording.with_n(summarise([])) is None
    assert wording.with_n(summarise([8.4])) == "8.40 (n = 1)"
    assert wording.with_n(summarise([8.0, 9.0])) == "8.50 ± 0.71 (n = 2)"


def test_lists_and_counts() -> None:
    assert wording.listing([]) == ""
    assert wording.listing(["a"]) == "a"
    assert wording.listing(["a", "b", "c"]) == "a, b and c"
    assert wording.counted(1, "run") == "one run"
    assert wording.counted(18, "run") == "18 runs"
    assert [wording.that_do(count, "shows", "show") for count in (0, 1, 2, 13)] == [
        "none shows", "one shows", "two show", "13 show"
    ]  # fmt: skip
    assert wording.seeds_behind([3, 3]) == "three seeds"
    assert wording.seeds_behind([2, 3]) == "two or three seeds"
    assert wording.seeds_behind([1, 3]) == "one to three seeds"


def test_a_column_has_even_decimals() -> None:
    assert wording.evenly([73.184, None, 0.7384]) == ["73.18", None, "0.74"]
    assert wording.evenly([38_000.0, 380.0]) == ["38,000", "380"]
    assert wording.evenly([0.00001, 12.0]) == ["0.0000", "12.0000"]
    assert wording.evenly([0.0, None]) == ["0", None]
    assert wording.settings([0.1, 0.005, None]) == ["0.100", "0.005", None]


def test_nothing_is_not_below_nothing() -> None:
    assert wording.points(-0.0004) == "0.00"
    assert wording.points(-0.006) == "\N{MINUS SIGN}0.01"
