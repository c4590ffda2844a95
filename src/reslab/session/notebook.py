"""Progress bars in a notebook: one piece of HTML, redrawn as work goes on, without any widgets."""

import importlib
import sys
import time
from dataclasses import dataclass
from html import escape
from typing import Any

from rich.progress import TaskID

from reslab.amounts import duration

REDRAW_SECONDS = 0.25


def display_handle() -> Any | None:
    """Return a handle that shows and later updates HTML below the running cell; None outside a notebook."""
    ipython = sys.modules.get("IPython")  # if it is not loaded, this is not a notebook
    shell = ipython.get_ipython() if ipython is not None else None
    if getattr(shell, "kernel", None) is None:
        return None
    return _display().DisplayHandle()


def _display() -> Any:
    return importlib.import_module("IPython.display")


@dataclass
class _Task:
    description: str
    total: float | None
    completed: float = 0.0
    first: tuple[float, float] | None = None
    """Time and amount of the first progress."""

    def left(self, now: float) -> float | None:
        """Return the seconds left at the speed so far."""
        if self.total is None or self.first is None or now <= self.first[0] or self.completed <= self.first[1]:
            return None
        return (self.total - self.completed) * (now - self.first[0]) / (self.completed - self.first[1])


class NotebookBars:
    """The part of `rich.progress.Progress` that the board uses, for a notebook."""

    def __init__(self, handle: Any) -> None:
        """Draw into an IPython display handle."""
        self._handle = handle
        self._tasks: dict[TaskID, _Task] = {}
        self._said: list[str] = []
        self._next = 0
        self._drawn = 0.0

    def start(self) -> None:
        """Show the bars."""
        self._handle.display(_display().HTML(self._html()))

    def stop(self) -> None:
        """Remove the bars and keep the messages."""
        self._tasks.clear()
        self._draw(force=True)

    def add_task(self, description: str, total: float | None) -> TaskID:
        """Add a bar, of unknown length for None, and return its number."""
        self._next += 1
        task = TaskID(self._next)
        self._tasks[task] = _Task(description, total)
        self._draw()
        return task

    def update(
        self,
        task: TaskID,
        *,
        completed: float,
        description: str | None = None,
        total: float | None = None,
    ) -> None:
        """Set the progress of a task."""
        one = self._tasks[task]
        one.completed = completed
        one.description = one.description if description is None else description
        one.total = one.total if total is None else total
        one.first = one.first or (time.monotonic(), completed)
        self._draw()

    def remove_task(self, task: TaskID) -> None:
        """Remove a bar."""
        self._tasks.pop(task, None)
        self._draw(force=True)

    def say(self, words: str) -> None:
        """Add a line above the bars."""
        self._said.append(words)
        self._draw(force=True)

    def _draw(self, *, force: bool = False) -> None:
        now = time.monotonic()
        if not force and now - self._drawn < REDRAW_SECONDS:
            return
        self._drawn = now
        self._handle.update(_display().HTML(self._html()))

    def _html(self) -> str:
        now = time.monotonic()
        rows = "".join(_row(task, now) for task in self._tasks.values())
        said = "".join(f"<div>{escape(words)}</div>" for words in self._said)
        return f"{said}<table>{rows}</table>" if rows else said


def _row(task: _Task, now: float) -> str:
    left = task.left(now)
    cells = [escape(task.description)]
    if task.total is None:
        cells += ["<progress></progress>", "", ""]
    else:
        share = task.completed / task.total if task.total else 0.0
        cells += [
            f"<progress value='{share:.4f}' max='1'></progress>",
            f"{share:.0%}",
            "" if left is None else f"{duration(round(left))} left",
        ]
    return "<tr>" + "".join(f"<td style='text-align:left'>{cell}</td>" for cell in cells) + "</tr>"
