"""What the verbs print for scripts."""

import json

import pytest

from reslab.cli.console import print_json


def test_what_is_no_finite_number_is_null_for_scripts(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"a": float("nan"), "b": [1.5, (float("inf"), {"c": -float("inf")})], "d": "NaN"})
    assert json.loads(capsys.readouterr().out) == {"a": None, "b": [1.5, [None, {"c": None}]], "d": "NaN"}
