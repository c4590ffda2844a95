"""Write the report of a folder of runs: the page, the Markdown with its figures, and the typeset PDF."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from reslab.errors import NothingToReportError, ResLabError
from reslab.exhibits.captions import text
from reslab.files import unwritten
from reslab.report.compose import compose
from reslab.report.existing_files import TEXTS, check_place, has_figures, pictures_before, write_files
from reslab.report.exports import tables_as_files
from reslab.report.html import render_html
from reslab.report.markdown import render_markdown
from reslab.report.pdf import NotTypesetError, render_pdf
from reslab.report.pictures import FORMATS, charts, convert, draw, fingerprint


@dataclass(frozen=True, slots=True)
class ReportFiles:
    """The files of a report that was written."""

    html: Path
    markdown: Path
    pdf: Path | None
    """None where it could not be typeset."""
    figures: tuple[Path, ...]
    """The charts as SVG."""
    left_out: tuple[str, ...]
    """Why each item that could not be read or typeset is missing from the report."""


def write_report(
    runs_root: Path,
    out: Path,
    studies: Sequence[str] | None = None,
    *,
    title: str | None = None,
    author: str | None = None,
    data_root: Path | None = None,
    formats: Sequence[str] = FORMATS,
    answers: bool | None = None,
) -> ReportFiles:
    """Write index.html, report.md, report.pdf, figures/*.svg, *.pdf and *.png, tables/*.csv and *.tex into `out`.

    They are made only from the run directories and the user's notes.md and words/ beside them, except for the images
    that every network gets wrong: these are shown if they are in `data_root`, or where training looks.  The same
    inputs give the same files, byte for byte.

    `studies` names what to report on; None means every recorded study and all other runs.  `formats` are those of the
    figures; SVG is always included.  `answers` overrides that of the studies: true makes a handout's solution, false a
    handout.  Unchanged files of an earlier report that this one does not have are removed.  A PDF that cannot be
    typeset is left out.

    Raises `NothingToReportError` where no run has an epoch yet and an earlier report has figures, which then stays.
    Raises `ResLabError` for a study that has not been run, an unknown format, or a folder that cannot be written or
    has an edited report or other people's files under these names.
    """
    check_place(out)
    unknown = [name for name in formats if name not in FORMATS]
    if unknown:
        raise ResLabError(f"figures can be {', '.join(FORMATS)}, not {', '.join(unknown)}")
    wanted = [name for name in FORMATS if name == "svg" or name in formats]
    document = compose(runs_root, studies, title=title, author=author, data_root=data_root, answers=answers)
    specifications = charts(document)
    if not specifications and has_figures(out):
        values = {"root": str(runs_root), "out": str(out), "studies": studies, "left_out": document.left_out}
        raise NothingToReportError(text("report.nothing", **values))
    drawn_from = {
        f"figures/{name}.{form}": fingerprint(chart) for name, chart in specifications.items() for form in wanted
    }
    tables = tables_as_files(document)
    check_place(out, [*TEXTS, *drawn_from, *tables])
    known = pictures_before(out)
    pictures = draw(specifications, known)
    with ThreadPoolExecutor(1) as pool:  # converts in other processes while this one typesets
        converting = {form: pool.submit(convert, specifications, pictures, form, known) for form in wanted[1:]}
        texts = {
            "index.html": render_html(document, pictures),
            "report.md": render_markdown(document),
            **tables,
            **{f"figures/{name}.svg": svg for name, svg in pictures.items()},
        }
        files = {name: text.encode() for name, text in texts.items()}
        left_out = document.left_out
        try:
            files["report.pdf"] = render_pdf(document, pictures)
        except NotTypesetError as error:
            left_out += (f"report.pdf: {error}; all else is written",)
        for form, converted in converting.items():
            files |= {f"figures/{name}.{form}": content for name, content in converted.result().items()}
    try:
        write_files(out, files, drawn_from)
    except OSError as error:
        raise ResLabError(f"cannot write the report to {out}: {unwritten(error, '--out')}") from error
    figures = tuple(out / "figures" / f"{name}.svg" for name in pictures)
    pdf = out / "report.pdf" if "report.pdf" in files else None
    return ReportFiles(out / "index.html", out / "report.md", pdf, figures, left_out)
