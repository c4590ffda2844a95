"""The fault plan in short: every kind of fault is tried, and every promise holds."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.deep

FAULTS = Path(__file__).parents[2] / "bench" / "faults"
TALLIED = ("kills", "alone", "signals", "stops", "starts", "removed", "phases", "full disk", "flips")


@pytest.fixture(scope="module")
def tallies(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """Return what the plan in short came to, by a process of its own: this one has run operations of torch's."""
    command = [sys.executable, str(FAULTS), "--short", "--json"]
    place = tmp_path_factory.mktemp("faults")
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False, cwd=place)
    assert done.stdout, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def test_every_promise_holds(tallies: list[dict[str, Any]]) -> None:
    assert [tally["broken"] for tally in tallies if tally["broken"]] == []
    assert all(tally["held"] == tally["tried"] > 0 for tally in tallies)


@pytest.mark.parametrize("kind", [*TALLIED, "weights", "archives", "mirrors"])
def test_every_kind_of_fault_is_tried(tallies: list[dict[str, Any]], kind: str) -> None:
    assert any(tally["kind"] == kind for tally in tallies)
