"""Pictures: still, small, drawn once, and never an old one in place of a new one."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from reslab.errors import ResLabError
from reslab.exhibits.blocks import Figure, Panel
from reslab.report.document import Document, Section
from reslab.report.drawing import BATCH, SCALE, draw_all, tidied
from reslab.report.existing_files import WRITTEN, check_place, pictures_before, write_files
from reslab.report.pictures import WIDE, WIDTH, charts, convert, draw, fingerprint


def document(label: str = "a") -> Document:
    """Return a report of one chart with everything that moves: picking, zooming, and points under the pointer."""
    picked = {"condition": {"param": "picked", "value": 0.9}, "value": 0.1}
    near = {"condition": {"param": "near", "empty": False, "value": 1}, "value": 0}
    place = {"x": {"field": "x", "type": "quantitative"}, "y": {"field": "y", "type": "quantitative"}}
    chart: dict[str, Any] = {
        "data": {"name": "d"},
        "config": {"legend": {"labelLimit": 420}},
        "height": 100,
        "layer": [
            {
                "mark": "line",
                "encoding": {**place, "opacity": picked},
                "params": [
                    {"name": "picked", "select": "point"},
                    {"name": "zoomed", "select": "interval", "bind": "scales"},
                ],
            },
            {
                "mark": {"type": "point", "tooltip": True},
                "encoding": {**place, "opacity": near, "tooltip": [{"field": "x"}]},
                "params": [{"name": "near", "select": "point"}],
            },
        ],
    }
    panel = Panel(label, chart, {"d": [{"x": index, "y": index, "label": label} for index in range(5)]})
    return Document("t", "s", (Section("one", "t", (Figure("f", "t", "c", (panel,)),)),))


def specification(label: str) -> str:
    values = [{"x": 1.23456, "label": label}]
    encoding = {"x": {"field": "x", "type": "quantitative"}, "y": {"field": "label", "type": "nominal"}}
    return json.dumps({"data": {"values": values}, "mark": {"type": "bar", "clip": True}, "encoding": encoding})


def test_a_picture_has_nothing_that_only_a_pointer_shows() -> None:
    chart = json.loads(charts(document())["one-f"])
    assert [layer["mark"] for layer in chart["layer"]] == ["line"]
    assert 'opacity="0.9"' in draw(charts(document()))["one-f"]


def test_a_chart_beside_another_is_drawn_narrower_than_one_alone() -> None:
    (first,) = document().sections[0].blocks
    assert isinstance(first, Figure)
    beside = Document("t", "s", (Section("one", "t", (first, Figure("g", "t", "c", first.panels))),))
    alone = json.loads(charts(document())["one-f"])["width"]
    assert {json.loads(chart)["width"] for chart in charts(beside).values()} == {WIDTH}
    assert alone == WIDE > WIDTH


def test_the_chart_itself_keeps_all_that_moves() -> None:
    given = document()
    charts(given)
    figure = given.sections[0].blocks[0]
    assert isinstance(figure, Figure)
    assert len(figure.panels[0].chart["layer"]) == 2
    assert "tooltip" in json.dumps(figure.panels[0].chart)


def test_many_charts_are_drawn_in_order_and_as_one_would_be() -> None:
    wanted = [("svg", specification(f"label {index}")) for index in range(2 * BATCH)]
    drawn = draw_all(wanted)
    assert all(f"label {index}" in svg.decode() for index, svg in enumerate(drawn))
    assert drawn[-1] == draw_all(wanted[-1:])[0]
    others = [(form, svg.decode()) for form in ("pdf", "png") for svg in drawn[:BATCH]]
    assert draw_all(others)[-1] == draw_all(others[-1:])[0]


def test_a_chart_is_drawn_in_each_format_of_one_size() -> None:
    wanted = charts(document())
    svgs = draw(wanted)
    pdf, png = (convert(wanted, svgs, form)["one-f"] for form in ("pdf", "png"))
    wide, high = map(float, re.findall(r'<svg[^>]* width="([\d.]+)" height="([\d.]+)"', svgs["one-f"])[0])
    assert png.startswith(b"\x89PNG")
    assert [int.from_bytes(png[at : at + 4]) for at in (16, 20)] == pytest.approx([SCALE * wide, SCALE * high], abs=1)
    box = re.findall(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", pdf)[0]
    assert float(box[0]) / float(box[1]) == pytest.approx(wide / high, rel=0.01)


@pytest.mark.parametrize(
    ("path", "short"),
    [
        ("M0.04,45.26L10.1,62.75L9.9,62.75Z", "M0,45.3l10.1,17.5-.2,0Z"),
        ("M1,2L1.5,-2.5M3,4", "M1,2l.5-4.5M3,4"),
        ("M0,0h320v300.1234h-320Z", "M0,0h320v300.12h-320Z"),
        ("M4.743,0A4.743,4.743,0,1,1,-4.743,0", "M4.74,0A4.74,4.74,0,1,1,-4.74,0"),
        ("M1e-7,0L2,2", "M1e-7,0L2,2"),
        ("", ""),
    ],
)
def test_a_path_is_written_in_short_steps(path: str, short: str) -> None:
    assert tidied(f'<path d="{path}"/>') == f'<path d="{short}"/>'


def test_a_long_path_does_not_drift() -> None:
    points = [(index / 3, index / 7) for index in range(1000)]
    short = tidied('<path d="M' + "L".join(f"{x:.4f},{y:.4f}" for x, y in points) + '"/>')
    start, _, steps = short.partition("l")
    numbers = [float(number) for number in re.findall(r"-?\d*\.\d|-?\d+", steps)]
    assert start == '<path d="M0,0'
    assert sum(numbers[::2]) == pytest.approx(points[-1][0], abs=0.06)
    assert sum(numbers[1::2]) == pytest.approx(points[-1][1], abs=0.06)


def test_words_in_a_picture_are_not_taken_for_its_parts() -> None:
    label = 'clip77 d="1.23456"'
    svg = draw_all([("svg", specification(label))])[0].decode()
    assert f">{label}<" in svg
    assert 'clip-path="url(#clip1)"' in svg


def test_a_drawing_made_before_is_used_only_for_the_same_specification() -> None:
    wanted = charts(document("a"))
    svg = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="6"/>'
    key = fingerprint(wanted["one-f"])
    assert draw(wanted, {(key, "svg"): svg.encode()}) == {"one-f": svg}
    assert convert(wanted, {"one-f": svg}, "png", {(key, "png"): b"PNG"}) == {"one-f": b"PNG"}
    assert convert(wanted, {"one-f": svg}, "png", {(key, "svg"): svg.encode()})["one-f"].startswith(b"\x89PNG")
    assert draw(charts(document("b")), {(key, "svg"): svg.encode()})["one-f"] != svg


def test_an_edited_picture_is_neither_used_again_nor_removed(tmp_path: Path) -> None:
    made = {"figures/a.svg": b"<svg>a</svg>", "figures/a.png": b"PNG", "figures/b.svg": b"<svg>b</svg>"}
    write_files(tmp_path, made, {"figures/a.svg": "1", "figures/a.png": "1", "figures/b.svg": "2"})
    (tmp_path / "figures" / "b.svg").write_text("<svg>mine</svg>")
    assert pictures_before(tmp_path) == {("1", "svg"): b"<svg>a</svg>", ("1", "png"): b"PNG"}
    with pytest.raises(ResLabError, match=r"b\.svg was edited after ResLab wrote it"):
        check_place(tmp_path, made)
    write_files(tmp_path, {}, {})
    assert [path.name for path in (tmp_path / "figures").iterdir()] == ["b.svg"]


def test_a_list_cannot_reach_out_of_its_folder(tmp_path: Path) -> None:
    outside = tmp_path / "x.svg"
    outside.write_text("<svg/>")
    out = tmp_path / "report"
    write_files(out, {"figures/x.svg": b"<svg/>"}, {"figures/x.svg": "1"})
    listed = out / WRITTEN
    listed.write_text(listed.read_text().replace('"figures/x.svg"', '"../x.svg"'))
    write_files(out, {"figures/y.svg": b"<svg/>"}, {"figures/y.svg": "2"})
    assert outside.exists()


def test_a_damaged_list_is_none(tmp_path: Path) -> None:
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "a.svg").write_text("<svg/>")
    for files in ("[1]", '{"figures/a.svg": 1}', '{"figures/a.svg": {"drawn_from": "1", "sha256": 2}}'):
        for content in ("{", "[]", f'{{"format": 2, "files": {files}}}', f'{{"format": 99, "files": {files}}}'):
            (tmp_path / WRITTEN).write_text(content)
            assert pictures_before(tmp_path) == {}
