"""The chart of the learning rate: one line a schedule, named by what tells schedules apart."""

from pathlib import Path

import pytest

from reslab.analysis.groups import gather
from reslab.analysis.tidy import read_tables
from reslab.exhibits.rates import rate_figure
from reslab.recipe import Recipe, Run
from synthetic import Truth, small, write_run


def test_schedules_that_differ_are_lines_of_their_own(tmp_path: Path) -> None:
    for rate in (0.1, 0.2):
        write_run(tmp_path, Run(small(8, learning_rate=rate), 0), Truth(3.0, 1.0))
    tables = read_tables(tmp_path)
    groups = [gather(tables, f"rate {rate}", small(8, learning_rate=rate), (0,)) for rate in (0.1, 0.2)]
    figure = rate_figure("rate", groups)
    assert figure is not None
    (rows,) = figure.panels[0].datasets.values()
    assert {row["label"] for row in rows} == {"from 0.1", "from 0.2"}
    assert "Each line is one schedule" in figure.caption


@pytest.mark.parametrize(
    ("recipes", "labels"),
    [
        ([small(8), small(8, length=6, first_drop=3, second_drop=4)], ["6 epochs", "12 epochs"]),
        ([small(8, first_drop=6), small(8, first_drop=5)], ["drops after 6 and 9", "drops after 5 and 9"]),
    ],
)
def test_a_schedule_is_named_by_what_is_its_own(tmp_path: Path, recipes: list[Recipe], labels: list[str]) -> None:
    for recipe in recipes:
        write_run(tmp_path, Run(recipe, 0), Truth(3.0, 1.0))
    tables = read_tables(tmp_path)
    figure = rate_figure("rate", [gather(tables, recipe.id, recipe, (0,)) for recipe in recipes])
    assert figure is not None
    (rows,) = figure.panels[0].datasets.values()
    assert list(dict.fromkeys(row["label"] for row in rows)) == labels


def test_a_rate_is_drawn_over_the_epoch_that_it_ends(tmp_path: Path) -> None:
    write_run(tmp_path, Run(small(8), 0), Truth(3.0, 1.0))
    figure = rate_figure("rate", [gather(read_tables(tmp_path), "it", small(8), (0,))])
    assert figure is not None
    (rows,) = figure.panels[0].datasets.values()
    assert [row["epoch"] for row in rows] == list(range(13))
    assert rows[0]["rate"] == rows[1]["rate"]
