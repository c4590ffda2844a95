"""Write the report of a folder of runs: the page, the Markdown, and its figures."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from reslab.errors import ResLabError
from reslab.files import write_whole
from reslab.report.compose import compose
from reslab.report.html import render_html
from reslab.report.markdown import render_markdown
from reslab.report.pictures import draw


@dataclass(frozen=True, slots=True)
class ReportFiles:
    """What was written."""

    html: Path
    markdown: Path
    figures: tuple[Path, ...]


def write_report(runs_root: Path, out: Path, studies: Sequence[str] | None = None) -> ReportFiles:
    """Write index.html, report.md and figures/*.svg into `out`, from the run directories and nothing else.

    `studies` names what to report on; None means every study that was asked, and the runs beside them.  The same
    run directories give the same files, byte for byte.  Raises `ResLabError` for a study that was never asked, or
    a folder that cannot be written.
    """
    document = compose(runs_root, studies)
    pictures = draw(document)
    contents = {"index.html": render_html(document, pictures), "report.md": render_markdown(document)}
    contents |= {f"figures/{name}.svg": svg for name, svg in pictures.items()}
    try:
        for name, text in contents.items():
            (out / name).parent.mkdir(parents=True, exist_ok=True)
            write_whole(out / name, text.encode())
    except OSError as error:
        raise ResLabError(
            f"cannot write the report to {out}: {error.strerror or error}; choose another folder with --out"
        ) from error
    return ReportFiles(
        out / "index.html", out / "report.md", tuple(out / "figures" / f"{name}.svg" for name in pictures)
    )
