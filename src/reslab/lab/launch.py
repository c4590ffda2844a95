"""Many runs on this machine: worker processes train them one after another, or several side by side on a GPU.

What a worker reports arrives as events.
"""

import contextlib
import json
import math
import os
import queue
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reslab.host import python
from reslab.lab.folder import ending
from reslab.lab.folder.store import run_files
from reslab.recipe import Run

Event = dict[str, Any]

LAST_WORDS_SECONDS = 1.0
"""How long to wait, after a process has ended, for the rest of its output."""

PATIENCE_SECONDS = 60.0
"""How long a worker may take to write its checkpoint and leave before it is killed."""


def settled(run: Run, exit_code: int, message: str) -> Event:
    """Return the event that a worker is done with a run, however that ended."""
    return {"event": "settled", "run": run.id, "exit_code": exit_code, "message": message}


def launch(
    root: Path,
    runs: Sequence[Run],
    *,
    jobs: int,
    runs_each: int = 1,
    arguments: Sequence[str] = (),
    on_event: Callable[[Event], None] = lambda _: None,
    stop: Callable[[], bool] = lambda: False,
) -> bool:
    """Train runs in order, `jobs` at a time, each below `root`; return whether all were tried.

    Each process has `runs_each` of them at a time: more than one where they share a GPU.  `arguments` go to `python -m
    reslab.lab.execute`.  Events are those of `reslab.lab.one_run`, and `settled` when a worker is done with a run.  A
    failed run, even one that kills its process, never stops the others; a process whose GPU has failed is replaced.  On
    `stop()` every current run is checkpointed and left.
    """
    waiting = deque(runs)
    for run in runs:
        run_files(root, run).create(run)
    events: queue.Queue[tuple[_Worker, Event | None]] = queue.Queue()

    def hire() -> _Worker:
        shared = ("--side-by-side", str(runs_each)) if runs_each > 1 else ()
        return _Worker([*arguments, *shared], events, runs_each)

    workers = [hire() for _ in range(math.ceil(min(jobs, len(runs)) / runs_each))]
    stopping_since: float | None = None
    try:
        while any(worker.alive for worker in workers):
            for worker in workers:
                while worker.has_room and waiting and stopping_since is None:
                    worker.take(root, waiting.popleft())
                if worker.has_room and not worker.runs:
                    worker.leave()
            if stop() and stopping_since is None:
                stopping_since = time.monotonic()
                for worker in workers:
                    worker.ask_to_stop()
            if stopping_since is not None and time.monotonic() - stopping_since > PATIENCE_SECONDS:
                for worker in workers:
                    worker.kill()
            for worker in workers:
                worker.look()
            with contextlib.suppress(queue.Empty):
                worker, event = events.get(timeout=0.1)
                if event is None and worker.alive:
                    for lost in worker.bury():
                        on_event(_write_loss(root, lost, worker))
                    if waiting and stopping_since is None:
                        workers[workers.index(worker)] = hire()
                elif event is None:
                    pass  # its end was already seen; now the processes it started have ended, too
                elif event["event"] == "spoiled":
                    worker.leave()
                elif event["event"] != "settled":
                    on_event(event)
                elif (settled := worker.runs.pop(event["folder"], None)) is not None:
                    on_event({**event, "run": settled.id})
    finally:
        for worker in workers:
            worker.kill()
        for worker in workers:
            worker.bury()
    return not waiting and stopping_since is None


@dataclass(eq=False)
class _Worker:
    """A worker process: lines go in, a thread reads what comes out."""

    arguments: Sequence[str]
    events: "queue.Queue[tuple[_Worker, Event | None]]"
    most: int = 1
    """Maximum number of runs at a time."""
    runs: dict[str, Run] = field(default_factory=dict)
    """Current runs, by folder."""
    alive: bool = True
    leaving: bool = False
    asked: bool = False
    ended_at: float | None = None
    """When the process was found to have ended."""
    errors: deque[str] = field(default_factory=lambda: deque(maxlen=40))

    def __post_init__(self) -> None:
        # In its own session, so that Ctrl-C reaches the launcher only, which then stops its workers itself.
        self.process = subprocess.Popen(
            [*python(), "-m", "reslab.lab.execute", "-", *self.arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",  # libraries may print in any encoding; our output is ASCII
            start_new_session=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        self._log = threading.Thread(target=self._read_errors, daemon=True)
        self._log.start()
        self._reader = threading.Thread(target=self._read_events, daemon=True)
        self._reader.start()

    @property
    def has_room(self) -> bool:
        """Say whether the worker can take a run."""
        return self.alive and not self.leaving and len(self.runs) < self.most

    def take(self, root: Path, run: Run) -> None:
        """Give the worker a run: its folder as a line of JSON, so that its name may have any characters."""
        assert self.process.stdin is not None
        folder = str(run_files(root, run).path)
        self.runs[folder] = run
        with contextlib.suppress(BrokenPipeError):  # it has died; the reader will say so
            self.process.stdin.write(f"{json.dumps(folder)}\n")
            self.process.stdin.flush()

    def leave(self) -> None:
        """Let the worker exit when it has finished its runs."""
        assert self.process.stdin is not None
        self.leaving = True
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()

    def ask_to_stop(self) -> None:
        """Ask the worker to checkpoint its runs and exit."""
        self.asked = True
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        if not self.leaving:
            self.leave()

    def look(self) -> None:
        """Report the process's end if its output stays open: a process that it started may hold it."""
        if self.process.poll() is None or self.ended_at == math.inf:
            return
        if self.ended_at is None:
            self.ended_at = time.monotonic()
        elif time.monotonic() - self.ended_at > LAST_WORDS_SECONDS:
            self.ended_at = math.inf
            self.events.put((self, None))

    def kill(self) -> None:
        """End the process at once."""
        if self.process.poll() is None:
            self.process.kill()

    def bury(self) -> list[Run]:
        """Note the process's end; return the runs lost with it."""
        self.process.wait()
        self.alive = False
        for reader in (self._log, self._reader):  # they close the pipes
            reader.join(timeout=1)
        with contextlib.suppress(BrokenPipeError):
            assert self.process.stdin is not None
            self.process.stdin.close()
        lost = [] if self.asked else list(self.runs.values())
        self.runs.clear()
        return lost

    def _read_events(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout:
            for line in self.process.stdout:
                event = None
                with contextlib.suppress(ValueError):
                    event = json.loads(line)
                if isinstance(event, dict) and "event" in event:
                    self.events.put((self, event))
                else:  # a library's chatter
                    self.errors.append(line)
        self.events.put((self, None))

    def _read_errors(self) -> None:
        assert self.process.stderr is not None
        with self.process.stderr:
            for line in self.process.stderr:
                self.errors.append(line)


def _signal_name(number: int) -> str:
    """Return a signal's name; real-time signals have none."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _write_loss(root: Path, run: Run, worker: _Worker) -> Event:
    """Record that a worker died with its run, unless the run recorded its own end; return the event that reports it."""
    code = worker.process.returncode
    if code < 0:
        name = _signal_name(-code)
        hint = ": often the system running out of memory; try fewer runs at a time" if name == "SIGKILL" else ""
        message = f"its process was killed by {name}{hint}"
    else:
        message = f"its process ended with exit code {code}"
    ending.lost(run_files(root, run), message, "".join(worker.errors) or None)
    return settled(run, 1, message)
