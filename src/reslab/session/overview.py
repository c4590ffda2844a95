"""The status of the runs in a folder, and the report on them, for Python and the verbs `status` and `report`."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reslab.amounts import counted
from reslab.datasets import SHORT
from reslab.errors import ResLabError
from reslab.files import as_path
from reslab.lab.folder import metrics
from reslab.lab.folder.finding import find_runs, runs_folder
from reslab.lab.folder.status import UNREADABLE
from reslab.lab.folder.store import RunFiles
from reslab.naming import run_names
from reslab.recipe import Run
from reslab.session.listing import Listing
from reslab.session.progress import Tell, aside

if TYPE_CHECKING:
    from reslab.report.write import ReportFiles


_COLUMNS = ("run", "status", "epochs", "test_error", "images_per_second", "images", "files", "message")
_OPTIONAL = {"images": "images", "files": "files", "message": "what went wrong"}
"""Columns that are shown only if some run has a value in them, with their titles."""


def status(runs: str | Path = "runs", *, verify: bool = False, ids: bool = False) -> Listing:
    """List the runs in a folder: status, epochs, last test error (%), speed, images, what went wrong.

    A run that cannot be read, or is damaged, is a row, too, with the status unreadable.  `verify` checks every file of
    the completed runs, weights included, against its manifest.  The table shows names, or with `ids` the ids that other
    calls take.  Raises `ResLabError` where there is no such folder.
    """
    root = runs_folder(runs, may_be_to_come=True)
    rows: list[dict[str, Any]] = []
    found: list[Run] = []
    for files in find_runs(root):
        try:
            run = files.check()
            rows.append(_row(files, run, verify))
            found.append(run)
        except ResLabError as error:  # one that is damaged does not hide the others
            rows.append({**dict.fromkeys(_COLUMNS), "run": files.name, "status": UNREADABLE, "message": str(error)})
    if verify:
        _tell_copies(root, rows)
    called = run_names(found)
    rows = [{"run": row["run"], "name": called.get(row["run"]), **row} for row in rows]
    more = {name: title for name, title in _OPTIONAL.items() if any(row[name] for row in rows)}
    return Listing(
        f"{counted(len(rows), 'run')} in {root}",
        rows,
        ["run", "status", "epochs", "test error in %", "images/s", *more.values()],
        [
            [
                row["run"] if ids else row["name"] or row["run"],
                row["status"],
                "-" if row["epochs"] is None else str(row["epochs"]),
                "-" if row["test_error"] is None else f"{row['test_error']:.2f}",
                "-" if row["images_per_second"] is None else f"{row['images_per_second']:,.0f}",
                *(row[name] or "" for name in more),
            ]
            for row in rows
        ],
    )


def _tell_copies(root: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Mark completed runs with the weights of another recipe or seed: no two trainings end with the same weights."""
    first: dict[str, str] = {}
    for row in rows:
        if row["status"] != "finished" or not row["files"]:
            continue
        digest = (RunFiles(root / row["run"]).result() or {}).get("weights_sha256")
        if (other := first.setdefault(str(digest), row["run"])) != row["run"]:
            row["files"] = f"{row['files']}, but its weights are those of {other}"


def write_report(
    runs: str | Path = "runs",
    out: str | Path = "report",
    studies: Sequence[str] = (),
    *,
    title: str | None = None,
    author: str | None = None,
    data_root: str | Path | None = None,
    figures: Sequence[str] | None = None,
    answers: bool | None = None,
    tell: Tell = aside,
) -> "ReportFiles":
    """Write the report from the runs on disk: of the named studies, or of all studies run so far; return the files.

    Reports what is left out because it could not be read.  `figures` lists the formats of the figures' files: svg,
    which is always written, pdf and png.  `answers` makes a handout's solution (true) or a handout (false), whatever
    the studies say.  Raises `ResLabError` where there is nothing to report, or `out` holds other files.
    """
    from reslab.report import write
    from reslab.report.pictures import FORMATS

    written = write.write_report(
        runs_folder(runs),
        as_path(out),
        list(studies) or None,
        title=title,
        author=author,
        data_root=as_path(data_root),
        formats=figures or FORMATS,
        answers=answers,
    )
    for reason in written.left_out:
        tell(f"reslab: left out of the report: {reason}")
    return written


def _row(files: RunFiles, run: Run, verify: bool) -> dict[str, Any]:
    status = files.status()
    files.check_end(status)
    rows = files.metrics()
    last = rows[-1] if rows else {}
    measured = (last.get("test_error"), metrics.speed(rows), _images(files, run))
    verified = _verified(files) if verify and files.ended() is not None else None
    told = (verified, (files.failure() or {}).get("message"))
    return dict(zip(_COLUMNS, (run.id, status, len(rows), *measured, *told), strict=True))


def _verified(files: RunFiles) -> str:
    """Return whether the files of an ended run match its manifest; raise `DamagedError` where one is damaged."""
    problems = files.check_files()
    if any(problem.kind == "unsealed" for problem in problems):
        return "without a manifest"
    missing = ", ".join(problem.name for problem in problems)
    return f"whole, but without {missing}" if missing else "whole"


def _images(files: RunFiles, run: Run) -> str | None:
    """Return the start of the fingerprint of a run's images; None where the data set's name identifies them."""
    found = files.images()
    if found.get("official") or not found.get("fingerprint"):
        return run.recipe.images or None
    return str(found["fingerprint"])[:SHORT]
