"""Charts as specifications: what they are drawn from, what they leave out, and that they are the same each time."""

import json
from dataclasses import replace
from pathlib import Path

import altair as alt
import pytest

from reslab.analysis.groups import Group, gather
from reslab.analysis.places import Mark
from reslab.analysis.tidy import read_tables
from reslab.exhibits.blocks import Figure
from reslab.exhibits.curves import Curves, error_figure, paper_figure
from reslab.exhibits.factor_figures import Axis, factor_figure, marks
from reslab.exhibits.style import OKABE_ITO, colours, legend
from reslab.published import Published
from reslab.recipe import Run
from synthetic import Truth, small, three_depths, write_run


def _label(group: Group) -> str:
    return group.label


BY_VARIANT = Axis("variant", _label, by_row=True)


def _by_depth(key: str, groups: list[Group], known: list[Published]) -> Figure | None:
    return factor_figure(key, groups, Axis("Depth (layers)", lambda group: str(group.recipe.depth)), marks(known))


@pytest.fixture
def groups(tmp_path: Path) -> list[Group]:
    return three_depths(tmp_path)


def test_figures_are_the_same_each_time(groups: list[Group]) -> None:
    def drawn() -> str:
        figures = [
            error_figure("train", Curves(groups, _label), "train"),
            error_figure("test", Curves(groups, _label), "test"),
            paper_figure("together", Curves(groups, _label)),
            _by_depth("final", groups, []),
            factor_figure("variants", groups, BY_VARIANT),
        ]
        return json.dumps([[dict(panel.specification(400)) for panel in figure.panels] for figure in figures if figure])

    first = drawn()
    for specification in json.loads(first):
        for one in specification:
            alt.Chart.from_dict(one)  # checks it against Vega-Lite's own schema
    assert first.count('"$schema"') == 5
    assert drawn() == first


def test_any_number_of_series_and_sources_has_looks(groups: list[Group]) -> None:
    """There are eight shapes and ten colours."""
    every = [replace(groups[0], label=f"{number:02}") for number in range(25)]
    known = [Mark("digits", "x", f"source {number}", 5.0) for number in range(5)]
    figure = factor_figure("final", every, Axis("Rate", lambda _: "x", series=_label), known)
    assert figure is not None
    scale = figure.panels[0].chart["layer"][1]["encoding"]["shape"]["scale"]
    assert len(scale["domain"]) == len(scale["range"]) == 31


def test_bands_are_not_stacked(groups: list[Group]) -> None:
    """Vega-Lite 5.6, which JupyterLab has, would add up the epochs of an area of a logarithmic y."""
    figure = error_figure("test", Curves(groups, _label), "test")
    assert figure is not None
    areas = [layer for panel in figure.panels for layer in panel.chart["layer"] if layer["mark"]["type"] == "area"]
    assert areas
    assert all(area["encoding"]["x"]["stack"] is None for area in areas)


def test_captions_tell_seeds_data_and_what_is_unfinished(groups: list[Group]) -> None:
    figure = error_figure("test", Curves(groups, _label), "test")
    assert figure is not None
    assert "on digits" in figure.caption
    assert "one or two seeds" in figure.caption
    assert "have not finished" in figure.caption
    final = _by_depth("final", groups, [])
    assert final is not None
    assert "two seeds each" in final.caption
    assert "published" not in final.caption


def test_a_final_chart_has_every_finished_seed_and_no_unfinished_one(groups: list[Group]) -> None:
    figure = _by_depth("final", groups, [])
    assert figure is not None
    (rows,) = figure.panels[0].datasets.values()
    assert [(row["place"], row.get("seed")) for row in rows] == [("8", None), ("8", 0), ("8", 1)]


def test_a_single_seed_is_hollow_where_others_are_means(tmp_path: Path) -> None:
    for depth, seed in ((8, 0), (8, 1), (14, 0)):
        write_run(tmp_path, Run(small(depth), seed), Truth(3.0, 1.0, 0.2))
    tables = read_tables(tmp_path)
    mean, single = (gather(tables, str(depth), small(depth), (0, 1)) for depth in (8, 14))

    def hollow(groups: list[Group]) -> list[str]:
        figure = _by_depth("final", groups, [])
        assert figure is not None
        layers = figure.panels[0].chart["layer"]
        return [one["transform"][0]["filter"] for one in layers if one["encoding"]["color"] == {"value": "white"}]

    (which,) = hollow([mean, single])
    assert which.startswith("datum.n === 1 && datum.label !== ")
    assert hollow([single]) == []


