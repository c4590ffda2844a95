"""The folder of a run: its plain files, read and written; the files are the truth, and status is read from them.

    run.json            recipe, seed, SEMANTICS: written first
    provenance.json     data fingerprint, and for each attempt: start, versions, commit, device
    metrics.jsonl       one line an epoch, appended whole
    checkpoint/         see `reslab.training.checkpoint`; gone when the run is finished
    weights.safetensors the trained network
    weights/            those of the network at some epochs before, as epoch0041.safetensors: after 41 epochs
    result.json         written last: its presence means finished
    diagnostics.json    what `reslab.lab.diagnose` measured on these weights
    failure.json        how the last attempt failed, or that the run diverged

Imports no torch, so that a report can be made where there is none.
"""

import contextlib
import json
import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, Self

from filelock import FileLock, Timeout

from reslab.errors import LockedError, ReplacedError, ResLabError, UnreadableError
from reslab.files import Json, printable, read_json, reading, sync_folder, write_json
from reslab.recipe import SEMANTICS, Recipe, Run, to_mapping

FORMAT = 1

_WRITTEN_WITHIN_SECONDS = 3600.0
_WRITTEN_WITHOUT_LOCK = ("run.json", "failure.json", "diagnostics.json")
"""What others than the holder of the lock may be writing."""

_MADE_AGAIN = {
    "diagnostics.json": "remove this file to measure again; the training is whole",
    "failure.json": "remove this file; then the run goes on from its checkpoint, where it has one",
}
"""What to do about damaged files that no training is lost with."""

_EPOCH_WEIGHTS = re.compile(r"epoch(\d{4,})\.safetensors")

Status = Literal["finished", "diverged", "failed", "running", "interrupted", "pending"]


