"""The notebooks: they are executed from top to bottom in one folder, on digits, and show what they should."""

from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))
SECONDS = 600
"""Most for one cell, on a machine with other work; a whole notebook takes less than a minute on two idle cores."""


def read(path: Path) -> Any:
    return nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]


def code_cells(notebook: Any) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_are_kept_without_outputs(path: Path) -> None:
    cells = code_cells(read(path))
    assert cells
    assert all(not cell.outputs and cell.execution_count is None for cell in cells)


@pytest.mark.deep
def test_the_notebooks_run_from_top_to_bottom(
    tmp_path: Path, empty_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one folder, as in a checkout's: each finds the runs of the other there."""
    for name in ("RESLAB_RUNS", "RESLAB_DATA", "RESLAB_PRECISION"):
        monkeypatch.delenv(name, raising=False)
    for path in [*NOTEBOOKS, NOTEBOOKS[0]]:
        check(path, tmp_path)


def check(path: Path, tmp_path: Path) -> None:
    notebook = read(path)
    resources = {"metadata": {"path": str(tmp_path)}}
    NotebookClient(notebook, timeout=SECONDS, kernel_name="python3", resources=resources).execute()
    cells = code_cells(notebook)
    shown = [output.data for cell in cells for output in cell.outputs if "data" in output]
    charts = [data for data in shown if "image/png" in data]
    assert charts
    assert all(any("vegalite" in kind for kind in data) for data in charts)
    assert any("Verdict" in data["text/plain"] for data in shown)
    assert (tmp_path / "report" / "index.html").exists()
    printed = "".join(output.text for cell in cells for output in cell.outputs if output.output_type == "stream")
    assert "Traceback" not in printed
    if "cifar10" in "".join(cell.source for cell in cells):
        assert "Skipped: there are no images of cifar10" in printed
