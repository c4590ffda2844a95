"""An empty folder and a machine whose speed is known, for command lines that are run in a test."""

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from reslab.lab import execute
from reslab.lab.folder.store import run_files
from reslab.recipe import Run


def settle(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Go to a folder, without the user's settings, on a machine that nobody need measure."""
    monkeypatch.chdir(folder)
    for name in ("RESLAB_RUNS", "RESLAB_DATA", "RESLAB_PRECISION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("reslab.lab.speeds.speed._side_by_side", lambda device, precision, jobs: 30_000 / jobs)
    monkeypatch.setattr("reslab.lab.speeds.speed.share_threads", lambda jobs: 1)  # other tests run beside


def train_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a command train its runs in this process, one after the other, as a worker would, which need not start."""

    def launch(
        root: Path, runs: Sequence[Run], *, arguments: Sequence[str], on_event: Callable[[Any], None], **_: object
    ) -> bool:
        for run in runs:
            run_files(root, run).create(run)
        folders = {str(run_files(root, run).path): run.id for run in runs}

        def tell(line: str) -> None:
            event = json.loads(line)
            on_event({**event, "run": folders[event["folder"]]} if event["event"] == "settled" else event)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "argv", ["execute", *folders, *arguments])
            work = execute.work
            patch.setattr(
                execute, "work", lambda folders, settings, stop, jobs, _: work(folders, settings, stop, jobs, tell)
            )
            execute.main()
        return True

    monkeypatch.setattr("reslab.session.where.launch", launch)
