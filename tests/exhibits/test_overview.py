"""All studies on one sheet: a small panel each, published marks behind."""

import json
from pathlib import Path

import altair as alt
import pytest

from reslab.analysis.groups import Group, gather
from reslab.analysis.places import Mark
from reslab.analysis.tidy import read_tables
from reslab.exhibits.factor_figures import Axis, Strip, overview_figure
from reslab.recipe import Run
from synthetic import Truth, small, three_depths, write_run


def _depth(group: Group) -> str:
    return str(group.recipe.depth)


def test_a_study_is_a_panel_with_its_finished_groups_and_what_is_published_there(tmp_path: Path) -> None:
    groups = three_depths(tmp_path)
    marks = [Mark("digits", "8", "Paper", 2.5), Mark("digits", "99", "Paper", 2.5)]
    strips = [Strip("Depth", groups, Axis("", _depth), marks), Strip("Again", groups, Axis("", _depth, _depth))]
    figure = overview_figure("overview", strips)
    assert figure is not None
    assert figure.columns > 2
    assert [panel.title for panel in figure.panels] == ["Depth, digits", "Again, digits"]
    (rows,) = figure.panels[0].datasets.values()
    assert [(row["place"], "theirs" in row) for row in rows] == [("8", False), ("8", True)]
    assert "Grey marks are published results; the chapters name their sources." in figure.caption
    for panel in figure.panels:
        alt.Chart.from_dict(dict(panel.specification(120)))  # checks it against Vega-Lite's own schema


@pytest.mark.parametrize(
    ("names", "shown"),
    [(("a", "b"), "in a line"), (("assignment recipe", "fast recipe"), "by word"), (("assignmentrecipe",) * 2, "not")],
)
def test_labels_that_would_overlap_have_a_line_for_each_word(
    tmp_path: Path, names: tuple[str, str], shown: str
) -> None:
    called = {8: names[0], 14: f"{names[1]} 2"}
    for depth in called:
        write_run(tmp_path, Run(small(depth), 0), Truth(3.0, 1.0))
    tables = read_tables(tmp_path)
    groups = [gather(tables, name, small(depth), (0,)) for depth, name in called.items()]
    figure = overview_figure("overview", [Strip("It", groups, Axis("", lambda group: called[group.recipe.depth]))])
    assert figure is not None
    specification = figure.panels[0].specification(120)
    alt.Chart.from_dict(dict(specification))
    drawn = json.dumps(specification)
    assert ('"labelExpr"' in drawn, '"labels": false' in drawn) == {
        "in a line": (False, False),
        "by word": (True, False),
        "not": (True, True),
    }[shown]


def test_nothing_finished_is_no_sheet(tmp_path: Path) -> None:
    unfinished = three_depths(tmp_path)[1:]
    assert overview_figure("overview", [Strip("Depth", unfinished, Axis("", _depth))]) is None
