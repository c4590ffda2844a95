"""Runs that train elsewhere, followed through the events that each task writes to a file beside the runs."""

import contextlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reslab.recipe import Run

Event = dict[str, Any]


@dataclass
class Tasks:
    """Tasks by number, and how far their reports have been read."""

    place: Path
    """Folder of their files."""
    runs: dict[int, Run]
    """Run of each task."""
    read: dict[int, int] = field(default_factory=dict)
    """Bytes of each task's events that have been read."""
    begun: list[Event] = field(default_factory=list)
    """Start events among the skipped lines, to be replayed to a new follower."""

    def events_of(self, task: int) -> Path:
        """Return the file that a task reports to, one line of JSON per event."""
        return self.place / f"{task}.events"

    def events(self, kind: str = "") -> Iterator[Event]:
        """Yield the events since the last call, after the start events that `skip` kept.

        With `kind`, only lines that contain it are parsed, which may be few of millions.
        """
        yield from self.begun
        self.begun = []
        for task, run in self.runs.items():
            try:
                with self.events_of(task).open("rb") as file:
                    file.seek(self.read.get(task, 0))
                    content = file.read()
            except OSError:
                continue
            whole = content[: content.rfind(b"\n") + 1]
            self.read[task] = self.read.get(task, 0) + len(whole)
            for line in whole.splitlines():
                if kind.encode() not in line:
                    continue
                with contextlib.suppress(ValueError):
                    event = json.loads(line)
                    if isinstance(event, dict) and "event" in event:
                        yield {**event, "run": run.id}

    def skip(self) -> None:
        """Mark all reports so far as read, except for each run's last start event."""
        begun = {event["run"]: event for event in self.events("start") if event["event"] == "start"}
        self.begun = list(begun.values())


def environment() -> dict[str, str]:
    """Return the environment variables that a task needs from here: the path of a source checkout."""
    return {name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ}


def hand_on(all_tasks: Sequence[Tasks], on_event: Callable[[Event], None]) -> bool:
    """Pass on new events; return whether a task has settled a run, whatever its end."""
    left = False
    for tasks in all_tasks:
        for event in tasks.events():
            on_event(event)
            left |= event["event"] == "settled"
    return left
