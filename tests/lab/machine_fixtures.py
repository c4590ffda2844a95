"""A share, and the run that machines train by it as one of them trains it alone."""

from pathlib import Path

import pytest
from lab_runs import make
from machines import RECIPE

from reslab.lab.folder.store import RunFiles
from reslab.lab.one_run import execute
from reslab.lab.settings import Settings


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> RunFiles:
    """The run as one machine trains it."""
    files = make(tmp_path_factory.mktemp("alone"), RECIPE)
    assert execute(files, Settings(device="cpu", threads=1)) == "finished"
    return files


@pytest.fixture
def share(tmp_path: Path) -> Path:
    folder = tmp_path / "share"
    folder.mkdir()
    return folder
