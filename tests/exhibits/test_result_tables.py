"""Tables of results: errors with their differences, what is tested and how, figures of the student report beside."""

from pathlib import Path

import pytest

from reslab.analysis.comparisons import Compared, compare
from reslab.analysis.groups import Group, gather
from reslab.analysis.tidy import read_tables
from reslab.exhibits.blocks import Table
from reslab.exhibits.results import comparison_table, errors_table, how_compared
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


def _single(root: Path, *depths: int) -> list[Group]:
    for depth in depths:
        write_run(root, Run(small(depth), 0), Truth(depth / 2, 1.0))
    tables = read_tables(root)
    return [gather(tables, f"ResNet-{depth}", small(depth), (0,)) for depth in depths]


def _label(group: Group) -> str:
    return group.label


def _name(one: Compared) -> str:
    return f"{one.second.label} against {one.first.label}"


def _columns(table: Table | None) -> dict[str, list[str | None]]:
    assert table is not None
    return {column.title: [row[place] for row in table.rows] for place, column in enumerate(table.columns)}


def test_the_test_error_comes_first_and_differences_beside_it(tmp_path: Path) -> None:
    first, second = _groups(tmp_path)
    table = errors_table("errors", [first, second], compare([(first, second)]), _label, "Runs")
    columns = _columns(table)
    assert list(columns)[:5] == ["Runs", "Test error (%)", "Difference (points)", "95% interval", "Verdict"]
    assert columns["n"] == ["3", "2 of 3"]
    assert columns["Difference (points)"][0] is None
    assert str(columns["Difference (points)"][1]).startswith("\N{MINUS SIGN}2.0")
    assert columns["Verdict"] == [None, "lower; 1 of 3 seeds diverged"]
    assert table is not None
    assert "Differences are from ResNet-8, taken before rounding." in table.caption
    assert "Holm" not in table.caption  # one comparison needs no correction


def test_of_one_seed_there_is_a_difference_and_nothing_of_a_test(tmp_path: Path) -> None:
    first, second = _single(tmp_path, 8, 14)
    table = errors_table("errors", [first, second], compare([(first, second)]), _label, "Runs")
    columns = _columns(table)
    assert list(columns) == ["Runs", "Test error (%)", "Difference (points)", "Training error (%)"]
    assert columns["Difference (points)"] == [None, "+3.00"]
    assert table is not None
    assert "of one seed each" in table.caption
    assert "Holm" not in table.caption
    assert comparison_table("comparisons", compare([(first, second), (first, second)]), _name) is None


def test_what_a_row_has_no_room_for_is_a_further_comparison(tmp_path: Path) -> None:
    first, second = _groups(tmp_path / "two")
    (third,) = _single(tmp_path / "one", 20)
    compared = compare([(first, second), (second, third), (first, third)])
    further = _columns(comparison_table("comparisons", compared, _name))
    assert further["Compared"] == ["ResNet-20 against ResNet-8"]
    columns = _columns(errors_table("errors", [first, second, third], compared, _label, "Runs"))
    assert columns["Against"] == [None, "ResNet-8", "ResNet-14"]


def test_further_comparisons_are_a_table_where_one_is_tested(tmp_path: Path) -> None:
    first, second = _groups(tmp_path)
    columns = _columns(comparison_table("comparisons", compare([(first, second), (first, second)]), _name))
    assert columns["Compared"] == ["ResNet-14 against ResNet-8"]
    assert columns["Verdict"] == ["lower; 1 of 3 seeds diverged"]


def test_an_interval_ends_where_errors_do(tmp_path: Path) -> None:
    for depth, error in ((8, 2.0), (14, 5.0)):
        for seed in (0, 1):
            write_run(tmp_path, Run(small(depth), seed), Truth(error + 84 * seed, 1.0))
    tables = read_tables(tmp_path)
    first, second = (gather(tables, f"ResNet-{depth}", small(depth), (0, 1)) for depth in (8, 14))
    (interval,) = _columns(errors_table("errors", [first, second], compare([(first, second)]), _label, "Runs"))[
        "95% interval"
    ][1:]
    assert str(interval) == "\N{MINUS SIGN}100.00 to +100.00"


