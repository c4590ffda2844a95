"""Sources: found in the words of a report, cited by number, listed once."""

from reslab.exhibits.blocks import Block, Bullets, Prose, Table
from reslab.presets import PRESETS
from reslab.published import RESULTS
from reslab.report.document import Document, Section, pieces
from reslab.report.references import cited


def read(*sections: tuple[Block, ...]) -> tuple[list[list[str]], list[str]]:
    """Return the prose of each section as it is shown, and the texts of the references."""
    parts = tuple(Section(f"s{index}", "t", blocks) for index, blocks in enumerate(sections))
    document = cited(Document("t", "s", parts))
    numbers = document.numbers()
    shown = [
        [
            "".join(piece["text"] for piece in pieces(block.text, section, numbers))
            for block in section.blocks
            if isinstance(block, Prose)
        ]
        for section in document.sections
    ]
    return shown, [source.text for source in document.references]


def test_a_citation_becomes_its_number_and_place() -> None:
    paper = next(result.citation for result in RESULTS if result.source == "paper")
    shown, listed = read((Prose(f"Paper: {paper}; 64,000 iterations."),))
    assert shown == [["Paper: [1, table 6]; 64,000 iterations."]]
    assert listed == ['K. He, X. Zhang, S. Ren, J. Sun, "Deep Residual Learning for Image Recognition", CVPR 2016']


def test_nothing_is_cited_within_code() -> None:
    address = PRESETS["akamaster"].source
    shown, listed = read((Prose(f"Get it: `git clone {address}`."),))
    assert (shown, listed) == ([[f"Get it: git clone {address}."]], [])


def test_what_the_diagnostics_stand_on_is_cited_where_it_is_named() -> None:
    shown, listed = read(
        (Prose("A scale (McCandlish et al. 2018); a plane (Li et al. 2018); an edge, Cohen et al. 2021."),)
    )
    assert shown == [
        ["A scale (McCandlish et al. 2018 [1]); a plane (Li et al. 2018 [2]); an edge, Cohen et al. 2021 [3]."]
    ]
    assert [text.split(",")[0] for text in listed] == ["McCandlish et al.", "Li et al.", "Cohen et al."]


def test_the_student_report_and_what_the_tests_stand_on_are_cited_by_what_they_are_called() -> None:
    shown, listed = read((Prose("The student report's table 2, from an assignment; variances (Smyth 2004)."),))
    assert shown == [["The student report\u2019s table 2 [1], from an assignment; variances (Smyth 2004 [2])."]]
    assert [text.split(",")[0] for text in listed] == ['Report on "Coding assignment 1"', "Smyth"]


def test_every_source_of_the_published_figures_and_recipes_is_recognised() -> None:
    for text in {result.citation for result in RESULTS} | {preset.source for preset in PRESETS.values()}:
        shown, listed = read((Prose(f"See {text}."),))
        assert len(listed) == 1, text
        assert shown[0][0].startswith("See [1"), shown
        assert shown[0][0].endswith("]."), shown


def test_several_tables_of_a_source_are_one_reference() -> None:
    citations = tuple({result.citation for result in RESULTS if result.source == "assignment"})
    _, listed = read((Bullets(citations),))
    assert len(citations) > 1
    assert len(listed) == 1


def test_a_name_is_cited_where_each_section_first_names_it() -> None:
    words = (Prose("the paper's test errors"), Prose("The paper says so."))
    shown, listed = read(words, (Prose("newspaper"), Prose("as in the paper's figure 6, the paper says")))
    assert shown[0] == ["the paper\u2019s [1] test errors", "The paper says so."]
    assert shown[1] == ["newspaper", "as in the paper\u2019s figure 6 [1], the paper says"]
    assert len(listed) == 1


def test_numbers_follow_the_order_of_the_first_citations() -> None:
    shown, listed = read((Prose("https://github.com/hysts/pytorch_resnet and (https://arxiv.org/abs/1512.03385)."),))
    assert shown == [["[1] and [2]."]]
    assert listed[0] == "hysts/pytorch_resnet"


def test_another_address_stays_an_address() -> None:
    shown, listed = read((Prose("https://arxiv.org/abs/1512.03385v2 https://example.org/x"),))
    assert shown == [["https://arxiv.org/abs/1512.03385v2 https://example.org/x"]]
    assert listed == []


def test_nothing_cited_is_nothing_listed() -> None:
    table = Table("t", "the paper", "no source", (), ())
    assert read((table, Prose("[[@unknown-source]] [[@]]"))) == ([["[[@unknown-source]] [[@]]"]], [])
