"""Incremental reading of a run's folder: only what was appended or written since the last look."""

import contextlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from reslab.errors import ResLabError, UnreadableError
from reslab.files import Json, printable
from reslab.lab.folder.locks import Holding
from reslab.lab.folder.metrics import NAME as METRICS
from reslab.lab.folder.status import ENDED, UNREADABLE, Status, how_ended, standing
from reslab.lab.folder.store import RunFiles
from reslab.recipe import Run
from reslab.watch.curve import Curve

CHUNK = 1 << 20
"""Bytes of metrics.jsonl read at once."""

GUARD = 64
"""Bytes before the current offset that are compared: a run that resumes from its checkpoint truncates its lines."""

RECORDS = ("run.json", "provenance.json", "result.json", "failure.json", "diagnostics.json")
"""Files that are written whole; reread when they have changed."""

Signature = tuple[int, int, int]
"""A file's inode, length and time of last modification (ns)."""


@dataclass(slots=True)
class Watched:
    """A run as of the last look at it."""

    path: Path
    run: Run | None = None
    id: str = ""
    """The run's id; the folder's name if its run.json is unreadable or another run's."""
    status: Status = "pending"
    curve: Curve = field(default_factory=Curve)
    records: dict[str, Json | None] = field(default_factory=dict)
    problem: str | None = None
    """Why its files cannot be used, in words."""
    changed: float = 0.0
    """When its metrics were last written, by the file system's clock."""
    _seen: dict[str, Signature | None] = field(default_factory=dict)
    _offset: int = 0
    _before: bytes = b""
    _damage: str | None = None
    _unread: str | None = None
    """Why the metrics could not be read; the next look tries again."""

    def __post_init__(self) -> None:
        self.id = RunFiles(self.path).name

    @property
    def ended(self) -> bool:
        """Whether the run has ended, with nothing left to train."""
        return self.status in ENDED

    def look(self, held: Holding) -> bool:
        """Read what is new; return whether anything changed."""
        before = (self.status, self.problem)
        changed = self._read_records()
        changed |= self._read_metrics()
        self.status = self._standing(held)
        return changed or (self.status, self.problem) != before

    def _standing(self, held: Holding) -> Status:
        """Return the run's status as `RunFiles.status` does, but without trying its lock."""
        has_result, failure = self.records.get("result.json") is not None, self.records.get("failure.json")
        ended = how_ended(has_result, failure)
        return standing(ended, lambda: held.holds(self.path), lambda: failure is not None, self._has_begun)

    def _has_begun(self) -> bool:
        return self.curve.num_rows > 0 or RunFiles(self.path).checkpoints.exists()

    def _read_records(self) -> bool:
        changed = [name for name in RECORDS if self._is_new(name)]
        if not changed:
            return False
        files, before, self.problem = RunFiles(self.path), self.problem, None
        self.records = {}
        try:
            run = files.read_run()
            if not files.is_of(run):  # e.g. a copy of a run's folder, which must not replace the run
                raise ResLabError("the folder is not that of the run in its run.json")
            self.run, self.id = run, run.id
            self.records = {"provenance.json": files.provenance(), "result.json": files.whole_result()}
            self.records |= {"failure.json": files.failure()}
            with contextlib.suppress(ResLabError):  # damaged diagnostics do not make the run unusable
                self.records |= {"diagnostics.json": files.diagnostics()}
        except ResLabError as error:
            self.records, self.problem = {}, printable(str(error))
            if isinstance(error, UnreadableError):  # may be momentary, as on a network file system: look again
                for name in RECORDS:
                    self._seen.pop(name, None)
                return self.problem != before
        return True

    def _is_new(self, name: str) -> bool:
        found = _signature(self.path / name)
        if name in self._seen and self._seen[name] == found:
            return False
        self._seen[name] = found
        return found is not None or name == "run.json" or name in self.records

    def _read_metrics(self) -> bool:
        found = _signature(self.path / METRICS)
        if found == self._seen.get(METRICS):
            return False
        if found is None:
            self._begin_again()
            self._seen[METRICS] = None
            return True
        before = self._seen.get(METRICS)
        if before is not None and (found[0] != before[0] or found[1] < self._offset):
            self._begin_again()
        self._seen[METRICS] = found
        self.changed = found[2] / 1e9
        before_that, self._unread = self._unread, None
        try:
            return self._read_on() or before_that is not None
        except OSError as error:
            self._unread = f"{METRICS} cannot be read: {error.strerror or error}"
            del self._seen[METRICS]
            return self._unread != before_that

    def _begin_again(self) -> None:
        self.curve, self._offset, self._before, self._damage = Curve(), 0, b"", None

    def _read_on(self) -> bool:
        rest, changed = b"", False
        with (self.path / METRICS).open("rb") as file:
            file.seek(self._offset - len(self._before))
            if file.read(len(self._before)) != self._before:
                self._begin_again()
                file.seek(0)
                changed = True
            while self._damage is None and (chunk := file.read(CHUNK)):
                whole, newline, rest = (rest + chunk).rpartition(b"\n")
                if not newline:
                    continue
                self._offset += len(whole) + 1
                self._before = (self._before + whole + newline)[-GUARD:]
                self._take(whole.split(b"\n"))
                changed = True
        return changed

    def _take(self, lines: list[bytes]) -> None:
        """Take in whole lines; an unreadable one ends the curve and is recorded as damage."""
        try:
            rows = json.loads(b"[" + b",".join(lines) + b"]")  # three times as fast as line by line
            if len(rows) == len(lines):
                self.curve.extend(rows)
                return
        except (ValueError, RecursionError):
            pass
        for line in lines:
            try:
                self.curve.extend([json.loads(line)])
            except (ValueError, RecursionError):
                self._damage = f"{METRICS} is damaged in line {self.curve.num_rows + 1}"
                return

    @property
    def damage(self) -> str | None:
        """What is wrong with the run's files, in words; None where they are usable."""
        return self.problem or self._damage or self._unread

    @property
    def shown(self) -> Status | Literal["unreadable"]:
        """The run's status as pages show it."""
        return self.status if self.damage is None else UNREADABLE

    def record(self, name: str) -> dict[str, Any]:
        """Return the content of one of `RECORDS`, {} where there is none."""
        return self.records.get(name) or {}


def _signature(path: Path) -> Signature | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
