"""The verbs `status` and `report`: how the runs stand, and what they say."""

from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from reslab.cli import DAMAGED, OK
from reslab.cli.console import aside, print_json, print_table
from reslab.cli.flags import AsJson, DataRoot, Ids, Out, Runs
from reslab.cli.lists import names
from reslab.datasets import SHORT
from reslab.errors import ResLabError
from reslab.lab.store import RunFiles, find_runs
from reslab.naming import run_names
from reslab.recipe import Run
from reslab.session.work import write_report_of


def status(
    *,
    verify: Annotated[bool, Parameter(negative="")] = False,
    ids: Ids = False,
    runs: Runs = Path("runs"),
    json: AsJson = False,
) -> int:
    """List the runs: status, epochs, last test error, speed, and the images where the data set's name does not tell.

    With --ids, runs are called as the other verbs take them.

    Parameters
    ----------
    verify
        Check every file of the ended runs, weights included, against its manifest; exit code 5 if one is damaged.
    """
    rows: list[dict[str, Any]] = []
    found: list[Run] = []
    for files in find_runs(runs):
        try:
            rows.append(_row(files, verify))
            found.append(files.read_run())
        except ResLabError as error:  # one that is damaged does not hide the others
            rows.append({**dict.fromkeys(_COLUMNS), "run": files.name, "status": "unreadable", "message": str(error)})
    called = run_names(found)
    rows = [{"run": row["run"], "name": called.get(row["run"]), **row} for row in rows]
    code = DAMAGED if verify and any(row["status"] == "unreadable" for row in rows) else OK
    if json:
        print_json(rows)
        return code
    if not rows:
        print(f"there are no runs in {runs}; `reslab run depth --dataset digits` makes some")
        return OK
    print_table(
        ["run", "status", "epochs", "test error in %", "images/s", "images", ""],
        [
            [
                row["run"] if ids else row["name"] or row["run"],
                row["status"],
                "-" if row["epochs"] is None else str(row["epochs"]),
                "-" if row["test_error"] is None else f"{row['test_error']:.2f}",
                "-" if row["images_per_second"] is None else f"{row['images_per_second']:,.0f}",
                row["images"] or "",
                row["message"] or "",
            ]
            for row in rows
        ],
    )
    return code


_COLUMNS = ("run", "status", "epochs", "test_error", "images_per_second", "images", "message")


def _row(files: RunFiles, verify: bool) -> dict[str, Any]:
    run, metrics, failure = files.check(), files.metrics(), files.failure() or {}
    last = metrics[-1] if metrics else {}
    found = [_verified(files) if verify and files.ended() is not None else None, failure.get("message")]
    message = "; ".join(words for words in found if words) or None
    measured = (last.get("test_error"), last.get("images_per_second"), _images(files, run))
    return dict(zip(_COLUMNS, (run.id, files.status(), len(metrics), *measured, message), strict=True))


def _verified(files: RunFiles) -> str:
    """Return how the files of an ended run agree with its manifest; raise `DamagedError` where one is damaged."""
    problems = files.check_files()
    if any(problem.kind == "unsealed" for problem in problems):
        return "without a manifest"
    missing = ", ".join(problem.name for problem in problems)
    return f"whole, but without {missing}" if missing else "whole"


def _images(files: RunFiles, run: Run) -> str | None:
    """Return the start of the fingerprint of a run's images; None for those that its data set's name tells."""
    found = (files.provenance() or {}).get("data") or {}
    if found.get("official") or not found.get("fingerprint"):
        return run.recipe.images or None
    return str(found["fingerprint"])[:SHORT]


def report(
    *studies: str,
    runs: Runs = Path("runs"),
    out: Out = Path("report"),
    title: str | None = None,
    author: str | None = None,
    data_root: DataRoot = None,
    figures: str | None = None,
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
    """
    if not runs.is_dir():
        raise ResLabError(f"there is no folder {runs}; give the folder of the runs with --runs")
    written = write_report_of(
        runs,
        out,
        list(studies) or None,
        title=title,
        author=author,
        data_root=data_root,
        formats=names("figures", figures),
        tell=aside,
    )
    if json:
        print_json({"html": str(written.html), "markdown": str(written.markdown), "pdf": str(written.pdf)})
    else:
        print(f"{written.html}\n{written.markdown}\n{written.pdf}")
    return OK
