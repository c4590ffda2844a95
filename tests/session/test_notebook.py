"""Bars in a notebook: drawn into one piece of HTML, which says how far all is and keeps what lasts."""

from types import SimpleNamespace
from typing import Any

import pytest

from reslab.session.notebook import display_handle
from reslab.session.progress import Board


class Handle:
    """A display handle that keeps what it is given."""

    def __init__(self) -> None:
        """Show nothing yet."""
        self.shown: list[str] = []

    def display(self, content: Any) -> None:
        """Show something."""
        self.shown.append(content.data)

    update = display


@pytest.fixture
def handle(monkeypatch: pytest.MonkeyPatch) -> Handle:
    """Return the handle of a notebook whose clock goes a second at a time."""
    seconds = iter(range(1000, 9999))
    monkeypatch.setattr("time.monotonic", lambda: float(next(seconds)))
    display = SimpleNamespace(HTML=lambda text: SimpleNamespace(data=text))
    monkeypatch.setattr("reslab.session.notebook._display", lambda: display)
    found = Handle()
    monkeypatch.setattr("reslab.session.progress.display_handle", lambda: found)
    return found


def test_the_bars_of_a_notebook(handle: Handle, capsys: pytest.CaptureFixture[str]) -> None:
    epoch = {"epoch": 1, "iteration": 10, "train_error": 12.3, "test_error": 23.45, "images_per_second": 1.0}
    with Board({"a": (1.0, 1.0), "b": (1.0, 1.0)}, names={"a": "ResNet-8, <digits>, seed 0"}) as board:
        board({"event": "preparing", "run": "a", "words": "compiles"})
        assert "<progress></progress>" in handle.shown[-1]
        board({"event": "start", "run": "a", "iteration": 0, "num_iterations": 20, "num_epochs": 2})
        board({"event": "epoch", "run": "a", **epoch})
        last = handle.shown[-1]
        assert "ResNet-8, &lt;digits&gt;, seed 0  test 23.45%" in last
        assert "all 2 runs" in last
        assert "value='0.5000'" in last
        assert " left</td>" in last
        board({"event": "end", "run": "a", "status": "diverged"})
    assert "<progress" not in handle.shown[-1]
    assert "ResNet-8, &lt;digits&gt;, seed 0  diverged" in handle.shown[-1]
    assert capsys.readouterr().err == ""


def test_outside_a_notebook_there_is_no_handle() -> None:
    assert display_handle() is None
