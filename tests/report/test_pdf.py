"""The typeset report: all of the document, literally, the same bytes every time, from the wheel alone."""

import json
import re
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import typst

from reslab.analysis.tidy import read_tables
from reslab.exhibits.blocks import Block, Bullets, Column, Command, Figure, Heading, Note, Panel, Prose, Table
from reslab.report.compose import _dated, compose
from reslab.report.document import Document, Reference, Section
from reslab.report.pdf import pdf_data, render_pdf
from reslab.report.pictures import charts, draw
from reslab.studies.asked import record
from reslab.studies.questions import depth
from reslab.studies.study import Options
from synthetic import Truth, write_run

TEMPLATE = Path(str(files("reslab.report") / "templates" / "report.typ"))

HOSTILE = '#import "@preview/x:1": * #read("/etc/passwd") $x^2$ *b* _i_ @ref <lab> [c] \\ "q" `r` ~ -- = \u03c9 \u2212'

PICTURE = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><text y="9" font-size="9px">1</text></svg>'


def queried(document: Document, pictures: dict[str, str], selector: str) -> list[dict[str, Any]]:
    """Return what the typesetter made of a document: its elements of one kind."""
    data = json.dumps(pdf_data(document, pictures))
    found = typst.query(TEMPLATE, selector, root=TEMPLATE.parent, ignore_system_fonts=True, sys_inputs={"data": data})
    return list(json.loads(found))


def one_section(*blocks: Block, title: str = "Chapter") -> Document:
    return Document("Title", "Summary.", (Section("one", title, blocks),))


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Document:
    """Return the report on an unfinished study on two data sets."""
    root = tmp_path_factory.mktemp("runs")
    asked = depth.ask(Options(datasets=("digits", "cifar10"), depths=(8, 14), epochs=12, seeds=2))
    record(root, asked)
    for run in asked.runs()[:6]:
        write_run(root, run, Truth(3.0, 1.0, 0.2))
    return compose(root)


@pytest.fixture(scope="module")
def pictures(study: Document) -> dict[str, str]:
    return draw(charts(study))


def test_every_figure_and_table_is_there_under_its_number(study: Document, pictures: dict[str, str]) -> None:
    found = queried(study, pictures, "figure")
    names = {one["label"].strip("<>"): one for one in found}
    wanted = {name: number for name, number in study.numbers().items() if not name.startswith("reference-")}
    assert set(names) == set(wanted)
    for name, number in wanted.items():
        assert names[name]["kind"] == ("image" if number.startswith("Figure") else "table")
        assert f"{number}." in said(names[name]["caption"]).replace(" .", ".")
    assert len(queried(study, pictures, "image")) == len(pictures)


def said(content: Any) -> str:
    """Return the words of a piece of content."""
    if isinstance(content, list):
        return "".join(said(one) for one in content)
    if isinstance(content, dict):
        if content.get("func") == "space":
            return " "
        return "".join(said(content[key]) for key in ("text", "body", "children", "child") if key in content)
    return content if isinstance(content, str) else ""


def test_every_chapter_and_heading_is_there(study: Document, pictures: dict[str, str]) -> None:
    found = [said(one["body"]) for one in queried(study, pictures, "heading")]
    for section in study.sections:
        assert section.title in found or section.title == study.title
        for block in section.blocks:
            if isinstance(block, Heading):
                assert " ".join(block.text.replace("'", "\u2019").split()) in found
    assert found[-1] == "References"


def test_a_real_report_is_set_without_a_warning_and_in_the_same_bytes(
    study: Document, pictures: dict[str, str]
) -> None:
    data = json.dumps(pdf_data(study, pictures), ensure_ascii=False)
    options: dict[str, Any] = {"root": TEMPLATE.parent, "ignore_system_fonts": True, "sys_inputs": {"data": data}}
    made, warnings = typst.compile_with_warnings(TEMPLATE, timestamp=0, **options)
    assert warnings == []
    assert made == render_pdf(study, pictures)


def test_the_fonts_are_those_within_the_typesetter() -> None:
    fonts = set(re.findall(r'font(?: =|:) "(.*?)"', TEMPLATE.read_text()))
    assert fonts == {"Libertinus Serif", "DejaVu Sans Mono"}
    assert fonts <= set(typst.Fonts(include_system_fonts=False).families())


def test_type_in_a_drawing_is_in_the_reports_font() -> None:
    """A word that reads like an attribute stays the word that it is."""
    drawn = PICTURE.replace("<text", '<text font-family="x"').replace(">1<", '>font-size="9px"<')
    data = json.dumps(pdf_data(one_section(), {}))
    template = f"{TEMPLATE.read_text()}#metadata(typed(sys.inputs.svg))<typed>".encode()
    (found,) = json.loads(typst.query(template, "<typed>", sys_inputs={"data": data, "svg": drawn}))
    svg = '<text font-family="Libertinus Serif" y="9" font-size="10.26px">font-size="9px"</text>'
    assert svg in found["value"]


def test_the_template_needs_no_package_and_no_file() -> None:
    text = TEMPLATE.read_text()
    assert not [word for word in ("#import", "#include", "read(", "@preview", "plugin(") if word in text]


