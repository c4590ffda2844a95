"""What the verbs print for scripts."""

import json

import pytest

from reslab.cli.console import print_json, print_table


def test_what_is_no_finite_number_is_null_for_scripts(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"a": float("nan"), "b": [1.5, (float("inf"), {"c": -float("inf")})], "d": "NaN"})
    assert json.loads(capsys.readouterr().out) == {"a": None, "b": [1.5, [None, {"c": None}]], "d": "NaN"}


def test_what_a_terminal_would_obey_is_shown_as_written(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(["run"], [["one\ntwo\x1b[31m \N{GREEK SMALL LETTER ALPHA}"]])
    assert capsys.readouterr().out.splitlines()[1:] == ["one\\ntwo\\x1b[31m \N{GREEK SMALL LETTER ALPHA}"]
