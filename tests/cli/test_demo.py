"""The verb `demo`: a small study in an empty folder."""

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from quick_machine import settle, train_here

from reslab import demo
from reslab.cli import demo as verb
from reslab.cli import main
from reslab.session import door

ROOT = Path(__file__).parents[2]
Reslab = Callable[..., Any]


@pytest.fixture
def reslab(
    tmp_path: Path, empty_cache: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Reslab:
    """Return a function that runs a command line with --json in an empty folder and returns what it prints."""
    settle(tmp_path, monkeypatch)

    def run(*arguments: str) -> Any:
        code = main([*arguments, "--json"])
        captured = capsys.readouterr()
        assert code == 0, captured.err
        return json.loads(captured.out)

    return run


def test_demo_is_the_command_that_its_help_names(reslab: Reslab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reslab.host.is_busy", lambda: False)  # which other tests may change between the two
    named = re.search(r"reslab (run depth .*)", verb.demo.__doc__ or "")
    assert named is not None
    plans = [reslab(*words, "--dry-run") for words in (["demo"], shlex.split(named[1]))]
    assert plans[0] == plans[1]
    assert plans[0]["num_to_train"] == 6


def test_demo_trains_in_any_folder_and_nothing_twice(
    reslab: Reslab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train_here(monkeypatch)
    for name, value in {"DEMO_DEPTHS": (8,), "DEMO_SEEDS": 1, "DEMO_EPOCHS": 1}.items():
        monkeypatch.setattr(verb, name, value)
        monkeypatch.setattr(door, name, value)
    first = reslab("demo")
    assert list(first["runs"].values()) == ["finished"]
    assert (tmp_path / "report" / "index.html").stat().st_size > 0
    assert {path.name for path in tmp_path.iterdir()} >= {"runs", "report"}
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "runs").rglob("seed0/*")}
    assert reslab("demo") == first
    assert list(demo().runs) == list(first["runs"])  # from Python
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "runs").rglob("seed0/*")} == before


def test_make_demo_is_the_verb() -> None:
    assert re.search(r"^demo: install\n\t\$\(BIN\)/reslab demo\b", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
