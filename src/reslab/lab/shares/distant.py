"""Runs that train on machines without access to this one's folders: requested, followed and fetched through a share."""

import contextlib
import math
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from reslab.errors import DamagedError, ResLabError, ShareError
from reslab.files import Json, parse_json
from reslab.lab.folder import ending, metrics
from reslab.lab.folder.store import RunFiles, run_files
from reslab.lab.launch import Event, settled
from reslab.lab.shares import handover
from reslab.lab.shares.fetching import fetch_run
from reslab.lab.shares.handover import Progress, Sender
from reslab.lab.shares.places import Place
from reslab.lab.shares.vetting import RefusedError
from reslab.naming import run_name
from reslab.recipe import Run
from reslab.training import saved

AT_A_TIME = 16
"""Concurrent requests: the time goes into waiting for answers."""

_SHOWN = ("epoch", "iteration", "train_error", "test_error", "images_per_second")


def ask_for_all(where: Place, root: Path, runs: Sequence[Run]) -> None:
    """Put on a share what machines that see only the share need to train some runs of this folder."""
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        list(pool.map(lambda run: ask_for(where, run_files(root, run)), runs))


def ask_for(where: Place, files: RunFiles) -> None:
    """Put on a share what another machine needs to train a run: its definition, and its checkpoint if it has one.

    If the share's copy is at least as far, it stays, and only its failure, if any, is removed.
    """
    there = _progress(where, files.name)
    newest = saved.newest(files.checkpoints)
    if there is None or there.iteration < saved.reached(newest):
        Sender(where, files.name, there).send(files, "stopped" if newest else "asked", 0, 0)
    elif there.state == "failed":
        handover.forget_failure(where, there)


def bring_back(where: Place, run: Run, root: Path) -> list[Event]:
    """Fetch a run that has ended on the share, or record why it failed there; return the events of its end.

    Returns none if the run continues or its state is unknown.  Raises `ShareError` if the share does not answer.
    """
    outcome = fetch_run(where, run.id, root, run)
    files = run_files(root, run)
    if outcome.kind == "refused":
        return [settled(run, RefusedError.exit_code, f"{where.shown} has it, but it is refused: {outcome.words}")]
    if (ended := files.ended()) is not None:
        return [{"event": "end", "run": run.id, "status": ended}, settled(run, 0, "")]
    found = _progress(where, run.id)
    if found is None or found.state != "failed":
        return []
    failure = _object(handover.read_file(where, found, "failure.json"))
    kind = failure.get("kind")
    message = str(failure.get("message"))[:10_000]
    ending.fail(files, kind if kind in ("out-of-memory", "killed") else "error", message)
    return [settled(run, 1, message)]


class Followed:
    """Runs that are followed through a share."""

    def __init__(self, where: Place, root: Path) -> None:
        """Follow runs on a share; `root` is the folder that ended ones are fetched to."""
        self._where, self._root = where, root
        self._seen: dict[str, Progress] = {}
        self._rows: dict[str, int] = {}
        self._due: list[Run] = []
        self._error = ShareError("")

    def training(self, runs: Iterable[Run]) -> list[Event]:
        """Return new events of runs in training; if the share does not answer, they come with the next call."""
        with ThreadPoolExecutor(AT_A_TIME) as pool:
            return [event for found in pool.map(self._new, runs) for event in found]

    def over(self, runs: Iterable[Run]) -> list[Event]:
        """Fetch runs whose tasks are over, and return their events; if a fetch fails, the next call retries it."""
        self._due += runs
        due, self._due = self._due, []
        told: list[Event] = []
        for run in due:
            try:
                told += [*self._new(run), *bring_back(self._where, run, self._root)]
            except ShareError as error:
                self._due.append(run)
                self._error = error
            except ResLabError as error:  # about this run's folder here: the others are still fetched
                told.append(settled(run, error.exit_code, str(error)))
        return told

    def close(self) -> list[Event]:
        """Fetch the remaining runs; raise `ShareError` if the share still does not answer."""
        told = self.over(())
        if self._due:
            raise self._error
        return told

    def has_begun(self, run: Run) -> bool:
        """Return whether the share has more of a run than was put there to request it."""
        found = _progress(self._where, run.id)
        here = saved.reached(saved.newest(run_files(self._root, run).checkpoints))
        return found is None or found.state not in ("asked", "stopped") or found.iteration > here

    def _new(self, run: Run) -> list[Event]:
        try:
            found = _progress(self._where, run.id)
            before = self._seen.get(run.id)
            if found is None or found == before or not found.num_iterations:
                return []
            content = handover.read_file(self._where, found, metrics.NAME) or b""
        except ShareError:
            return []
        told: list[Event] = []
        if before is None or before.state == "stopped":
            lengths = {"num_iterations": found.num_iterations, "num_epochs": found.num_epochs}
            resumed = found.iteration if before else 0  # before the first look, how much was already done is unknown
            told.append({"event": "start", "name": run_name(run), "iteration": resumed, **lengths})
        rows = [_object(line) for line in content.splitlines()]
        told += [{"event": "epoch", **row} for row in rows[self._rows.get(run.id, 0) :] if _can_be_shown(row)]
        told.append({"event": "progress", "iteration": min(found.iteration, found.num_iterations)})
        if found.state == "stopped":
            told.append({"event": "end", "status": "interrupted"})
        self._seen[run.id], self._rows[run.id] = found, max(len(rows), self._rows.get(run.id, 0))
        return [{**event, "run": run.id} for event in told]


def _progress(where: Place, name: str) -> Progress | None:
    """Return a share's progress of a run; None also if it is unusable."""
    try:
        return handover.progress(where, name)
    except RefusedError:
        return None


def _object(content: bytes | None) -> Json:
    with contextlib.suppress(DamagedError):
        return parse_json(content or b"", "what it says")
    return {}


def _can_be_shown(row: Mapping[str, Any]) -> bool:
    return all(type(row.get(name)) in (int, float) and math.isfinite(row[name]) for name in _SHOWN)
