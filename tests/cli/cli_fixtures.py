"""Command lines run in this process, and a run for them to find."""

from pathlib import Path

import pytest
from cli_runs import TINY, Reslab
from quick_machine import settle

from reslab.cli import main


@pytest.fixture
def reslab(
    tmp_path: Path, empty_cache: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Reslab:
    """Return a function that runs a command line in an empty folder and returns code, output and errors."""
    settle(tmp_path, monkeypatch)

    def run(*arguments: str) -> tuple[int, str, str]:
        code = main(list(arguments))
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of runs that holds one finished run of `TINY`."""
    root = tmp_path_factory.mktemp("trained")
    assert main(["train", *TINY, "--runs", str(root)]) == 0
    return root
