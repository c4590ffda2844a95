"""What a user sees while runs train: bars with an estimate on a terminal or in a notebook, plain lines elsewhere."""

import sys
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn
from rich.text import Text

from reslab.amounts import duration
from reslab.errors import LockedError
from reslab.session.notebook import NotebookBars, display_handle

Event = dict[str, Any]
Tell = Callable[[str], bool]
"""Prints a line for people; returns False where nobody reads it any more."""

PLAIN_SECONDS = 5.0
"""Minimum time between two plain lines about the same run."""


def aside(words: str) -> bool:
    """Print a line on standard error."""
    print(words, file=sys.stderr, flush=True)
    return True


def tell_of_kernels(device: str, tell: Tell) -> None:
    """Announce that the kernels for this processor are about to be compiled, where they are used and missing.

    Training announces it by an event; this is for measuring without training.
    """
    from reslab.kernels.build import must_compile
    from reslab.training.hardware import pick_device

    if pick_device(device).type == "cpu" and must_compile():
        tell("reslab: compiling its kernels, once; this takes a few seconds ...")


class Board:
    """Progress of some runs, each with its work in any common unit, fed by the events of `reslab.lab`."""

    def __init__(
        self,
        work: Mapping[str, tuple[float, float]],
        *,
        names: Mapping[str, str] | None = None,
        quiet: bool = False,
        tell: Tell = aside,
        on_closed: Callable[[], object] = lambda: None,
    ) -> None:
        """Show runs; `work` gives the total and remaining work of each run, by id, and `names` its name.

        `on_closed` is called once nobody reads standard error any more, as in `2>&1 | head`.
        """
        self._names = dict(names or {})
        self._errors: dict[str, float] = {}
        self._tell = tell
        self._on_closed = on_closed
        self._work = dict(work)
        self._left = {run: left for run, (_, left) in work.items()}
        self._total_left = sum(self._left.values())
        self._lengths: dict[str, int] = {}
        self._epochs: dict[str, int] = {}
        self._tasks: dict[str, TaskID] = {}
        self._said: dict[str, float] = {}
        self._begun = time.monotonic()
        self._first_step: tuple[float, float] | None = None
        self._console = Console(stderr=True)
        self._quiet = quiet
        self._bars: _Bars | NotebookBars | None = None
        if not quiet:
            handle = display_handle()
            terminal = self._make_bars() if self._console.is_terminal else None
            self._bars = terminal if handle is None else NotebookBars(handle)

    def __enter__(self) -> Self:
        if self._bars is not None:
            self._bars.start()
            if len(self._work) > 1:
                self._all = self._bars.add_task(f"all {len(self._work)} runs", total=self._total_left)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bars is not None:
            self._bars.stop()

    def __call__(self, event: Event) -> None:
        """Handle an event."""
        run = event["run"]
        match event["event"]:
            case "preparing":
                self._prepare(run, event["words"])
            case "remark":
                self._say(run, event["words"], force=True, lasting=True)
            case "start":
                self._lengths[run], self._epochs[run] = event["num_iterations"], event["num_epochs"]
                self._advance(run, event["iteration"])
                resumed = f", from iteration {event['iteration']}" if event["iteration"] else ""
                self._say(run, f"starts{resumed}", force=True)
            case "progress":
                self._advance(run, event["iteration"])
            case "measuring":
                self._lengths[run] = 1
                self._advance(run, event["share"])
                self._say(run, f"{event['diagnostic']}, {event['share']:.0%}{self._outlook('measured')}", force=False)
            case "epoch":
                self._errors[run] = event["test_error"]
                self._advance(run, event["iteration"])
                speed = f"{event['images_per_second']:,.0f} images/s"
                self._say(
                    run,
                    f"epoch {event['epoch']}/{self._epochs[run]}  train {event['train_error']:5.2f}%  "
                    f"test {event['test_error']:5.2f}%  {speed}{self._outlook('trained')}",
                    force=event["epoch"] == self._epochs[run],
                )
            case "end":
                self._finish(run, event)
            case "settled" if event["exit_code"] == LockedError.exit_code:
                self._say(run, event["message"], force=True, lasting=True)
            case "settled" if event["exit_code"] and not event.get("reported"):
                self._drop(run)
                self._say(run, f"FAILED: {event['message']}", force=True, lasting=True)

    def _prepare(self, run: str, words: str) -> None:
        self._say(run, words, force=True)
        if self._bars is None:
            return
        if run in self._tasks:
            self._bars.remove_task(self._tasks[run])
        self._tasks[run] = self._bars.add_task(f"{self._name(run)}  {words}", total=None)

    def _finish(self, run: str, event: Event) -> None:
        if event["status"] == "finished":
            self._left[run] = 0.0
            self._show_total()
        if event["status"] == "diverged":
            self._drop(run)
            self._say(run, "diverged: the loss was no longer a finite number", force=True, lasting=True)
        elif event["status"] == "interrupted":
            begun = run in self._lengths
            words = f"stopped, {'with a checkpoint' if begun else 'before it started'}; the same command resumes it"
            self._say(run, words, force=True, lasting=True)
        if self._bars is not None and (task := self._tasks.pop(run, None)) is not None:
            self._bars.remove_task(task)

    def _drop(self, run: str) -> None:
        """Remove what a run has left from the work to do, without counting it as done."""
        left, self._left[run] = self._left.get(run, 0.0), 0.0
        if self._first_step is not None:
            begun, left_then = self._first_step
            self._first_step = begun, left_then - left
        self._show_total()

    def _advance(self, run: str, iteration: float) -> None:
        whole, _ = self._work[run]
        self._left[run] = whole * (1 - iteration / self._lengths[run])
        if self._first_step is None:
            self._first_step = (time.monotonic(), sum(self._left.values()))
        if self._bars is None:
            return
        if run not in self._tasks:
            self._tasks[run] = self._bars.add_task(self._name(run), total=self._lengths[run])
        # While the run was preparing, its bar had no length, and other words.
        error = f"  test {self._errors[run]:.2f}%" if run in self._errors else ""
        self._bars.update(
            self._tasks[run],
            description=f"{self._name(run)}{error}",
            total=self._lengths[run],
            completed=iteration,
        )
        self._show_total()

    def _name(self, run: str) -> str:
        return self._names.get(run, run)

    def _show_total(self) -> None:
        if self._bars is not None and len(self._work) > 1:
            self._bars.update(self._all, completed=self._total_left - sum(self._left.values()))

    def seconds_left(self) -> float | None:
        """Return the estimated time to the end of all runs, from the speed so far; None before it is known."""
        if self._first_step is None:
            return None
        begun, left_then = self._first_step
        elapsed, left = time.monotonic() - begun, sum(self._left.values())
        if elapsed < 1 or left >= left_then:
            return None
        return left * elapsed / (left_then - left)

    def _outlook(self, done: str) -> str:
        seconds = self.seconds_left()
        return f"  (all {done} in about {duration(round(seconds))})" if seconds else ""

    def _say(self, run: str, words: str, *, force: bool, lasting: bool = False) -> None:
        """Print a line about a run, not too often unless with `force`; where there are bars, only if `lasting`."""
        now = time.monotonic()
        if self._quiet or (not force and now - self._said.get(run, 0.0) < PLAIN_SECONDS):
            return
        if self._bars is not None:
            if lasting:
                self._bars.say(f"{self._name(run)}  {words}")
            return
        self._said[run] = now
        if not self._tell(f"{self._name(run)}  {words}"):
            self._on_closed()

    def _make_bars(self) -> "_Bars":
        return _Bars(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=30),
            TextColumn("{task.percentage:>3.0f}%"),
            _Left(self),
            console=self._console,
            transient=True,
        )


class _Bars(Progress):
    """Bars on a terminal."""

    def say(self, words: str) -> None:
        """Print a permanent line above the bars."""
        self.console.print(words, highlight=False, markup=False)


class _Left(ProgressColumn):
    """Time left: rich's own estimate for one run; for all runs the board's, which includes those that wait."""

    def __init__(self, board: Board) -> None:
        super().__init__()
        self._board = board

    def render(self, task: Task) -> Text:
        seconds = self._board.seconds_left() if task.id == getattr(self._board, "_all", None) else task.time_remaining
        return Text("" if seconds is None else f"{duration(round(seconds))} left")