def test_published_figures_are_marks_of_their_own(groups: list[Group]) -> None:
    known = Published(source="paper", citation="c", dataset="digits", depth=8, error=2.5, standard_deviation=0.5, n=5)
    figure = _by_depth("final", groups, [known])
    assert figure is not None
    (rows,) = figure.panels[0].datasets.values()
    expected = {"place": "8", "label": "Paper", "error": 2.5, "low": 2.0, "high": 3.0}
    assert {name: rows[-1][name] for name in expected} == expected
    assert "(Paper)" in figure.caption


def test_seeds_of_equal_error_do_not_hide_each_other(tmp_path: Path) -> None:
    for seed in (0, 1, 2):
        write_run(tmp_path, Run(small(8), seed), Truth(3.0, 1.0))
    groups = [gather(read_tables(tmp_path), "it", small(8), (0, 1, 2))]
    for figure in (_by_depth("depth", groups, []), factor_figure("variant", groups, BY_VARIANT)):
        assert figure is not None
        (rows,) = figure.panels[0].datasets.values()
        assert len({(row["error"], row["at"]) for row in rows}) == 4


def test_nothing_run_draws_nothing(tmp_path: Path) -> None:
    nothing = [gather(read_tables(tmp_path), "it", small(8), (0,))]
    assert error_figure("test", Curves(nothing, _label), "test") is None
    assert paper_figure("together", Curves(nothing, _label)) is None
    assert _by_depth("final", nothing, []) is None
    assert factor_figure("final", nothing, BY_VARIANT) is None


def test_an_error_of_zero_can_be_drawn_on_a_logarithmic_axis(tmp_path: Path) -> None:
    write_run(tmp_path, Run(small(8), 0), Truth(0.0, 0.0))
    groups = [gather(read_tables(tmp_path), "it", small(8), (0,))]
    figure = error_figure("train", Curves(groups, _label), "train")
    assert figure is not None
    axes = [layer["encoding"]["y"]["scale"] for layer in figure.panels[0].chart["layer"]]
    half_an_image = 50 / 1437
    assert all(scale["type"] == "log" and 0 < scale["domain"][0] < half_an_image for scale in axes)
    together = paper_figure("together", Curves(groups, _label))
    assert together is not None
    axes = [layer["encoding"]["y"]["scale"] for layer in together.panels[0].chart["layer"]]
    assert all(scale["domain"][0] < 0 for scale in axes)  # a line at zero is not cut in half
    assert "An error of zero is drawn at half an image." in figure.caption
    other = error_figure("test", Curves([_one(tmp_path / "other")], _label), "test")
    assert other is not None
    assert "zero" not in other.caption


def _one(root: Path) -> Group:
    write_run(root, Run(small(8), 0), Truth(3.0, 1.0))
    return gather(read_tables(root), "it", small(8), (0,))


def test_ordered_settings_go_from_dark_to_light() -> None:
    def light(colour: str) -> float:
        """Return the relative luminance of the Web Content Accessibility Guidelines."""
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    for count in (2, 3, 7):
        found = [light(colour) for colour in colours(count, ordered=True)]
        assert found == sorted(found)
    assert colours(3) != colours(3, ordered=True)
    for colour in (*OKABE_ITO, *colours(20, ordered=True)):
        assert 1.05 / (light(colour) + 0.05) >= 3, colour  # against white, as of all that a chart is read by


