"""Tables of readings, of comparisons, and of figures beside the assignment's."""

from pathlib import Path

from reslab.analysis.comparisons import Compared, compare
from reslab.analysis.groups import Group, gather
from reslab.analysis.tidy import read_tables
from reslab.exhibits.readings import comparison_table, readings_table
from reslab.exhibits.windows import beside_table, nothing, window_table
from reslab.published import Published
from reslab.recipe import Run
from synthetic import Truth, small, write_run

FAILURE = {"kind": "diverged", "message": "the loss is not finite", "epoch": 4, "iteration": 200, "time": "t"}


def _groups(root: Path) -> list[Group]:
    truths = {8: Truth(8.0, 1.0, 0.1), 14: Truth(6.0, 0.5, 0.1)}
    for depth, truth in truths.items():
        for seed in (0, 1, 2):
            if (depth, seed) == (14, 2):
                write_run(root, Run(small(depth), seed), truth, stop_after=4, failure=FAILURE)
            else:
                write_run(root, Run(small(depth), seed), truth)
    tables = read_tables(root)
    return [gather(tables, f"ResNet-{depth}", small(depth), (0, 1, 2)) for depth in truths]


def _label(group: Group) -> str:
    return group.label


def _name(one: Compared) -> str:
    return f"{one.second.label} against {one.first.label}"


def test_readings_stand_side_by_side(tmp_path: Path) -> None:
    table = readings_table("readings", _groups(tmp_path), _label)
    assert table is not None
    titles = [column.title for column in table.columns]
    assert titles == [
        "Runs", "Seeds", "Last epoch (%)", "Best on the test set (%)", "Best epoch", "Optimism (points)"
    ]  # fmt: skip
    assert [row[1] for row in table.rows] == ["3", "2 of 3"]
    assert "no hold-out" in table.caption


def test_comparisons_tell_what_diverged_and_what_is_shown(tmp_path: Path) -> None:
    first, second = _groups(tmp_path)
    table = comparison_table("comparisons", compare([(first, second)]), _name)
    assert table is not None
    (row,) = table.rows
    assert [column.title for column in table.columns][:4] == ["Compared", "Verdict", "Seeds", "Difference (points)"]
    assert row[:3] == ("ResNet-14 against ResNet-8", "lower; 1 of 3 seeds diverged", "3, 2")
    assert str(row[3]).startswith("\N{MINUS SIGN}2.0")


def test_where_nothing_can_be_tested_no_test_is_told_of(tmp_path: Path) -> None:
    for depth in (8, 14):
        write_run(tmp_path, Run(small(depth), 0), Truth(depth / 2, 1.0))
    tables = read_tables(tmp_path)
    first, second = (gather(tables, f"ResNet-{depth}", small(depth), (0,)) for depth in (8, 14))
    table = comparison_table("comparisons", compare([(first, second)]), _name)
    assert table is not None
    assert table.title == "Comparisons"
    assert [column.title for column in table.columns] == ["Compared", "Seeds", "Difference (points)"]
    assert table.rows == (("ResNet-14 against ResNet-8", "1", "+3.00"),)
    assert "takes two seeds" in table.caption
    assert "Holm" not in table.caption
    tested = comparison_table("comparisons", compare([tuple(_groups(tmp_path / "more"))]), _name)  # type: ignore[list-item]
    assert tested is not None
    assert "the one comparison of this study by Holm" in tested.caption


def test_windows_of_different_lengths_are_given_row_by_row(tmp_path: Path) -> None:
    for length in (12, 24):
        recipe = small(8, length=length, first_drop=length / 2, second_drop=length * 3 / 4)
        write_run(tmp_path, Run(recipe, 0), Truth(3.0, 1.0))
    tables = read_tables(tmp_path)
    recipes = [small(8), small(8, length=24, first_drop=12, second_drop=18)]
    groups = [gather(tables, f"{recipe.length:g} epochs", recipe, (0,)) for recipe in recipes]
    table = window_table("window", groups, [], _label, heading="Training")
    assert table is not None
    assert [row[:2] for row in table.rows] == [("12 epochs", "7 to 12"), ("24 epochs", "13 to 24")]


def test_a_window_of_many_epochs_is_written_as_other_counts_are(tmp_path: Path) -> None:
    recipe = small(8, length=1600, first_drop=1200, second_drop=1400)
    write_run(tmp_path, Run(recipe, 0), Truth(3.0, 1.0))
    table = window_table("window", [gather(read_tables(tmp_path), "long", recipe, (0,))], [], _label)
    assert table is not None
    assert table.title.endswith("epochs 1,333 to 1,600")
    assert "from epoch 1,333 to epoch 1,600" in table.caption


def test_the_assignments_training_error_has_a_column_where_there_is_one(tmp_path: Path) -> None:
    one = Published(
        source="assignment", citation="a table", dataset="digits", depth=8, error=3.2, train_error=0.6, epochs=12
    )
    groups = _groups(tmp_path)
    table = beside_table(
        "final", groups, [one], _label, heading="Network", matches=lambda g, p: g.recipe.depth == p.depth
    )
    assert table is not None
    assert [row[-2:] for row in table.rows] == [("0.60", "3.20"), (None, None)]
    plain = beside_table("final", groups, [], _label, heading="Network", matches=nothing)
    assert plain is not None
    assert len(plain.columns) == 4
