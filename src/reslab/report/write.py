"""Write the report of a folder of runs: the page, the Markdown with its figures, and the typeset PDF."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from reslab.errors import ResLabError
from reslab.files import write_whole
from reslab.report.compose import compose
from reslab.report.existing_files import begin_writing, check_place, end_writing, pictures_before, tidy_up
from reslab.report.exports import tables_as_files
from reslab.report.html import render_html
from reslab.report.markdown import render_markdown
from reslab.report.pdf import render_pdf
from reslab.report.pictures import FORMATS, charts, convert, draw, fingerprint


@dataclass(frozen=True, slots=True)
class ReportFiles:
    """What was written."""

    html: Path
    markdown: Path
    pdf: Path
    figures: tuple[Path, ...]
    """The charts as SVG."""
    left_out: tuple[str, ...]
    """What could not be read and is not in the report: why, of each."""


def write_report(
    runs_root: Path,
    out: Path,
    studies: Sequence[str] | None = None,
    *,
    title: str | None = None,
    author: str | None = None,
    data_root: Path | None = None,
    formats: Sequence[str] = FORMATS,
) -> ReportFiles:
    """Write index.html, report.md, report.pdf, figures/*.svg, *.pdf and *.png, tables/*.csv and *.tex into `out`.

    They are made from the run directories, from notes.md beside them if it is there, and from nothing else, but for
    the images that every network gets wrong: these are shown if they are in `data_root`, or where training looks.

    `studies` names what to report on; None means every study that was asked, and the runs beside them.  `formats` are
    those of the figures; SVG is always among them.  The same run directories give the same files, byte for byte.
    Pictures of an earlier report that this one does not show are removed, if nobody has changed them.  Raises
    `ResLabError` for a study that was never asked, a format that there is not, or a folder that cannot be written,
    holds files of somebody else's under these names, or an edited report.
    """
    check_place(out)
    unknown = [name for name in formats if name not in FORMATS]
    if unknown:
        raise ResLabError(f"figures can be {', '.join(FORMATS)}, not {', '.join(unknown)}")
    wanted = [name for name in FORMATS if name == "svg" or name in formats]
    document = compose(runs_root, studies, title=title, author=author, data_root=data_root)
    specifications = charts(document)
    fingerprints = {f"{name}.{form}": fingerprint(chart) for name, chart in specifications.items() for form in wanted}
    check_place(out, [f"figures/{name}" for name in fingerprints])
    figures = out / "figures"
    known = pictures_before(figures)
    pictures = draw(specifications, known)
    with ThreadPoolExecutor(1) as pool:  # other processes convert while this one typesets
        converted = [pool.submit(convert, specifications, pictures, form, known) for form in wanted if form != "svg"]
        texts = {
            "index.html": render_html(document, pictures).encode(),  # first: it tells that the others are ours
            "report.md": render_markdown(document).encode(),
            "report.pdf": render_pdf(document, pictures),
            **{name: content.encode() for name, content in tables_as_files(document).items()},
        }
        made = zip(wanted[1:], [one.result() for one in converted], strict=True)
    drawings = {f"{name}.svg": svg.encode() for name, svg in pictures.items()}
    drawings |= {f"{name}.{form}": content for form, files in made for name, content in files.items()}
    beside = {f"figures/{name}": content for name, content in drawings.items()}
    try:
        begin_writing(out, texts)
        for name, content in {"index.html": texts["index.html"], **beside, **texts}.items():
            (out / name).parent.mkdir(parents=True, exist_ok=True)
            write_whole(out / name, content)
        end_writing(out, texts)
        tidy_up(figures, drawings, fingerprints)
    except OSError as error:
        raise ResLabError(
            f"cannot write the report to {out}: {error.strerror or error}; choose another folder with --out"
        ) from error
    return ReportFiles(
        html=out / "index.html",
        markdown=out / "report.md",
        pdf=out / "report.pdf",
        figures=tuple(figures / f"{name}.svg" for name in pictures),
        left_out=document.left_out,
    )
