"""Run directories to tables: every status, torn lines, missing and damaged files."""

import json
import os
from pathlib import Path

import polars as pl
import pytest

from reslab.analysis.tables import EPOCH_SCHEMA, RUN_SCHEMA, Problem, select
from reslab.analysis.tidy import read_tables
from reslab.errors import ResLabError
from reslab.recipe import Run, field_names
from synthetic import Truth, small, write_diagnostics, write_predictions, write_run

TRUTH = Truth(test_error=3.0, train_error=1.0)
DIVERGED = {"kind": "diverged", "message": "the loss is not finite", "epoch": 4, "iteration": 200, "time": "t"}


def test_a_finished_run_is_a_row_with_recipe_figures_and_origin(tmp_path: Path) -> None:
    run = Run(small(14, learning_rate=0.05), 3)
    write_run(tmp_path, run, TRUTH)

    row = read_tables(tmp_path).runs.row(0, named=True)

    assert (row["run_id"], row["recipe_id"], row["seed"], row["status"]) == (run.id, run.recipe.id, 3, "finished")
    assert {name: row[name] for name in field_names()} == {name: getattr(run.recipe, name) for name in field_names()}
    assert (row["epochs"], row["iterations"], row["test_error"]) == (12, 12 * 45, 3.0)
    assert (row["parameters"], row["num_train"], row["num_classes"]) == (175_258, 1437, 10)
    assert (row["device_name"], row["attempts"], row["started"]) == ("Some 9000", 1, "2026-03-04T05:06:07Z")
    assert row["failure_kind"] is None


def test_every_epoch_is_a_row(tmp_path: Path) -> None:
    run = Run(small(), 0)
    write_run(tmp_path, run, TRUTH)

    epochs = read_tables(tmp_path).epochs

    assert epochs["epoch"].to_list() == list(range(1, 13))
    assert epochs["run_id"].unique().to_list() == [run.id]
    assert epochs["rate"].n_unique() == 3
    assert epochs["holdout_error"].null_count() == 12


def test_a_torn_last_line_is_no_epoch(tmp_path: Path) -> None:
    folder = write_run(tmp_path, Run(small(), 0), TRUTH, stop_after=5)
    metrics = folder / "metrics.jsonl"
    metrics.write_text(metrics.read_text() + '{"epoch": 6, "iterat')

    tables = read_tables(tmp_path)

    assert tables.epochs["epoch"].to_list() == [1, 2, 3, 4, 5]
    assert tables.runs["status"].to_list() == ["interrupted"]
    assert tables.runs["epochs"].to_list() == [5]


def test_an_unfinished_run_has_no_last_epoch_figures(tmp_path: Path) -> None:
    write_run(tmp_path, Run(small(), 0), TRUTH, stop_after=5)
    row = read_tables(tmp_path).runs.row(0, named=True)
    assert row["test_error"] is None
    assert row["train_error"] is None
    assert row["parameters"] is None
    assert row["seconds"] == 5 * 31.5


def test_a_diverged_run_says_where_and_why(tmp_path: Path) -> None:
    write_run(tmp_path, Run(small(), 0), TRUTH, stop_after=4, failure=DIVERGED)
    row = read_tables(tmp_path).runs.row(0, named=True)
    assert (row["status"], row["failure_kind"], row["failure_iteration"]) == ("diverged", "diverged", 200)
    assert row["test_error"] is None


def test_what_no_output_can_take_is_escaped(tmp_path: Path) -> None:
    """Names that are not UTF-8 come into messages, also of a process that wrote them down as they were."""
    name = os.fsdecode(b"caf\xe9")
    write_run(tmp_path, Run(small(), 0), TRUTH, stop_after=4, failure={**DIVERGED, "message": f"no {name}"})
    (tmp_path / name / "seed0").mkdir(parents=True)
    (tmp_path / name / "seed0" / "run.json").write_text("{")
    tables = read_tables(tmp_path)
    assert tables.runs["failure_message"].to_list() == [r"no caf\udce9"]
    assert tables.problems[0].message.startswith(r"caf\udce9/seed0/run.json is damaged")


