"""All studies on one sheet: a small panel each, published marks behind."""

from pathlib import Path

import altair as alt

from reslab.analysis.groups import Group
from reslab.analysis.places import Mark
from reslab.exhibits.factor_figures import Axis, Strip, overview_figure
from synthetic import three_depths


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


def test_nothing_finished_is_no_sheet(tmp_path: Path) -> None:
    unfinished = three_depths(tmp_path)[1:]
    assert overview_figure("overview", [Strip("Depth", unfinished, Axis("", _depth))]) is None
