"""An empty folder and a machine whose speed is known, for command lines that are run in a test."""

from pathlib import Path

import pytest


def settle(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Go to a folder, without the user's settings, on a machine that nobody need measure."""
    monkeypatch.chdir(folder)
    for name in ("RESLAB_RUNS", "RESLAB_DATA", "RESLAB_PRECISION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("reslab.lab.speed._side_by_side", lambda device, precision, jobs: 30_000 / jobs)
    monkeypatch.setattr("reslab.lab.speed.share_threads", lambda jobs: 1)  # other tests run beside
