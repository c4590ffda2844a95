"""What the verbs print for scripts."""

import json
import re

import pytest

from reslab.cli.console import print_json, print_table


def test_what_is_no_finite_number_is_null_for_scripts(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"a": float("nan"), "b": [1.5, (float("inf"), {"c": -float("inf")})], "d": "NaN"})
    assert json.loads(capsys.readouterr().out) == {"a": None, "b": [1.5, [None, {"c": None}]], "d": "NaN"}


def test_what_a_terminal_would_obey_is_shown_as_written(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(["run"], [["one\ntwo\x1b[31m \N{GREEK SMALL LETTER ALPHA}"]])
    assert capsys.readouterr().out.splitlines()[1:] == ["one\\ntwo\\x1b[31m \N{GREEK SMALL LETTER ALPHA}"]


def at(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let standard output be a window of so many columns."""
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", str(columns))


def shown(capsys: pytest.CaptureFixture[str]) -> str:
    """Return what was printed, without what makes it bold."""
    return re.sub(r"\x1b\[\d*m", "", capsys.readouterr().out)


RUNS = [
    ["ResNet-20, CIFAR-10, 32 epochs, 50% of the images, seed 0", "finished", "32", "15.01", "1,733,858"],
    ["ResNet-20, CIFAR-10, 32 epochs, my_network_of_many_letters, seed 1", "waiting", "0", "-", "-"],
]


@pytest.mark.parametrize("columns", [80, 50, 20])
def test_a_narrow_window_folds_names_and_cuts_no_number(
    columns: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    at(columns, monkeypatch)
    print_table(["run", "status", "epochs", "test error in %", "multiply-adds"], RUNS)
    printed = shown(capsys)
    assert all(number in printed.split() for number in ("32", "15.01", "1,733,858", "0"))
    assert "\N{HORIZONTAL ELLIPSIS}" not in printed
    assert columns < 50 or max(map(len, printed.splitlines())) <= columns
    assert "seed" in printed
    assert "letters" in printed.replace("\n", "").replace(" ", "")


def test_twelve_classes_with_their_confusions_fit_a_window_of_80_columns(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    at(80, monkeypatch)
    names = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
    print_table(
        ["class", "error in %", *(f"as {name}" for name in names)], [[name, "98.72", *["1000"] * 10] for name in names]
    )
    printed = shown(capsys)
    assert printed.split().count("98.72") == 10
    assert printed.split().count("1000") == 100
    assert max(map(len, printed.splitlines())) <= 80


def test_a_table_without_rows_shows_its_heads(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(["run", "status"], [])
    assert shown(capsys).split() == ["run", "status"]
