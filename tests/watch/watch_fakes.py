"""A laboratory at work, planted, and the application over it."""

import json
from pathlib import Path
from typing import Any

from starlette.testclient import TestClient

from reslab.recipe import Run
from reslab.studies.asked import record
from reslab.studies.study import Study, Variant
from reslab.watch.app import Watch, application
from reslab.watch.report import Report
from synthetic import Truth, small, write_run

ADDRESS = "http://127.0.0.1:8765"
SHALLOW, DEEP = small(8), small(14)


def plant(root: Path) -> None:
    """Write a study of two depths: one seed of each has finished, the second trains, one failed."""
    write_run(root, Run(SHALLOW, 0), Truth(3.0, 1.0, 0.2))
    write_run(root, Run(DEEP, 0), Truth(2.0, 0.5, 0.2))
    write_run(root, Run(SHALLOW, 1), Truth(3.0, 1.0, 0.2), stop_after=5)
    failure = {"kind": "error", "message": "the disk is full", "traceback": "Traceback: line 1\nOSError: full"}
    write_run(root, Run(DEEP, 1), Truth(2.0, 0.5), stop_after=3, failure={**failure, "epoch": 3, "iteration": 135})
    record(root, the_study())


def the_study(**changes: Any) -> Study:
    """Return the study of `plant`."""
    variants = (Variant("shallow", SHALLOW), Variant("deep", DEEP))
    values = {"title": "Does depth help?", "question": "Does it?", "expectation": "", "kind": "custom"}
    return Study(**{"name": "my-depth", "variants": variants, "seeds": (0, 1), **values, **changes})


def client(root: Path, **options: Any) -> TestClient:
    """Return a client of the application over a folder of runs, as a browser on this machine would be."""
    return served(root, **options)[0]


def served(root: Path, **options: Any) -> tuple[TestClient, Watch]:
    """Return it with the state of the server."""
    app, watch = application(Report(root, root.parent / "report"), **options)
    return TestClient(app, base_url=ADDRESS, follow_redirects=False), watch


def line(epoch: int, **readings: float | None) -> str:
    """Return a line of metrics.jsonl."""
    return json.dumps({"epoch": epoch, "iteration": 45 * epoch, **readings}) + "\n"
