"""The whole report: pure, self-contained, safe, and there whatever has been run."""

import json
import re
import shutil
from pathlib import Path

import pytest
import typst

from reslab.errors import ResLabError
from reslab.exhibits.blocks import Bullets, Column, Note, Prose, Table
from reslab.files import read_json, signed, write_json, write_whole
from reslab.recipe import Run
from reslab.report.compose import compose
from reslab.report.document import Document, Section
from reslab.report.html import render_html
from reslab.report.markdown import render_markdown
from reslab.report.pictures import charts, draw
from reslab.report.write import ReportFiles, write_report
from reslab.studies.asked import record
from reslab.studies.catalogue import ask_all
from reslab.studies.questions import depth
from reslab.studies.study import Options, Study, Variant
from synthetic import Truth, small, write_run

HOSTILE = '</script><script>alert("1")</script> & [[test]] `x` | *y* \'"'


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with an unfinished study of depth, a study with a hostile title, and a run of no study."""
    root = tmp_path_factory.mktemp("runs")
    asked = depth.ask(Options(datasets=("digits",), depths=(8, 14), epochs=12, seeds=2))
    record(root, asked)
    for run in asked.runs()[:3]:
        write_run(root, run, Truth(3.0, 1.0, 0.2))
    hostile = Study("bad", HOSTILE, HOSTILE, HOSTILE, (Variant(HOSTILE, small(20)),), (0,), "custom")
    record(root, hostile)
    write_run(root, hostile.runs()[0], Truth(2.0, 1.0))
    write_run(root, Run(small(26), 4), Truth(2.0, 1.0))
    return root


@pytest.fixture(scope="module")
def written(runs: Path, tmp_path_factory: pytest.TempPathFactory) -> ReportFiles:
    """Return the report on those runs."""
    return write_report(runs, tmp_path_factory.mktemp("report"))


def pdf_of(report: ReportFiles) -> bytes:
    assert report.pdf is not None
    return report.pdf.read_bytes()


def test_the_same_runs_give_the_same_bytes(runs: Path, written: ReportFiles, tmp_path: Path) -> None:
    again = write_report(runs, tmp_path / "new" / "folder")
    assert again.html.read_bytes() == written.html.read_bytes()
    assert again.markdown.read_bytes() == written.markdown.read_bytes()
    assert pdf_of(again) == pdf_of(written)
    assert [path.name for path in again.figures] == [path.name for path in written.figures]
    assert [path.read_bytes() for path in again.figures] == [path.read_bytes() for path in written.figures]


def test_the_page_fetches_nothing(written: ReportFiles) -> None:
    page = written.html.read_text()
    outside_scripts = re.sub(r"<script\b.*?</script>", "", page, flags=re.DOTALL)
    assert not re.search(r"<script[^>]*\ssrc=", page)
    assert not re.search(r"<(iframe|object|embed|source|video|audio)\b", outside_scripts)
    images = re.findall(r'<img[^>]*\ssrc="([^"]{20})', outside_scripts)
    assert len(images) == len(written.figures)
    assert set(images) == {"data:image/svg+xml,%"}
    assert re.findall(r'<link\b[^>]*href="([^"]*)"', outside_scripts) == ["data:,"]
    assert "@import" not in outside_scripts
    assert "url(" not in re.sub(r'src="data:[^"]*"', "", outside_scripts)  # within a picture they are its own parts
    assert page.count("vegaEmbed=") == 1


def test_a_hostile_title_is_text_everywhere(written: ReportFiles) -> None:
    page = written.html.read_text()
    assert "<script>alert" not in page
    assert "&lt;/script&gt;&lt;script&gt;alert" in page
    assert "<script>" not in written.markdown.read_text()
    for path in written.figures:
        assert "<script" not in path.read_text()


def test_code_is_code_in_the_page_and_the_markdown() -> None:
    words = "give `reslab run <a_b> | *c*` & go."
    table = Table("t", "T", words, (Column("x"),), (("1",),), (words,))
    blocks = (Prose(words), Bullets((words,)), Note(words), table)
    document = Document("Title", "Summary.", (Section("one", "One", blocks),))
    assert render_html(document, {}).count("give <code>reslab run &lt;a_b&gt; | *c*</code> &amp; go.") == 5
    assert render_markdown(document).count("give `reslab run <a_b> | *c*` &amp; go.") == 5


def test_no_line_ends_within_a_name(written: ReportFiles) -> None:
    page = written.html.read_text()
    assert '<span class="name">ResNet-14</span>' in page
    table = page[page.index("<tbody>") : page.rindex("</tbody>")]
    outside_attributes = re.sub(r"<[^<>]*>", lambda tag: "\n" if tag.group() != '<span class="name">' else "\0", table)
    assert not re.search(r"(?<!\0)\bResNet-\d", outside_attributes)


def test_the_data_of_the_charts_can_be_read_and_each_set_is_there_once(written: ReportFiles) -> None:
    page = written.html.read_text()
    pool, charts = (
        json.loads(match)
        for match in re.findall(r'<script id="\w+" type="application/json">(.*?)</script>', page, flags=re.DOTALL)
    )
    used = {place for chart in charts.values() for place in chart["datasets"].values()}
    assert used == set(range(len(pool)))
    assert len({json.dumps(one) for one in pool}) == len(pool)
    assert len(pool) < len(charts)
    assert set(re.findall(r'data-chart="([^"]*)"', page)) == set(charts)


def test_figures_and_tables_are_numbered_through_and_references_lead_to_them(written: ReportFiles) -> None:
    page = re.sub(r"<script\b.*?</script>", "", written.html.read_text(), flags=re.DOTALL)
    for word in ("Figure", "Table"):
        numbers = [int(number) for number in re.findall(rf"<b>{word} (\d+)\.", page)]
        assert numbers == list(range(1, len(numbers) + 1))
    targets = set(re.findall(r'href="#([^"]*)"', page))
    assert targets <= set(re.findall(r'\bid="([^"]*)"', page))
    assert {"appendix-steps", "depth", "bad"} <= targets


def test_markdown_shows_every_figure_file(written: ReportFiles) -> None:
    text = written.markdown.read_text()
    shown = re.findall(r"!\[[^\n]*\]\(figures/([^)]*)\)", text)
    assert sorted(shown) == sorted(path.name for path in written.figures)
    assert all(path.read_text().startswith("<svg") for path in written.figures)


def test_every_part_is_there(written: ReportFiles) -> None:
    text = written.markdown.read_text()
    assert "6 runs, 5 of them finished" in text.replace("Six runs", "6 runs")
    assert "3 of 4 runs have finished" in text
    assert "## How does depth change the error?" in text
    assert "## Other runs" in text
    assert "## Appendix: every run" in text
    assert not re.search(r"\[\[[a-z0-9-]+\]\]", text.replace("[[test]]", ""))


def test_notes_of_the_user_are_in_their_chapters_and_stay_as_they_are(runs: Path, tmp_path: Path) -> None:
    root = shutil.copytree(runs, tmp_path / "runs")
    words = "At the head.\n\n## depth\n\nI expected <more>.\n\n## dept\n\nLost?\n"
    (root / "notes.md").write_text(words)
    text = render_markdown(compose(root))
    assert (
        text.index("At the head.")
        < text.index("## How does depth change the error?")
        < text.index("I expected &lt;more&gt;.")
    )
    assert "notes.md has notes on 'dept', which is not a study here (did you mean 'depth'?)." in text.replace(
        "\u2019", "'"
    ).replace("\u2018", "'").replace("\\", "")
    assert (root / "notes.md").read_text() == words


def test_a_report_that_somebody_edited_is_not_written_over(runs: Path, tmp_path: Path) -> None:
    files = write_report(runs, tmp_path, formats=["svg"])
    assert {path.name for path in (tmp_path / "tables").glob("depth-errors.*")} == {
        "depth-errors.csv",
        "depth-errors.tex",
    }
    write_report(runs, tmp_path, formats=["svg"])
    files.markdown.write_text("mine")
    with pytest.raises(ResLabError, match=r"report\.md was edited after ResLab wrote it"):
        write_report(runs, tmp_path, formats=["svg"])
    assert files.markdown.read_text() == "mine"


def test_a_table_that_somebody_edited_is_not_written_over(runs: Path, tmp_path: Path) -> None:
    write_report(runs, tmp_path, formats=["svg"])
    table = tmp_path / "tables" / "depth-errors.csv"
    table.write_text("mine")
    with pytest.raises(ResLabError, match=r"depth-errors\.csv was edited after ResLab wrote it"):
        write_report(runs, tmp_path, formats=["svg"])
    assert table.read_text() == "mine"


def test_only_the_studies_asked_for(runs: Path) -> None:
    document = compose(runs, ["depth"])
    assert [section.key for section in document.sections] == ["depth", "appendix"]
    assert document.title == "How does depth change the error?"


def test_a_study_never_asked_is_named(runs: Path, tmp_path: Path) -> None:
    with pytest.raises(ResLabError, match=r"no study 'dept' \(did you mean 'depth'\?\)"):
        compose(runs, ["dept"])
    with pytest.raises(ResLabError, match=r"depth has not been run .*reslab run depth"):
        compose(tmp_path, ["depth"])
    with pytest.raises(ResLabError, match="nothing has been run there"):
        compose(tmp_path, ["mine"])


@pytest.mark.parametrize("make", [True, False])
def test_nothing_run_still_gives_a_report_that_says_what_to_run(tmp_path: Path, make: bool) -> None:
    root = tmp_path / "runs"
    if make:
        root.mkdir()
    files = write_report(root, tmp_path / "report")
    page = files.html.read_text()
    assert "Nothing has been run yet" in page
    assert "reslab run depth --dataset digits" in page
    assert "vegaEmbed" not in page
    assert files.figures == ()
    assert not (tmp_path / "report" / "figures").exists()
    assert pdf_of(files).startswith(b"%PDF")


@pytest.mark.parametrize("what", ["empty", "missing", "not begun", "unreadable"])
def test_a_report_with_results_is_not_replaced_by_one_without(
    runs: Path, written: ReportFiles, tmp_path: Path, what: str
) -> None:
    root, out = tmp_path / "none", shutil.copytree(written.html.parent, tmp_path / "report")
    if what != "missing":
        root.mkdir()
    if what == "not begun":
        record(root, depth.ask(Options(datasets=("digits",), depths=(8,), seeds=2)))
    if what == "unreadable":
        write_run(root, Run(small(8)), Truth(3.0, 1.0))
        (root / small(8).id / "seed0" / "run.json").write_text("{")
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    with pytest.raises(ResLabError, match=r"nothing to report in .*none: .*the report in .* stays as it is") as caught:
        write_report(root, out)
    assert ("run.json is damaged" in str(caught.value)) == (what == "unreadable")
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before


def test_a_study_asked_and_not_yet_begun(tmp_path: Path) -> None:
    record(tmp_path, depth.ask(Options(datasets=("digits",), depths=(8,), seeds=2)))
    page = render_html(compose(tmp_path), draw(charts(compose(tmp_path))))
    assert "0 of 2 runs have finished." in page
    words = re.sub(r"</?span[^<>]*>", "", page)
    assert "Not started: ResNet-8, digits seed 0; ResNet-8, digits seed 1." in words
    assert "No run has been started." in page


def test_a_damaged_run_folder_is_named_and_the_rest_reported(tmp_path: Path) -> None:
    write_run(tmp_path, Run(small(8), 0), Truth(3.0, 1.0))
    (tmp_path / "broken" / "seed0").mkdir(parents=True)
    (tmp_path / "broken" / "seed0" / "run.json").write_text("{")
    page = render_html(compose(tmp_path), draw(charts(compose(tmp_path))))
    assert "One run folder could not be read: broken/seed0/run.json is damaged" in page
    assert "ResNet-8" in page


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(ResLabError, match=r"cannot write the report to .*taken.*--out"):
        write_report(tmp_path / "runs", tmp_path / "taken")


def test_a_title_and_an_author_are_in_the_page_and_the_markdown(runs: Path) -> None:
    document = compose(runs, ["depth"], title=f"On {HOSTILE}", author="A. <Author>")
    page, text = render_html(document, draw(charts(document))), render_markdown(document)
    assert "<title>On &lt;/script&gt;" in page
    assert '<p class="author">A. &lt;Author&gt;</p>' in page
    assert "<h2>How does depth change the error?</h2>" in page  # a title of its own needs the chapter's as well
    assert text.startswith("# On &lt;/script&gt;")
    assert "A. &lt;Author&gt;" in text
    plain = compose(runs, ["depth"])
    assert 'name="author"' not in render_html(plain, draw(charts(plain)))


def test_the_sources_cited_are_listed_in_the_page_and_the_markdown(written: ReportFiles) -> None:
    """The tables of the appendix cite the student report, whose window of epochs they have."""
    page, text = written.html.read_text(), written.markdown.read_text()
    (target,) = re.findall(r'the student report\u2019s <a class="reference" href="#(reference-[^"]+)">\[1\]</a>', page)
    assert f'<li id="{target}">Report on \u201cCoding assignment 1\u201d' in page
    assert "## References\n\n\\[1\\] Report on \u201cCoding assignment 1\u201d" in text


def test_the_appendix_answers_the_checklist_from_the_runs(written: ReportFiles) -> None:
    text = written.markdown.read_text()
    assert "| Runs | five runs finished, of four recipes; none is left out of the tables |" in text
    assert "| Finished seeds per recipe | 1 to 2 |" in text
    assert "| Hardware | Some 9000 |" in text
    assert "| Training time | 31 min 30 s in all |" in text  # five runs of twelve epochs of 31.5 s


def test_all_runs_are_listed_from_the_shallowest_network_on(written: ReportFiles) -> None:
    rows = (written.html.parent / "tables" / "appendix-runs.csv").read_text().splitlines()[1:]
    depths = [int(row.split("resnet")[1].split("-")[0]) for row in rows]
    assert depths == [8, 8, 14, 20, 26]


def test_the_appendix_names_the_software(written: ReportFiles) -> None:
    text = written.markdown.read_text()
    assert "| 5 | 0.1.0 | 3.11.9 | 2.13.0 | 2.3.1 | Linux-6.1-x86\\_64 | cpu | 2 |" in text


def test_a_second_report_leaves_no_picture_of_the_first(runs: Path, tmp_path: Path) -> None:
    first = write_report(runs, tmp_path)
    mine = tmp_path / "figures" / "mine.svg"
    mine.write_text("<svg/>")
    second = write_report(runs, tmp_path, ["depth"])
    assert set(second.figures) < set(first.figures)
    left = set((tmp_path / "figures").glob("*.svg"))
    assert left == {*second.figures, mine}
    for form in ("pdf", "png"):
        assert {path.stem for path in (tmp_path / "figures").glob(f"*.{form}")} == {
            path.stem for path in second.figures
        }
    write_report(runs, tmp_path, ["depth"], formats=["svg"])
    assert {path.suffix for path in (tmp_path / "figures").iterdir()} == {".svg"}


def test_a_format_that_there_is_not_is_named(runs: Path, tmp_path: Path) -> None:
    with pytest.raises(ResLabError, match="figures can be svg, pdf, png, not gif"):
        write_report(runs, tmp_path, formats=["gif"])


def test_the_assignment_opens_with_its_questions(tmp_path: Path) -> None:
    options = Options(datasets=("digits",), depths=(8, 14), epochs=4, seeds=2)
    plan = ask_all("assignment", options)
    for study in plan.studies:
        record(tmp_path, study)
    for run in plan.runs():
        write_run(tmp_path, run, Truth(3.0 + run.recipe.learning_rate, 1.0, 0.1))
    document = compose(tmp_path, ["assignment"])
    assert document.title == plan.title
    assert [section.key for section in document.sections][:2] == ["opening", "depth"]
    text = render_markdown(document)
    assert "| Depth | " in text
    assert "[[" not in text.replace("\\", "")
    page = render_html(document, draw(charts(document)))
    assert page.index("<nav") < page.index('<section id="opening"') < page.index('<section id="depth"')
    assert '<a href="#depth">How does depth change the error?</a>' in page
    assert '<details id="contents">' in page  # folded, until the page is wide
    contents = page[page.index("<nav") : page.index("</nav>")]
    assert '<a href="#opening">' not in contents
    assert re.findall(r'href="#(depth-[^"]*)">([^<]*)', contents)[0] == ("depth-why", "Why?")


def test_a_record_that_cannot_be_used_keeps_no_report_from_being_written(runs: Path, tmp_path: Path) -> None:
    root = shutil.copytree(runs, tmp_path / "runs")
    (root / "studies" / "bad.json").write_text("{")
    odd = {**(read_json(root / "studies" / "depth.json") or {}), "name": "odd", "kind": "odd"}
    write_json(root / "studies" / "odd.json", signed(odd))
    text = write_report(root, tmp_path / "report").markdown.read_text()
    assert "Two study records could not be read: studies/bad.json is damaged" in text
    assert "the study odd is from a newer ResLab; update this one" in text
    assert "ResNet-14" in text
    with pytest.raises(ResLabError, match=r"studies/bad\.json is damaged.*remove it and run the study again"):
        write_report(root, tmp_path / "report", ["bad"])


def test_a_pdf_that_cannot_be_typeset_costs_nothing_else(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise typst.TypstError("maximum layout depth\nexceeded")  # type: ignore[call-arg]  # as a real one is made

    write_report(runs, tmp_path, formats=["svg"])
    monkeypatch.setattr(typst, "compile", fails)
    found = write_report(runs, tmp_path, formats=["svg"])
    assert found.pdf is None
    assert found.left_out[-1].startswith("report.pdf: it cannot be typeset: maximum layout depth")
    assert "\n" not in found.left_out[-1]
    assert found.html.exists()
    assert found.markdown.exists()
    assert not (tmp_path / "report.pdf").exists()  # it would be an earlier one


@pytest.mark.parametrize("name", ["index.html", "report.md", "report.pdf", "figures/FIRST"])
def test_what_is_somebody_else_s_is_not_overwritten(
    runs: Path, written: ReportFiles, tmp_path: Path, name: str
) -> None:
    path = tmp_path / name.replace("FIRST", written.figures[0].name)
    path.parent.mkdir(exist_ok=True)
    path.write_text("important")
    with pytest.raises(ResLabError, match=f"{path.name} is not a ResLab report .*choose another folder with --out"):
        write_report(runs, tmp_path)
    assert [one for one in tmp_path.rglob("*") if one.is_file()] == [path]
    assert path.read_text() == "important"


def test_a_report_that_was_cut_short_is_written_again(
    runs: Path, written: ReportFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class CutError(Exception):
        pass

    def cut(path: Path, content: bytes) -> None:
        write_whole(path, content)
        if path.name == "report.md":
            raise CutError

    with monkeypatch.context() as patch:
        patch.setattr("reslab.report.existing_files.write_whole", cut)
        with pytest.raises(CutError):
            write_report(runs, tmp_path, formats=["svg"])
    assert pdf_of(write_report(runs, tmp_path, formats=["svg"])) == pdf_of(written)


def test_the_appendix_says_what_each_recipe_is(written: ReportFiles, runs: Path) -> None:
    text = written.markdown.read_text()
    table = text.partition("**Table")[2].partition("All recipes")[2].partition("All runs")[0]
    for layers in (8, 14):
        (line,) = [line for line in table.splitlines() if f"resnet{layers}-" in line]
        assert line.startswith(f"| ResNet-{layers}, digits | digits-resnet{layers}-")