def test_words_come_out_as_they_are_whatever_they_hold() -> None:
    table = Table("t", HOSTILE, HOSTILE, (Column(HOSTILE, "left"), Column(HOSTILE)), ((HOSTILE, HOSTILE),), (HOSTILE,))
    words = (Heading(HOSTILE), Prose(HOSTILE), Bullets((HOSTILE,)), Note(HOSTILE), Command(HOSTILE), table)
    section = Section("one", HOSTILE, words)
    document = Document(HOSTILE, HOSTILE, (section,), HOSTILE, HOSTILE, (Reference("k", HOSTILE),))
    assert render_pdf(document, {}).startswith(b"%PDF")
    heading = queried(document, {}, "heading")[0]
    assert said(heading["body"]) == HOSTILE.replace('"@preview/x:1"', "\u201c@preview/x:1\u201d").replace(
        '"/etc/passwd"', "\u201c/etc/passwd\u201d"
    ).replace('"q"', "\u201cq\u201d")
    command = queried(document, {}, "figure")[0]
    assert HOSTILE.rsplit(maxsplit=1)[-1] in said(command["caption"])


def test_code_is_set_as_code() -> None:
    words = 'give `reslab run "a" --b #x $y`.'
    table = Table("t", "T", words, (Column("x"),), (("1",),), (words,))
    found = queried(one_section(Prose(words), Bullets((words,)), Note(words), table), {}, "raw")
    assert [(one["text"], one["block"]) for one in found] == [('reslab run "a" --b #x $y', False)] * 5


def test_characters_that_no_page_can_show_are_replaced() -> None:
    data = pdf_data(one_section(Prose("a\x00b\u202ec\nd\ud800")), {})
    assert data["sections"][0]["rows"][0][0]["text"][0]["text"] == "a\ufffdb\ufffdc d\ufffd"


def test_an_endless_word_may_be_broken() -> None:
    data = pdf_data(one_section(Prose("x" * 30), Prose("short-word")), {})
    long, short = (block["text"][0]["text"] for (block,) in data["sections"][0]["rows"])
    assert long == "x" * 12 + "\u200b" + "x" * 12 + "\u200b" + "x" * 6
    assert short == "short-word"


@pytest.mark.parametrize("count", [1, 9, 24])
def test_no_table_is_wider_than_its_page(count: int) -> None:
    columns = tuple(Column(f"A title {index}", "left" if index % 2 else "right") for index in range(count))
    row = tuple("words of a cell" if index % 2 else "8.75 \u00b1 0.16 (n = 5)" for index in range(count))
    widths = [
        sum(float(part.rpartition(" ")[2].removesuffix("pt")) for part in one["columns"])
        for one in queried(one_section(Table("t", "t", "c", columns, (row,) * 3)), {}, "table")
    ]
    millimetre = 72 / 25.4
    assert len(widths) == 1
    assert widths[0] <= (170 if count < 20 else 257) * millimetre + 0.1


def test_a_table_without_rows_and_a_cell_without_value() -> None:
    empty = Table("e", "t", "c", (Column("x"), Column("y", "left")), ())
    missing = Table("m", "t", "c", (Column("x"),), ((None,),))
    assert render_pdf(one_section(empty, missing), {}).startswith(b"%PDF")


@pytest.mark.parametrize("count", [1, 2, 3, 8])
def test_a_figure_of_any_number_of_panels(count: int) -> None:
    figure = Figure("f", "t", "c", tuple(Panel(f"p{index}", {}, {}) for index in range(count)))
    document = one_section(figure)
    places = [f"one-f{'' if count == 1 else '-' + chr(ord('a') + index)}" for index in range(count)]
    assert len(queried(document, dict.fromkeys(places, PICTURE), "image")) == count


def test_figures_side_by_side_keep_their_numbers_and_captions() -> None:
    pair = [Figure(key, f"Title {key}", "Words. " * size, (Panel("", {}, {}),)) for key, size in (("f", 1), ("g", 30))]
    found = queried(one_section(*pair), dict.fromkeys(("one-f", "one-g"), PICTURE), "figure")
    assert [one["label"] for one in found] == ["<one-f>", "<one-g>"]
    assert ["Title f" in said(found[0]["caption"]), "Title g" in said(found[1]["caption"])] == [True, True]


def test_the_date_is_that_of_the_runs(study: Document) -> None:
    assert study.dated == "Runs started on 4 March 2026"


@pytest.mark.parametrize(
    ("last", "said"),
    [
        ("2026-03-06", "Runs started from 4 to 6 March 2026"),
        ("2026-05-01", "Runs started from 4 March to 1 May 2026"),
        ("2027-03-01", "Runs started from 4 March 2026 to 1 March 2027"),
    ],
)
def test_dates_of_several_days_say_month_and_year_once(last: str, said: str) -> None:
    tables = read_tables(Path("nowhere"))
    runs = pl.DataFrame({"started": ["2026-03-04T10:00:00+00:00", None, f"{last}T10:00:00+00:00"]})
    assert _dated(replace(tables, runs=runs)) == said
