"""What is gathered of a recipe's runs: finished ones for figures, the others for curves only."""

from dataclasses import replace
from pathlib import Path

from reslab.analysis.groups import LENGTH, Group, gather, on_same_images, relatives
from reslab.analysis.tidy import read_tables
from reslab.recipe import Run, stretch, vary
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
    for name in ("result.json", "metrics.jsonl"):
        before, _, after = (folder / name).read_text().rpartition('"test_error": 3.0')
        (folder / name).write_text(before + '"test_error": NaN' + after)
    group = _group(tmp_path)
    assert group.num_finished == 1
    assert not group.has_result


OTHER = "f" * 64


def _both(root: Path) -> list[Group]:
    tables = read_tables(root)
    return on_same_images([gather(tables, str(depth), small(depth), (0, 1, 2)) for depth in (8, 14)])


def test_runs_of_one_name_on_other_images_than_the_official_ones_count_nowhere(tmp_path: Path) -> None:
    """Whatever their number, and within a recipe as between two that are compared."""
    write_run(tmp_path, Run(small(), 0), Truth(3.0, 1.0))
    for seed in (1, 2):
        write_run(tmp_path, Run(small(), seed), Truth(50.0, 1.0), official=False, fingerprint=OTHER)
    write_run(tmp_path, Run(small(14), 0), Truth(60.0, 1.0), official=False, fingerprint=OTHER)
    eight, fourteen = _both(tmp_path)
    assert (eight.num_finished, eight.last_epoch("test_error").mean) == (1, 3.0)
    assert eight.curve("test_error")["n"].to_list() == [1] * 12
    assert eight.apart["seed"].to_list() == [1, 2]
    assert (fourteen.num_finished, fourteen.has_result, fourteen.apart["seed"].to_list()) == (0, False, [0])


def test_where_none_are_official_most_runs_count_and_of_equally_many_the_first(tmp_path: Path) -> None:
    write_run(tmp_path, Run(small(), 0), Truth(3.0, 1.0), official=False, fingerprint="a" * 64)
    write_run(tmp_path, Run(small(), 1), Truth(4.0, 1.0), official=False, fingerprint=OTHER)
    assert _both(tmp_path)[0].last_epoch("test_error").mean == 3.0
    write_run(tmp_path, Run(small(), 2), Truth(6.0, 1.0), official=False, fingerprint=OTHER)
    assert _both(tmp_path)[0].last_epoch("test_error").mean == 5.0


def test_runs_that_have_not_begun_are_on_no_images_yet(tmp_path: Path) -> None:
    write_run(tmp_path, Run(small(), 0), Truth(3.0, 1.0))
    (write_run(tmp_path, Run(small(), 1), Truth(3.0, 1.0), stop_after=0) / "provenance.json").unlink()
    (group, _) = _both(tmp_path)
    assert (group.runs.height, group.apart.height) == (2, 0)


def test_each_data_set_has_images_of_its_own(tmp_path: Path) -> None:
    hundred = vary(small(14), dataset="cifar100")
    write_run(tmp_path, Run(small(), 0), Truth(3.0, 1.0))
    write_run(tmp_path, Run(hundred, 0), Truth(4.0, 1.0), official=False, fingerprint=OTHER)
    tables = read_tables(tmp_path)
    groups = on_same_images([gather(tables, "one", small(), (0,)), gather(tables, "two", hundred, (0,))])
    assert [group.num_finished for group in groups] == [1, 1]


def test_relatives_are_the_finished_recipes_that_differ_in_these_fields_alone(tmp_path: Path) -> None:
    longer, other = stretch(small(), 24), stretch(small(14), 24)
    for recipe in (small(), longer, other, vary(longer, dataset="cifar10"), vary(longer, nesterov=True)):
        write_run(tmp_path, Run(recipe, 0), Truth(3.0, 1.0))
    write_run(tmp_path, Run(longer, 5), Truth(4.0, 1.0))
    write_run(tmp_path, Run(longer, 6), Truth(9.0, 1.0), stop_after=8)
    write_run(tmp_path, Run(stretch(small(), 36), 0), Truth(3.0, 1.0), stop_after=8)
    group = gather(read_tables(tmp_path), "it", small(), (0,))
    found = {one.recipe: one for one in relatives(group, LENGTH, "them")}
    assert found.keys() == {small(), longer}
    assert found[longer].label == "them"
    assert (found[longer].seeds, found[longer].last_epoch("test_error").mean) == ((0, 5), 3.5)  # all that there are
    assert {one.recipe for one in relatives(group, (*LENGTH, "nesterov"), "it")} == {
        small(),
        longer,
        vary(longer, nesterov=True),
    }


def test_a_seed_on_other_images_costs_a_relative_none_of_the_others(tmp_path: Path) -> None:
    for seed in (0, 1):
        write_run(tmp_path, Run(small(), seed), Truth(3.0, 1.0))
    write_run(tmp_path, Run(small(), 2), Truth(9.0, 1.0), official=False, fingerprint="f" * 64)
    (found,) = relatives(gather(read_tables(tmp_path), "it", small(), (0, 1)), LENGTH, "them")
    assert (found.num_finished, found.last_epoch("test_error").mean) == (2, 3.0)


def test_relatives_are_on_the_same_images_and_of_a_report(tmp_path: Path) -> None:
    longer = stretch(small(), 24)
    write_run(tmp_path, Run(small(), 0), Truth(3.0, 1.0))
    write_run(tmp_path, Run(longer, 0), Truth(50.0, 1.0), official=False, fingerprint=OTHER)
    group = gather(read_tables(tmp_path), "it", small(), (0,))
    assert [one.recipe for one in relatives(group, LENGTH, "it")] == [small()]
    assert relatives(replace(group, tables=None), LENGTH, "it") == []