def test_a_run_is_made_by_all_attempts_whose_iterations_it_has(tmp_path: Path) -> None:
    folder = write_run(tmp_path, Run(small(), 0), TRUTH)
    content = json.loads((folder / "provenance.json").read_text())
    (first,) = content["attempts"]
    content["attempts"] = [
        {**first, "threads": 8, "commit": "lost", "torch": "0"},  # all that it did was trained again
        {**first, "dirty": True},
        {**first, "from_iteration": 90, "threads": 4},  # this as well
        {**first, "from_iteration": 60, "threads": 1, "commit": "f" * 40, "device_name": "Another"},
    ]
    (folder / "provenance.json").write_text(json.dumps(content))
    row = read_tables(tmp_path).runs.row(0, named=True)
    assert row["threads"] == "2, 1"
    assert row["commit"] == f"{first['commit']}, {'f' * 40}"
    assert row["device_name"] == "Some 9000, Another"
    assert (row["torch"], row["dirty"], row["attempts"]) == ("2.13.0", True, 4)


@pytest.mark.parametrize(
    ("recorded", "told"),
    [
        ("Intel(R) Xeon(R) Processor @ 2.10GHz", "Intel Xeon @ 2.10GHz"),
        ("Intel(R) Core(TM) i7-9750H CPU @ 2.60GHz", "Intel Core i7-9750H @ 2.60GHz"),
        ("NVIDIA H200", "NVIDIA H200"),
        ("CPUs of Processors", "CPUs of Processors"),  # words, not parts of them
        ("Processor", "Processor"),  # there is no other name
    ],
)
def test_machines_are_named_without_trade_marks_and_what_all_have(tmp_path: Path, recorded: str, told: str) -> None:
    path = write_run(tmp_path, Run(small(), 0), TRUTH) / "provenance.json"
    path.write_text(path.read_text().replace("Some Processor 9000", recorded))
    assert read_tables(tmp_path).runs["device_name"].to_list() == [told]


def test_two_names_of_one_machine_are_one(tmp_path: Path) -> None:
    path = write_run(tmp_path, Run(small(), 0), TRUTH) / "provenance.json"
    content = json.loads(path.read_text())
    (first,) = content["attempts"]
    later = {**first, "from_iteration": 60, "device_name": "Some(R) 9000 CPU"}
    path.write_text(json.dumps({**content, "attempts": [first, later]}))
    assert read_tables(tmp_path).runs["device_name"].to_list() == ["Some 9000"]


def test_a_run_asked_for_that_is_not_there_is_pending(tmp_path: Path) -> None:
    runs = [Run(small(), 0), Run(small(), 1)]
    write_run(tmp_path, runs[0], TRUTH)

    tables = read_tables(tmp_path, [*runs, runs[0]])

    assert tables.runs["status"].to_list() == ["finished", "pending"]
    assert tables.runs["test_error"].to_list() == [3.0, None]
    assert tables.runs["epochs"].to_list() == [12, 0]


def test_nothing_run_gives_empty_tables_of_the_same_columns(tmp_path: Path) -> None:
    for root in (tmp_path, tmp_path / "not-there"):
        tables = read_tables(root)
        assert tables.runs.schema == pl.Schema(RUN_SCHEMA)
        assert tables.epochs.schema == pl.Schema(EPOCH_SCHEMA)
        assert (tables.runs.height, tables.epochs.height, tables.problems) == (0, 0, ())


def test_a_damaged_run_json_is_a_problem_and_no_row(tmp_path: Path) -> None:
    write_run(tmp_path, Run(small(), 0), TRUTH)
    folder = tmp_path / "broken" / "seed0"
    folder.mkdir(parents=True)
    (folder / "run.json").write_text("{")

    tables = read_tables(tmp_path)

    assert tables.runs.height == 1
    (problem,) = tables.problems
    assert problem.path == folder
    assert problem.message.startswith("broken/seed0/run.json is damaged")