def test_the_student_reports_figures_have_columns_where_they_are_of_the_same(tmp_path: Path) -> None:
    one = Published(
        source="assignment", citation="a table", dataset="digits", depth=8, error=3.2, train_error=0.6, epochs=12,
        low=3.0, high=3.5, window=(7, 12),
    )  # fmt: skip
    groups = _groups(tmp_path)
    table = errors_table(
        "errors", groups, [], _label, "Runs", [one], lambda group, one: group.recipe.depth == one.depth
    )
    columns = _columns(table)
    assert columns["Student report, test (%)"] == ["3.20 (3.00 to 3.50)", None]
    assert columns["Student report, training (%)"] == ["0.60", None]
    assert table is not None
    assert table.notes[0].startswith("Student report: a table; ")
    assert "After the first drop: mean (range)" in columns
    plain = _columns(errors_table("errors", groups, [], _label, "Runs"))
    assert not [title for title in plain if title.startswith(("Student report", "After"))]


def test_comparisons_elsewhere_that_are_corrected_with_these_are_counted(tmp_path: Path) -> None:
    first, second = _groups(tmp_path)
    compared = compare([(first, second)])
    table = errors_table("errors", [first, second], compared, _label, "Runs", corrected=3)
    assert table is not None
    assert "corrected for the three comparisons of this study by Holm's method" in table.caption


def test_nothing_finished_is_no_table(tmp_path: Path) -> None:
    write_run(tmp_path, Run(small(8), 0), Truth(3.0, 1.0), stop_after=3)
    group = gather(read_tables(tmp_path), "it", small(8), (0,))
    assert errors_table("errors", [group], [], _label, "Runs") is None


def test_an_interval_that_is_cut_has_a_word(tmp_path: Path) -> None:
    for wide, noise in (("wide", 40.0), ("narrow", 0.1)):
        truths = {8: Truth(48.0, 1.0, noise, own=True), 14: Truth(46.0, 0.5, noise, own=True)}
        for depth, truth in truths.items():
            for seed in (0, 1):
                write_run(tmp_path / wide, Run(small(depth), seed), truth)
        tables = read_tables(tmp_path / wide)
        pair = [gather(tables, f"ResNet-{depth}", small(depth), (0, 1)) for depth in truths]
        compared = compare([(pair[0], pair[1])])
        words = how_compared(compared)
        assert ("Intervals end where an error would be below 0% or above 100%." in words) == (wide == "wide")
        assert ("in brackets, how many seeds per setting would detect a difference of this size" in words) == (
            wide == "wide"
        )
        assert "Equal: " not in words  # what no verdict says needs no word


@pytest.mark.parametrize(
    ("rates", "seeds", "said"),
    [
        (2, 5, "Differences are tested by paired t-tests of equal seeds."),
        (2, 3, "Differences are tested by t-tests (Welch)."),
        (6, 3, "Differences are tested by t-tests with variance estimates pooled across the settings (Smyth 2004)."),
    ],
)
def test_what_a_difference_is_tested_by_is_said(tmp_path: Path, rates: int, seeds: int, said: str) -> None:
    """Five seeds that give both the same first weights are pairs; of many variants each spread leans on the others."""
    recipes = [small(8, learning_rate=0.1 + place / 10) for place in range(rates)]
    for recipe in recipes:
        for seed in range(seeds):
            write_run(tmp_path, Run(recipe, seed), Truth(8.0, 1.0, 0.1, own=True))
    tables = read_tables(tmp_path)
    base, *others = (gather(tables, recipe.id, recipe, tuple(range(seeds))) for recipe in recipes)
    assert how_compared(compare([(base, one) for one in others])).startswith(said)
