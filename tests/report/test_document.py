"""References, addresses, and the marks of print."""

from reslab.exhibits.blocks import Column, Figure, Heading, Panel, Table
from reslab.report.document import Document, Section, pieces, rows, typeset

TABLE = Table("a", "A table", "c", (Column("x"),), (("1",),))
SECTION = Section("one", "One", (Heading("What was run"), TABLE, Figure("b", "t", "c", ()), Heading("Deeper", 4)))
OTHER = Section("two", "Two", (TABLE,))
DOCUMENT = Document("t", "s", (SECTION, OTHER))


def test_numbers_run_through_all_sections() -> None:
    assert DOCUMENT.numbers() == {"one-a": "Table 1", "one-b": "Figure 1", "two-a": "Table 2"}


def test_a_reference_is_to_the_exhibit_of_its_own_section() -> None:
    found = list(pieces("see [[a]], not [[b]].", OTHER, DOCUMENT.numbers()))
    assert found == [
        {"kind": "text", "text": "see ", "target": ""},
        {"kind": "reference", "text": "Table 2", "target": "two-a"},
        {"kind": "text", "text": ", not [[b]].", "target": ""},
    ]


def test_an_address_is_a_link_without_the_stop_behind_it() -> None:
    found = list(pieces("(https://arxiv.org/abs/1512.03385).", SECTION, {}))
    assert [piece["text"] for piece in found] == ["(", "https://arxiv.org/abs/1512.03385", ")."]
    assert found[1]["kind"] == "link"


def test_what_stands_in_backticks_is_code_as_it_is() -> None:
    found = list(
        pieces(
            """give `reslab run "x" [[a]] https://x.y`, or `y`; a ` b ` c, `` and [[a]]""", SECTION, DOCUMENT.numbers()
        )
    )
    assert [(piece["kind"], piece["text"]) for piece in found] == [
        ("text", "give "),
        ("code", 'reslab run "x" [[a]] https://x.y'),
        ("text", ", or "),
        ("code", "y"),
        ("text", "; a ` b ` c, `` and "),
        ("reference", "Table 1"),
    ]


def test_no_other_scheme_is_a_link() -> None:
    assert [piece["kind"] for piece in pieces("javascript:alert(1) ftp://x.y", SECTION, {})] == ["text"]


def test_the_marks_of_print() -> None:
    assert typeset('the paper\'s "best"') == "the paper\u2019s \u201cbest\u201d"
    assert typeset("notes on 'Task 3', the networks' seeds") == "notes on \u2018Task 3\u2019, the networks\u2019 seeds"
    assert typeset("8.75 ± 0.16 (n = 5)") == "8.75\u00a0±\u00a00.16 (n\u00a0=\u00a05)"
    assert typeset("mean ± deviation") == "mean ± deviation"


def test_figures_of_one_panel_that_follow_each_other_stand_in_twos() -> None:
    one, two, three = (Figure(key, "t", "c", (Panel("p", {}, {}),)) for key in ("one", "two", "three"))
    several = Figure("several", "t", "c", (Panel("p", {}, {}), Panel("q", {}, {})))
    assert list(rows([one, two, three])) == [(one, two), (three,)]
    assert list(rows([one, TABLE, two, several, three])) == [(one,), (TABLE,), (two,), (several,), (three,)]
    assert list(rows([])) == []