def test_damaged_metrics_make_a_run_unreadable_not_the_report(tmp_path: Path) -> None:
    folder = write_run(tmp_path, Run(small(), 0), TRUTH)
    (folder / "metrics.jsonl").write_text("{}x\n{}\n")

    tables = read_tables(tmp_path)

    assert tables.runs["status"].to_list() == ["unreadable"]
    assert tables.runs["test_error"].to_list() == [None]
    assert len(tables.problems) == 1


def test_a_finished_run_with_epochs_missing_is_unreadable(tmp_path: Path) -> None:
    run = Run(small(), 0)
    folder = write_run(tmp_path, run, TRUTH)
    lines = (folder / "metrics.jsonl").read_text().splitlines(keepends=True)
    (folder / "metrics.jsonl").write_text("".join(lines[:-1]))
    assert read_tables(tmp_path, [run]).runs["status"].to_list() == ["unreadable"]


def test_an_edited_recipe_is_no_run_of_its_new_name(tmp_path: Path) -> None:
    run = Run(small(), 0)
    folder = write_run(tmp_path, run, TRUTH)
    text = (folder / "run.json").read_text()
    (folder / "run.json").write_text(text.replace('"learning_rate": 0.1', '"learning_rate": 0.2'))
    tables = read_tables(tmp_path)
    assert tables.runs.height == 0
    assert "the recipe was edited" in tables.problems[0].message
    assert read_tables(tmp_path, [run]).runs["status"].to_list() == ["unreadable"]


def test_a_number_that_is_none_is_null(tmp_path: Path) -> None:
    folder = write_run(tmp_path, Run(small(), 0), TRUTH, stop_after=2)
    text = (folder / "metrics.jsonl").read_text().splitlines()
    broken = '{"epoch": 3, "iteration": 135, "rate": 0.1, "train_error": NaN, "test_error": Infinity}'
    (folder / "metrics.jsonl").write_text("\n".join([*text, broken]) + "\n")

    last = read_tables(tmp_path).epochs.row(2, named=True)

    assert last["train_error"] is None
    assert last["test_error"] is None


def test_select_keeps_the_runs_asked_for(tmp_path: Path) -> None:
    runs = [Run(small(), seed) for seed in range(3)]
    for run in runs:
        write_run(tmp_path, run, TRUTH)
    chosen = select(read_tables(tmp_path), runs[1:])
    assert chosen.runs["seed"].to_list() == [1, 2]
    assert chosen.epochs["seed"].unique().sort().to_list() == [1, 2]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{}", "it has no epochs"),
        ('{"format": 1', "is damaged"),
        ('{"epochs": "x"}', "epochs has an impossible value"),
    ],
)
def test_a_damaged_second_training_is_a_problem_of_its_own(tmp_path: Path, content: str, words: str) -> None:
    run = Run(small(), 0)
    write_run(tmp_path, run, TRUTH)
    write_run(tmp_path / "replicates" / "again", run, TRUTH)
    damaged = write_run(tmp_path / "replicates" / "aaaa", run, TRUTH)
    (damaged / "result.json").write_text(content)
    tables = read_tables(tmp_path)
    row = tables.runs.row(0, named=True)
    assert (row["status"], row["test_error"], row["trained_again"]) == ("finished", 3.0, "same bits")
    (problem,) = tables.problems
    assert problem.path == damaged
    assert problem.message.startswith("replicates/aaaa/")
    assert words in problem.message


def test_paths_in_problems_are_cut_at_the_folder_of_the_runs_alone() -> None:
    problem = Problem.of(Path("d/x"), ResLabError("d/resnet8-7861c3ad/seed0/run.json is not d/seed0's"), Path("d"))
    assert problem.message == "resnet8-7861c3ad/seed0/run.json is not seed0's"


def test_what_was_measured_on_a_run_that_has_not_finished_does_not_count(tmp_path: Path) -> None:
    folder = write_run(tmp_path, Run(small(8), 0), Truth(3.0, 1.0), stop_after=7)
    write_diagnostics(folder, gap={"seconds": 1.0})
    write_predictions(folder, [1, 2])
    tables = read_tables(tmp_path)
    assert tables.runs["status"].to_list() == ["interrupted"]
    assert (tables.problems, dict(tables.predictions)) == ((), {})
