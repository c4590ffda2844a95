"""What is gathered of a recipe's runs: finished ones for figures, the others for curves only."""

from pathlib import Path

from reslab.analysis.groups import Group, gather
from reslab.analysis.tidy import read_tables
from reslab.recipe import Run
from synthetic import Truth, small, write_run

DIVERGED = {"kind": "diverged", "message": "the loss is not finite", "epoch": 4, "iteration": 200, "time": "t"}


def _group(root: Path) -> Group:
    return gather(read_tables(root), "it", small(), (0, 1, 2))


def test_figures_are_of_finished_runs_and_curves_of_all_sound_ones(tmp_path: Path) -> None:
    write_run(tmp_path, Run(small(), 0), Truth(3.0, 1.0))
    write_run(tmp_path, Run(small(), 1), Truth(5.0, 1.0), stop_after=6)
    write_run(tmp_path, Run(small(), 2), Truth(90.0, 90.0), stop_after=4, failure=DIVERGED)

    group = _group(tmp_path)

    assert group.num_finished == 1
    assert group.last_epoch("test_error").mean == 3.0
    assert group.curve("test_error")["n"].to_list() == [2] * 6 + [1] * 6
    in_window = group.in_window("test_error")
    assert in_window is not None
    assert in_window.low == 3.0


def test_where_all_diverged_their_curves_are_what_there_is(tmp_path: Path) -> None:
    write_run(tmp_path, Run(small(), 0), Truth(90.0, 90.0), stop_after=4, failure=DIVERGED)
    assert _group(tmp_path).curve("test_error").height == 4
    assert _group(tmp_path).last_epoch("test_error").mean is None


def test_runs_of_other_recipes_and_seeds_stay_out(tmp_path: Path) -> None:
    write_run(tmp_path, Run(small(), 7), Truth(3.0, 1.0))
    write_run(tmp_path, Run(small(14), 0), Truth(3.0, 1.0))
    group = _group(tmp_path)
    assert (group.runs.height, group.epochs.height, group.fact("num_train"), group.in_window("rate")) == (
        0,
        0,
        None,
        None,
    )


def test_a_run_that_ended_in_numbers_that_are_not_finite_has_no_result(tmp_path: Path) -> None:
    folder = write_run(tmp_path, Run(small(), 0), Truth(3.0, 1.0))
    assert _group(tmp_path).has_result
    result = folder / "result.json"
    result.write_text(result.read_text().replace('"test_error": 3.0', '"test_error": NaN'))
    group = _group(tmp_path)
    assert group.num_finished == 1
    assert not group.has_result