def test_panels_of_one_figure_have_one_kind_of_axis(tmp_path: Path) -> None:
    errors = {("cifar10", 0.1): 8.0, ("cifar10", 1.0): 80.0, ("cifar100", 0.1): 40.0, ("cifar100", 1.0): 44.0}
    recipes = {key: small(20, dataset=key[0], mirror="random", learning_rate=key[1]) for key in errors}
    for key, recipe in recipes.items():
        write_run(tmp_path, Run(recipe, 0), Truth(errors[key], 5.0))
    tables = read_tables(tmp_path)
    groups = [gather(tables, str(key), recipe, (0,)) for key, recipe in recipes.items()]
    figure = factor_figure("final", groups, Axis("Rate", lambda group: str(group.recipe.learning_rate)))
    assert figure is not None
    scales = [panel.chart["layer"][1]["encoding"]["y"]["scale"] for panel in figure.panels]
    assert [scale.get("type") for scale in scales] == ["log", "log"]


@pytest.mark.parametrize("count", [1, 3, 7, 8, 30])
def test_every_series_has_its_own_colour(count: int) -> None:
    assert len(set(colours(count))) == count


@pytest.mark.parametrize(("test_error", "cut"), [(3.0, True), (60.0, False)])
def test_only_what_is_cut_off_is_said_to_be(tmp_path: Path, test_error: float, cut: bool) -> None:
    write_run(tmp_path, Run(small(8)), Truth(test_error, 1.0))
    figure = paper_figure("together", Curves([gather(read_tables(tmp_path), "it", small(8), (0,))], _label))
    assert figure is not None
    assert ("Errors above the axis, " in figure.caption) == cut
    (rows,) = figure.panels[0].datasets.values()
    (top,) = {layer["encoding"]["y"]["scale"]["domain"][1] for layer in figure.panels[0].chart["layer"]}
    above = [row for row in rows if max(row["train"], row["test"]) > top]
    assert len(above) <= len(rows) / 10  # of a young run most of the training is seen
    if cut:
        error = max(max(row["train"], row["test"]) for row in above)
        assert f"Errors above the axis, {error:.0f}% at most, are cut off." in figure.caption


def test_a_legend_has_as_many_columns_as_its_labels_leave_room_for() -> None:
    for longest, columns in ((9, 3), (12, 3), (13, 2), (22, 2), (23, 1)):
        assert legend(["x" * longest] * 4).to_dict()["columns"] == columns
    assert legend(["x"]).to_dict()["columns"] == 1


def test_a_series_looks_the_same_in_each_panel_of_a_figure(tmp_path: Path) -> None:
    rates = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0)  # more than the palette has, without the first no more
    groups = []
    for dataset, own in (("cifar10", rates), ("cifar100", rates[1:])):
        recipes = [small(20, dataset=dataset, mirror="random", learning_rate=rate) for rate in own]
        for recipe in recipes:
            write_run(tmp_path, Run(recipe, 0), Truth(20.0, 10.0))
        groups += [(f"{recipe.learning_rate}", recipe) for recipe in recipes]
    tables = read_tables(tmp_path)
    figure = error_figure(
        "test", Curves([gather(tables, name, recipe, (0,)) for name, recipe in groups], _label), "test"
    )
    assert figure is not None
    looks = []
    for panel in figure.panels:
        (marks,) = [layer for layer in panel.chart["layer"] if "shape" in layer["encoding"]]
        scales = [marks["encoding"][channel]["scale"] for channel in ("color", "shape")]
        looks.append([dict(zip(scale["domain"], scale["range"], strict=True)) for scale in scales])
    for first, second in zip(*looks, strict=True):
        assert second == {label: look for label, look in first.items() if label != "0.01"}


def test_a_seed_alone_is_one_mark_and_no_mean(tmp_path: Path) -> None:
    for depth in (8, 14):
        write_run(tmp_path, Run(small(depth), 0), Truth(3.0, 1.0))
    tables = read_tables(tmp_path)
    groups = [gather(tables, f"ResNet-{depth}", small(depth), (0,)) for depth in (8, 14)]
    for figure in (_by_depth("final", groups, []), factor_figure("variants", groups, BY_VARIANT)):
        assert figure is not None
        assert "one seed each." in figure.caption
        (rows,) = figure.panels[0].datasets.values()
        assert [row["label"] for row in rows] == ["this study"] * 2
        assert "each seed" not in str(figure.panels[0].chart["layer"][-1]["encoding"]["color"])
