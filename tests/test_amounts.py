import pytest

from reslab.amounts import counted, duration, rate, size


def test_one_of_a_thing_has_no_s() -> None:
    assert [counted(number, "line") for number in (0, 1, 1200)] == ["0 lines", "1 line", "1,200 lines"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (0.04, "0 s"),
        (2, "2 s"),
        (2.34, "2.3 s"),
        (9.96, "10 s"),
        (12.34, "12.3 s"),
        (59.94, "59.9 s"),
        (59.99, "1 min 00 s"),
        (245, "4 min 05 s"),
        (3599.9, "1 h 00 min"),
        (3629, "1 h 00 min"),
        (3631, "1 h 01 min"),
        (11_520, "3 h 12 min"),
        (1_461_590, "406 h 00 min"),
        (3_600_000, "1,000 h 00 min"),
    ],
)
def test_times_are_rounded_once_and_never_up_to_a_full_unit(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_storage() -> None:
    assert [size(amount) for amount in (999, 1000, 3_440_000, 2.5e12)] == ["999 bytes", "1.0 kB", "3.4 MB", "2500.0 GB"]
    assert [size(amount) for amount in (999.7, 999_960, 999_940)] == ["1.0 kB", "1.0 MB", "999.9 kB"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, None),
        (0.0, None),
        (1593.2, "1,590"),
        (95.26, "95.3"),
        (4.518, "4.52"),
        (99.96, "100"),
        (9.996, "10.0"),
        (0.04, "0.0400"),
    ],
)
def test_rates_have_three_digits(value: float | None, text: str | None) -> None:
    assert rate(value) == text
