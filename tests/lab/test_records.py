"""What a record may hold: one check for local files and for shares."""

import json
from pathlib import Path
from typing import Any

import pytest

from reslab.analysis.tidy import read_tables
from reslab.errors import DamagedError
from reslab.lab.folder.records import fault
from reslab.lab.folder.store import RunFiles
from reslab.recipe import Run
from share_places import OWN_RESULTS
from synthetic import Truth, small, write_diagnostics, write_run

RUN = Run(small(), 0)

DAMAGED: list[tuple[str, dict[str, Any]]] = [
    ("metrics.jsonl", {"epoch": None}),
    ("metrics.jsonl", {"epoch": True}),
    ("metrics.jsonl", {"epoch": 1.5}),
    ("metrics.jsonl", {"iteration": 10**30}),
    ("metrics.jsonl", {"train_loss": "low"}),
    ("result.json", {"test_error": "<b>"}),
    ("result.json", {"parameters": 2**63}),
    ("result.json", {"test_error": -5.0}),
    ("result.json", {"test_error": 1.0}),
    ("result.json", {"status": "hurra"}),
    ("metrics.jsonl", {"test_error": 200.0}),
    ("metrics.jsonl", {"seconds": -1.0}),
    ("result.json", {"weights_sha256": 7}),
    ("failure.json", {"epoch": "third"}),
    ("failure.json", {"message": ["x"]}),
    ("provenance.json", {"data": "digits"}),
    ("provenance.json", {"data": {"num_train": "many"}}),
    ("provenance.json", {"data": {"classes": [1]}}),
    ("provenance.json", {"attempts": 5}),
    ("provenance.json", {"attempts": [None]}),
    ("provenance.json", {"attempts": [{"from_iteration": "x"}]}),
    ("provenance.json", {"attempts": [{"threads": [1]}]}),
    ("provenance.json", {"fetched": [{"from": 3}]}),
    ("diagnostics.json", {"diagnostics": None}),
    ("diagnostics.json", {"diagnostics": {"gap": {"budget": "huge"}}}),
    ("diagnostics.json", {"diagnostics": {"gap": {"budget": "quick", "final": {"test_loss": 10**400}}}}),
    ("diagnostics.json", {"diagnostics": {"gap": {"budget": "quick", "final": {"test_loss": float("inf")}}}}),
    ("diagnostics.json", {"epochs": {"3": 1}}),
]


def changed(folder: Path, name: str, change: dict[str, Any]) -> None:
    """Change a record of a run, or the last line of its metrics."""
    lines = (folder / name).read_text().splitlines() if name == "metrics.jsonl" else [(folder / name).read_text()]
    lines[-1] = json.dumps({**json.loads(lines[-1]), **change})
    (folder / name).write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize(("name", "change"), DAMAGED)
def test_a_damaged_record_is_a_listed_problem_and_no_traceback(
    tmp_path: Path, name: str, change: dict[str, Any]
) -> None:
    failed = {"kind": "error", "message": "m", "traceback": None, "epoch": 2, "iteration": 90}
    folder = write_run(tmp_path, RUN, Truth(3.0, 1.0), failure=failed if name == "failure.json" else None)
    if name == "diagnostics.json":
        write_diagnostics(folder, gap={"final": {"test_loss": 1.0}})
    assert read_tables(tmp_path).problems == ()
    changed(folder, name, change)
    tables = read_tables(tmp_path)
    (problem,) = tables.problems
    assert f"{name} is damaged" in problem.message
    assert "remove" in problem.message
    assert tables.runs.height == 1


@pytest.mark.parametrize("key", ["epochs", "iterations", "weights_sha256"])
def test_a_result_without_what_each_has_is_damaged(tmp_path: Path, key: str) -> None:
    folder = write_run(tmp_path, RUN, Truth(3.0, 1.0))
    changed(folder, "result.json", {key: None})
    with pytest.raises(
        DamagedError, match=rf"result\.json is damaged: it has no {key}; put back a copy, or remove the folder"
    ):
        RunFiles(folder).check()


def test_our_own_records_are_whole() -> None:
    found = [path for path in OWN_RESULTS.glob("*/seed*/*.json") if path.name not in ("run.json", "manifest.json")]
    assert found
    assert {fault(path.name, json.loads(path.read_text())) for path in found} == {None}
