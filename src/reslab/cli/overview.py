"""The verbs `status` and `report`: the status of the runs, and the report on them."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from reslab.cli import DAMAGED, OK
from reslab.cli.console import aside, print_json, print_listing
from reslab.cli.flags import AsJson, DataRoot, Ids, Out, Runs
from reslab.cli.lists import names
from reslab.errors import ResLabError
from reslab.lab.folder.status import UNREADABLE
from reslab.session import overview
from reslab.session.overview import write_report


def status(
    *,
    verify: Annotated[bool, Parameter(negative="")] = False,
    ids: Ids = False,
    runs: Runs = Path("runs"),
    json: AsJson = False,
) -> int:
    """List the runs: status, epochs, last test error, speed, and the images if the data set's name does not identify
    them.

    With --ids, runs are shown by the ids that other commands take.

    Parameters
    ----------
    verify
        Check every file of the completed runs, weights included, against its manifest; exit code 5 if one is damaged.
    """
    found = overview.status(runs, verify=verify, ids=ids)
    if json or found:
        print_listing(found, json=json)
    else:
        print(f"there are no runs in {runs}; `reslab run depth --dataset digits` trains some")
    return DAMAGED if verify and any(row["status"] == UNREADABLE for row in found) else OK


def report(
    *studies: str,
    runs: Runs = Path("runs"),
    out: Out = Path("report"),
    title: str | None = None,
    author: str | None = None,
    data_root: DataRoot = None,
    figures: str | None = None,
    answers: bool | None = None,
    json: AsJson = False,
) -> int:
    """Write the report from the runs on disk: of the named studies, or of all studies run so far.

    For example:

      reslab report depth --runs runs --out report --author "A. Student"

    Parameters
    ----------
    studies
        Names of studies; default: all studies run so far.
    title
        Title of the report.
    author
        Author of the report.
    figures
        Formats of the figures' files, separated by commas; default: svg,pdf,png.  SVG is always written.
    answers
        Write the answers, or leave them to the reader, as in a handout; default: as the study's file says.
    """
    written = write_report(
        runs,
        out,
        studies,
        title=title,
        author=author,
        data_root=data_root,
        figures=names("figures", figures),
        answers=answers,
        tell=aside,
    )
    if json:
        files = {"html": written.html, "markdown": written.markdown, "pdf": written.pdf}
        print_json({kind: None if path is None else str(path) for kind, path in files.items()})
    else:
        print(*filter(None, (written.html, written.markdown, written.pdf)), sep="\n")
    return OK if written.pdf is not None else ResLabError.exit_code
