"""Tables as files: what computes reads them back, what typesets takes their characters as they are."""

import csv
from dataclasses import replace
from pathlib import Path

import pytest

from reslab.errors import ResLabError
from reslab.exhibits.blocks import Bullets, Column, Heading, Prose, Table
from reslab.files import write_whole
from reslab.report.document import Document, Section
from reslab.report.existing_files import WRITTEN, check_place, write_files
from reslab.report.exports import tables_as_files
from reslab.report.notes import FIRST, read_notes

TABLE = Table(
    "errors",
    "Errors",
    "In %, see [[errors]].",
    (Column("Runs", "left"), Column("Test error (%)"), Column("Difference")),
    (("rate 0.1, a_b & c", "8.40 ± 0.19", None), ("rate 1", "9.00", "\N{MINUS SIGN}0.60")),
)
DOCUMENT = Document("t", "s", (Section("depth", "Depth", (TABLE,)),))


def test_a_table_is_read_back_from_its_csv() -> None:
    text = tables_as_files(DOCUMENT)["tables/depth-errors.csv"]
    assert list(csv.reader(text.splitlines())) == [
        ["Runs", "Test error (%)", "Difference"],
        ["rate 0.1, a_b & c", "8.40 ± 0.19", ""],
        ["rate 1", "9.00", "-0.60"],
    ]


def test_a_table_in_latex_has_its_rules_its_caption_and_no_character_with_a_meaning() -> None:
    text = tables_as_files(DOCUMENT)["tables/depth-errors.tex"]
    assert r"\begin{tabular}{lrr}" in text
    assert text.index(r"\toprule") < text.index(r"\midrule") < text.index(r"\bottomrule")
    assert r"\caption{Errors.  In \%, see Table 1.}" in text
    assert r"\label{tab:depth-errors}" in text
    assert r"rate 0.1, a\_b \& c & 8.40 $\pm$ 0.19 & -- \\" in text
    assert r"rate 1 & 9.00 & $-$0.60 \\" in text


def test_a_column_of_sentences_is_wrapped_in_latex_and_signs_of_mathematics_compile() -> None:
    sentence = "Rate ∝ batch, \N{MULTIPLICATION SIGN}2, in a sentence that is longer than a line of a table is wide"
    table = Table("long", "Long", "", (Column("What", "left"), Column("n")), ((sentence, "3"),))
    document = replace(DOCUMENT, sections=(Section("depth", "Depth", (table,)),))
    text = tables_as_files(document)["tables/depth-long.tex"]
    assert r"\begin{tabular}{p{0.75\textwidth}r}" in text
    assert r"Rate $\propto$ batch, $\times$2, in" in text


def test_a_table_of_several_pages_breaks_between_them_in_latex() -> None:
    table = replace(TABLE, rows=TABLE.rows * 21)
    text = tables_as_files(replace(DOCUMENT, sections=(Section("depth", "Depth", (table,)),)))[
        "tables/depth-errors.tex"
    ]
    assert text.startswith(
        "{\\footnotesize\\setlength{\\tabcolsep}{3pt}\n\\begin{longtable}{lrr}\n"
        "\\caption{Errors.  In \\%, see Table 1.}\n\\label{tab:depth-errors} \\\\\n"
    )
    assert text.endswith("\\bottomrule\n\\end{longtable}}\n")
    assert (text.count(r"\midrule"), text.count("rate 1 &")) == (2, 21)  # its head is on each page
    assert r"\begin{table}" not in text


def test_an_edited_file_is_named_and_a_report_cut_short_is_nobodys_edit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class CutError(Exception):
        pass

    page = b'<p class="brand">ResLab</p>'
    first = {"index.html": page, "report.md": b"one", "tables/a.csv": b"1"}
    second = {"index.html": page + b"2", "report.md": b"two"}
    write_files(tmp_path, first, {})
    check_place(tmp_path)
    for last in second:

        def cut(path: Path, content: bytes, last: str = last) -> None:
            write_whole(path, content)
            if path.name == last:
                raise CutError

        with monkeypatch.context() as patch:
            patch.setattr("reslab.report.existing_files.write_whole", cut)
            with pytest.raises(CutError):
                write_files(tmp_path, second, {})
        check_place(tmp_path)
    write_files(tmp_path, second, {})
    assert not (tmp_path / "tables").exists()  # no table of the second report
    (tmp_path / "report.md").write_bytes(b"two, edited")
    with pytest.raises(ResLabError, match=r"report\.md was edited after ResLab wrote it.*--out.*notes\.md"):
        check_place(tmp_path)


def test_an_edited_file_stays_listed_while_other_reports_are_written_beside_it(tmp_path: Path) -> None:
    page = b'<p class="brand">ResLab</p>'
    table, depth = "tables/depth-errors.csv", {"index.html": page, "tables/depth-errors.csv": b"1"}
    write_files(tmp_path, depth, {})
    (tmp_path / table).write_bytes(b"mine")
    for _ in range(2):
        write_files(tmp_path, {"index.html": page + b"epochs"}, {})
        assert (tmp_path / table).read_bytes() == b"mine"
        with pytest.raises(ResLabError, match=r"depth-errors\.csv was edited after ResLab wrote it"):
            check_place(tmp_path, depth)
    (tmp_path / table).unlink()
    write_files(tmp_path, {"index.html": page}, {})
    check_place(tmp_path, depth)
    assert table not in (tmp_path / WRITTEN).read_text()


@pytest.mark.parametrize("name", ["tables/mine.csv", "figures/mine.svg", "report.pdf"])
def test_a_file_beside_a_report_that_its_list_does_not_name_is_somebody_else_s(tmp_path: Path, name: str) -> None:
    write_files(tmp_path, {"index.html": b'<p class="brand">ResLab</p>', "tables/a.csv": b"1"}, {})
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_bytes(b"")
    check_place(tmp_path, [name])  # nothing is lost with it
    (tmp_path / name).write_bytes(b"mine")
    with pytest.raises(ResLabError, match=r"(mine\.\w+|report\.pdf) is not a ResLab report and would be overwritten"):
        check_place(tmp_path, [name])
    (tmp_path / WRITTEN).unlink()
    check_place(tmp_path, [name])  # without a list, the page tells that all is ours


def test_notes_stand_by_the_study_that_their_heading_names(tmp_path: Path) -> None:
    assert read_notes(tmp_path) == {}
    (tmp_path / "notes.md").write_text(
        "For the whole\nreport.\n\n## depth\n\nI expected more.\n\n- one\n- two\n  goes on\n\n### Conclusion\n\nNone.\n"
    )
    assert read_notes(tmp_path) == {
        FIRST: [Prose("For the whole report.")],
        "depth": [
            Heading("Notes"), Prose("I expected more."), Bullets(("one", "two goes on")), Heading("Conclusion"),
            Prose("None."),
        ],
    }  # fmt: skip
    (tmp_path / "notes.md").write_bytes("\ufeff## depth\n\nBy Notepad.\n".encode())
    assert read_notes(tmp_path) == {"depth": [Heading("Notes"), Prose("By Notepad.")]}
    (tmp_path / "notes.md").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(ResLabError, match=r"cannot read .*notes\.md"):
        read_notes(tmp_path)