@dataclass(frozen=True, slots=True)
class RunFiles:
    """The files of one run."""

    path: Path
    held: tuple[int, int] | None = field(default=None, compare=False)
    """Which file the lock is, where this process holds it: a folder made anew has another."""

    @property
    def checkpoints(self) -> Path:
        """Folder of the checkpoints."""
        return self.path / "checkpoint"

    @property
    def weights(self) -> Path:
        """File of the trained weights, there once the run is finished."""
        return self.path / "weights.safetensors"

    def epoch_weights(self, epoch: int) -> Path:
        """File of the weights after so many epochs, there if they were kept."""
        return self.path / "weights" / f"epoch{epoch:04d}.safetensors"

    def kept_epochs(self) -> tuple[int, ...]:
        """Return after how many epochs weights were kept, in order; those at the end do not count."""
        names = [path.name for path in (self.path / "weights").glob("epoch*.safetensors")]
        return tuple(sorted(int(match[1]) for name in names if (match := _EPOCH_WEIGHTS.fullmatch(name))))

    def read_run(self) -> Run:
        """Return the recipe and seed; raise `ResLabError` where run.json is missing, damaged or too new."""
        content = self._read("run.json")
        if content is None:
            raise ResLabError(f"{self.path} is not the folder of a run: it has no run.json; {self._anew}")
        try:
            if content["format"] > FORMAT:
                raise ResLabError(f"{self.path} was written by a newer ResLab; update this one")
            return self._run_of(content)
        except (KeyError, TypeError) as error:
            raise ResLabError(f"{self.path / 'run.json'} is not a run's: {error!r}; {self._anew}") from None

    def _run_of(self, content: Json) -> Run:
        try:
            return Run(Recipe.from_mapping(content["recipe"]), content["seed"])
        except ResLabError as error:
            raise ResLabError(
                f"{self.path / 'run.json'}: {error}.  Written by a newer ResLab? Update this one; else {self._anew}"
            ) from None

    def is_of(self, run: Run) -> bool:
        """Return whether the folder has the run's name, by which it may be a link to where it is kept."""
        names = (Path(os.path.normpath(self.path.absolute())), self.path.resolve())  # as it is called, and as it is
        return tuple(run.id.split("/")) in [name.parts[-2:] for name in names]

    def check(self) -> Run:
        """Return the run, once its files have been looked at: whether they belong to it and agree.

        Raises `ResLabError` with what to do where they do not.
        """
        run = self.read_run()
        if not self.is_of(run):
            raise ResLabError(
                f"{self.path} is not {run.id}, as its run.json would have it: the recipe was edited, or the run was "
                f"made by a version of ResLab with other numerics; {self._anew}"
            )
        result, num_rows = self.result(), len(self._metrics_lines())
        if result is not None and result.get("epochs", num_rows) != num_rows:
            raise ResLabError(
                f"{self._metrics} is damaged: it has {num_rows} lines, and the run ended after "
                f"{result['epochs']}; {self._anew}"
            )
        return run

    def status(self) -> Status:
        """Return how the run stands, read from its files."""
        if (ended := self.ended()) is not None:
            return ended
        if self._is_locked():
            return "running"
        if self.failure() is not None:
            return "failed"
        begun = self.metrics() or self.checkpoints.exists()
        return "interrupted" if begun else "pending"

    def ended(self) -> Literal["finished", "diverged"] | None:
        """Return how the run ended, or None while there is something left to train."""
        if self.result() is not None:
            return "finished"
        failure = self.failure()
        return "diverged" if failure is not None and failure.get("kind") == "diverged" else None

    def why_no_weights(self) -> str:
        """Return why there are no trained weights, as a clause, and what to do about it."""
        match self.status():
            case "finished":
                return f"they were removed; {self._anew}"
            case "diverged":
                return "it diverged"
            case status:
                return f"it is {status}; train it to its end first"

    def metrics(self) -> list[Json]:
        """Return the lines of metrics.jsonl; a last line that was cut off does not count."""
        return self._rows(self._metrics_lines())

    def result(self) -> Json | None:
        """Return result.json, or None while the run is not finished."""
        return self._read("result.json")

    def failure(self) -> Json | None:
        """Return failure.json, or None."""
        return self._read("failure.json")

    def provenance(self) -> Json | None:
        """Return provenance.json, or None before the first attempt."""
        return self._read("provenance.json")

    def diagnostics(self) -> Json | None:
        """Return diagnostics.json, or None before anything was measured."""
        return self._read("diagnostics.json")

    def create(self, run: Run) -> None:
        """Make the folder and run.json, unless they are there."""
        if (self.path / "run.json").exists():
            return
        with writing(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
        self.write(
            "run.json",
            {
                "format": FORMAT,
                "run": run.id,
                "semantics": SEMANTICS,
                "recipe": to_mapping(run.recipe),
                "seed": run.seed,
            },
        )

    def write(self, name: str, content: Mapping[str, Any]) -> None:
        """Write a JSON file of the run, whole or not at all."""
        self.check_held()
        with writing(self.path):
            write_json(self.path / name, content)

    def fail(self, kind: str, message: str, trace: str | None = None, at: tuple[int, int] | None = None) -> None:
        """Write failure.json: its kind is diverged, out-of-memory, killed or error.

        `at` are the epoch and the completed iterations; where they are not given, those of the last epoch written.
        """
        rows: list[Json] = []
        name = "/".join(self.path.resolve().parts[-2:])
        with contextlib.suppress(ResLabError):  # damaged files may be the very failure
            name = self.read_run().id
            rows = self.metrics()
        epoch, iteration = at or ((rows[-1]["epoch"], rows[-1]["iteration"]) if rows else (0, 0))
        self.write(
            "failure.json",
            {
                "format": FORMAT,
                "run": name,
                "kind": kind,
                "message": printable(message),
                "traceback": None if trace is None else printable(trace),
                "epoch": epoch,
                "iteration": iteration,
                "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            },
        )

    def remove(self, name: str) -> None:
        """Remove a file of the run, if it is there."""
        self.check_held()
        with writing(self.path):
            (self.path / name).unlink(missing_ok=True)

    def append_metrics(self, row: Mapping[str, Any]) -> None:
        """Append one line to metrics.jsonl and see it on the disk."""
        self.check_held()
        with writing(self.path):
            with self._metrics.open("ab") as file:
                file.write(json.dumps(row, allow_nan=False).encode() + b"\n")
                file.flush()
                os.fsync(file.fileno())
            sync_folder(self.path)  # the first line makes the file

    def keep_metrics(self, num_rows: int) -> None:
        """Cut metrics.jsonl after so many lines: what a checkpoint has not seen is trained again."""
        self.check_held()
        lines = self._metrics_lines()
        if len(lines) < num_rows:
            raise ResLabError(
                f"{self._metrics} has {len(lines)} lines where the checkpoint has seen {num_rows}; {self._anew}"
            )
        self._rows(lines[:num_rows])  # what is damaged is said now, not when all has been trained
        length = sum(len(line) + 1 for line in lines[:num_rows])
        if self._metrics.exists() and length != self._metrics.stat().st_size:
            with writing(self.path):
                os.truncate(self._metrics, length)

    @contextmanager
    def lock(self) -> Iterator[Self]:
        """Hold the run for this process; raise `LockedError` where another does.  Freed when the process ends.

        Gives the files as they are held: written to by these, a folder that was removed or made anew is left alone.
        """
        with writing(self.path):
            lock = FileLock(self._lock_path, timeout=1)
            try:
                lock.acquire()
                held = _identity(self._lock_path)
                for folder in (self.path, self.path / "weights"):
                    for rest in folder.glob(".*.*.[0-9]*"):
                        _remove_rest(rest)
            except Timeout:
                raise LockedError(
                    f"{self.path} is being trained by another process; wait for it, or use another --runs folder"
                ) from None
        try:
            yield replace(self, held=held)
        finally:
            lock.release()

    def check_held(self) -> None:
        """Raise `ReplacedError` where the folder that this process holds is no longer there, or is another."""
        if self.held is None:
            return
        try:
            is_same = _identity(self._lock_path) == self.held
        except OSError:
            is_same = False
        if not is_same:
            raise ReplacedError(
                f"the folder {self.path} was removed or replaced while it was trained; what this process had trained "
                "is gone, and the same command trains the run as the folder now has it"
            )

    @contextmanager
    def changing(self, name: str) -> Iterator[None]:
        """Hold a JSON file that is read, added to and written again; others wait.  Freed when the process ends."""
        with writing(self.path):
            lock = FileLock(self.path / f".{name}.lock")
            lock.acquire()
        try:
            yield
        finally:
            lock.release()

    @property
    def _metrics(self) -> Path:
        return self.path / "metrics.jsonl"

    @property
    def _anew(self) -> str:
        return f"remove the folder {self.path} to train the run anew"

    def _metrics_lines(self) -> list[bytes]:
        try:
            with reading(self._metrics):
                return self._metrics.read_bytes().split(b"\n")[:-1]
        except FileNotFoundError:
            return []

    def _rows(self, lines: Sequence[bytes]) -> list[Json]:
        rows: list[Json] = []
        for number, line in enumerate(lines, start=1):
            row = _parse(line)
            if not isinstance(row, dict):
                raise ResLabError(f"{self._metrics} is damaged in line {number}; {self._anew}")
            rows.append(row)
        return rows

    @property
    def _lock_path(self) -> Path:
        return self.path / ".lock"

    def _is_locked(self) -> bool:
        if not self._lock_path.exists():
            return False
        lock = FileLock(self._lock_path, timeout=0)
        try:
            lock.acquire()
        except Timeout:
            return True
        except OSError:  # another user's: whoever may not write the lock cannot ask it
            return False
        lock.release()
        return False

    def _read(self, name: str) -> Json | None:
        try:
            return read_json(self.path / name)
        except UnreadableError:
            raise
        except ResLabError as error:
            raise ResLabError(f"{error}; {_MADE_AGAIN.get(name, self._anew)}") from None


def run_files(root: Path, run: Run) -> RunFiles:
    """Return the files of a run below the folder of all runs, whether they are there or not."""
    return RunFiles(root / run.id)


def find_run(name: str, root: Path) -> RunFiles:
    """Return the run of an id below `root`, or in a folder; a recipe's id alone means seed 0.

    Raises `ResLabError` where there is none.
    """
    for path in (Path(name), root / name, root / name / "seed0"):
        if (path / "run.json").exists():
            return RunFiles(path)
    raise ResLabError(f"there is no run {name!r} here or in {root}; `reslab status` lists the runs")


def find_runs(root: Path) -> list[RunFiles]:
    """Return all runs below a folder, sorted by name and seed."""
    found = [path.parent for path in root.glob("*/seed*/run.json")]
    return [RunFiles(path) for path in sorted(found, key=lambda path: (path.parent.name, len(path.name), path.name))]


def _identity(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_dev, found.st_ino


def _remove_rest(rest: Path) -> None:
    """Remove what a kill left of a file that was being written, and not what another process is writing."""
    with contextlib.suppress(FileNotFoundError):
        others = any(rest.name.startswith(f".{name}.") for name in _WRITTEN_WITHOUT_LOCK)
        if not others or time.time() - rest.stat().st_mtime > _WRITTEN_WITHIN_SECONDS:
            rest.unlink()


def _parse(line: bytes) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        return None


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn what keeps a file of the run at `path` from being written into a `ResLabError`."""
    try:
        yield
    except OSError as error:
        raise ResLabError(
            f"cannot write to {path}: {error.strerror or error}; choose another folder with --runs, or free this one"
        ) from error
