"""The current state of the folder of all runs: polled for changes, with tables made when needed."""

import threading
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import polars as pl

from reslab.analysis.diagnoses import Diagnoses, tidy
from reslab.analysis.tables import EPOCH_SCHEMA, RUN_SCHEMA, Problem, Tables, frame
from reslab.analysis.tidy import run_row, trained_again
from reslab.errors import ResLabError
from reslab.lab.folder.locks import Holding
from reslab.lab.folder.store import RunFiles
from reslab.lab.shares.share import REPLICATES
from reslab.naming import run_names
from reslab.studies.catalogue import chapter_of, reworded, studies_of
from reslab.studies.study import Study
from reslab.studies.words import FOLDER as WORDS
from reslab.watch.reading import Watched

RACY_SECONDS = 3.0
"""A folder modified less than this before a look may change again with the same timestamp."""

EVERYTHING_SECONDS = 60.0
"""How often everything is looked at, whatever the folders' timestamps."""


class Laboratory:
    """All runs below a folder.  `version` increases with every change; nothing is written, and no lock taken."""

    def __init__(self, root: Path, data_root: Path | None = None) -> None:
        """Watch a folder of runs, which need not exist yet; `data_root` is where their images are."""
        self.root, self.data_root = root, data_root
        self.version = 0
        self.looked: float | None = None
        """When the folder was last looked at (seconds since 1970); None before the first time."""
        self.runs: dict[str, Watched] = {}
        self.studies: list[Study] = []
        self.problems: list[Problem] = []
        self.names: dict[str, str] = {}
        self.states_version = 0
        """The version at which the runs, their states, or the studies last changed."""
        self._versions: dict[str, int] = {}
        self._by_path: dict[Path, Watched] = {}
        self._settled: dict[Path, int] = {}
        self._folders: dict[Path, tuple[int, list[Path]]] = {}
        self._studies_seen: tuple[object, ...] | None = None
        self._everything = 0.0
        self._tables: tuple[int, Tables] | None = None
        self._lock = threading.Lock()

    def look(self) -> bool:
        """Read what has changed since the last look; return whether anything has."""
        with self._lock:
            now = time.time()
            everything = now - self._everything >= EVERYTHING_SECONDS
            if everything:
                self._everything = now
            before = self._states()
            runs_changed = self._look_at_runs(now, everything=everything)
            studies_changed = self._look_at_studies()
            if runs_changed or studies_changed:
                self.version += 1
            if studies_changed or self._states() != before:
                self.states_version = self.version
            self.looked = now
            return runs_changed or studies_changed

    def _states(self) -> dict[Path, str]:
        return {path: one.shown for path, one in self._by_path.items()}

    def _look_at_runs(self, now: float, *, everything: bool) -> bool:
        held = Holding()
        paths = self._paths(now, everything=everything)
        gone = self._by_path.keys() - set(paths)
        for path in gone:
            del self._by_path[path]
            self._settled.pop(path, None)
        changed: list[Watched] = []
        for path in paths:
            watched = self._by_path.get(path)
            if watched is None:
                watched = self._by_path[path] = Watched(path)
            elif watched.ended and not everything and self._settled.get(path) == _changed(path):
                continue  # a run that has ended changes only by files renamed into its folder, which updates its time
            at = _changed(path)
            if watched.look(held):
                changed.append(watched)
            if watched.ended and at is not None and now - at / 1e9 > RACY_SECONDS:
                self._settled[path] = at
            else:
                self._settled.pop(path, None)
        if gone or changed:
            self.runs = {one.id: one for one in self._by_path.values()}
            if gone or len(self.names) != len(self.runs) or any(one.id not in self.names for one in changed):
                self.names = {
                    **{one: one for one in self.runs},
                    **run_names(one.run for one in self.runs.values() if one.run),
                }
            for one in changed:
                self._versions[one.id] = self.version + 1
        return bool(gone or changed)

    def _look_at_studies(self) -> bool:
        seen = [
            (path, _changed(path))
            for kind in ("studies/*.json", f"{WORDS}/*.toml", f"{REPLICATES}/*/*/*/result.json")
            for path in sorted(self.root.glob(kind))
        ]
        runs = sorted((one.id, _fingerprint(one)) for one in self.runs.values())
        if (seen, runs) == self._studies_seen:
            return False
        self._studies_seen = (seen, runs)
        studies, self.problems = studies_of(self.root, self._run_tables())
        self.studies = [self._reworded(study) for study in studies]
        return True

    def _reworded(self, study: Study) -> Study:
        try:
            chapter_of(study, self.root)  # checks all of a user's words
            return reworded(study, self.root)
        except ResLabError as error:
            self.problems.append(Problem.of(self.root / WORDS, error, self.root))
            return study

    def _paths(self, now: float, *, everything: bool) -> list[Path]:
        """Return the folders of all runs, listing again only folders that have changed."""
        found = []
        for recipe in self._listed(self.root, now, everything=everything):
            if recipe.name != "studies":
                found += [seed for seed in self._listed(recipe, now, everything=everything) if seed.name[:4] == "seed"]
        return found

    def _listed(self, folder: Path, now: float, *, everything: bool) -> list[Path]:
        at = _changed(folder)
        known = self._folders.get(folder)
        if known is not None and known[0] == at and not everything:
            return known[1]
        try:
            inside = sorted(
                (one for one in folder.iterdir() if one.is_dir()), key=lambda one: (len(one.name), one.name)
            )
        except OSError:
            inside = []
        if at is not None and now - at / 1e9 > RACY_SECONDS:
            self._folders[folder] = (at, inside)
        else:
            self._folders.pop(folder, None)
        return inside

    def study(self, name: str) -> Study | None:
        """Return a study by name; None where there is none."""
        return next((study for study in self.studies if study.name == name), None)

    def version_of(self, runs: Iterable[str]) -> int:
        """Return the version at which one of these runs, or the state of any run, last changed."""
        return max([self.states_version, *(self._versions.get(run_id, 0) for run_id in runs)])

    def tables(self) -> Tables:
        """Return the tidy tables of all runs, as from `read_tables` but without predictions."""
        with self._lock:
            if self._tables is None or self._tables[0] != self.version:
                self._tables = (self.version, self._make_tables())
            return self._tables[1]

    def _run_tables(self) -> Tables:
        return Tables(frame([_row(one) for one in self._usable()], RUN_SCHEMA), frame([], EPOCH_SCHEMA))

    def _make_tables(self) -> Tables:
        usable = self._usable()
        epochs = _epochs([one for one in usable if one.damage is None and one.curve.num_kept])
        problems = [Problem.of(one.path, Exception(one.damage), self.root) for one in self.runs.values() if one.damage]
        rows = [_row(one) for one in usable]
        if (self.root / REPLICATES).is_dir():
            for row, one in zip(rows, usable, strict=True):
                assert one.run is not None
                try:
                    row["trained_again"], damaged = trained_again(RunFiles(one.path), self.root, one.run)
                    problems += damaged
                except ResLabError as error:
                    problems.append(Problem.of(one.path, error, self.root))
        return Tables(frame(rows, RUN_SCHEMA), epochs, (*problems, *self.problems), self._diagnoses(usable))

    def _usable(self) -> list[Watched]:
        return [one for one in self.runs.values() if one.run is not None and one.problem is None]

    def _diagnoses(self, usable: Sequence[Watched]) -> Diagnoses:
        found = {}
        for one in usable:
            content, result = one.record("diagnostics.json"), one.record("result.json")
            if one.status == "finished" and content and content.get("weights_sha256") == result.get("weights_sha256"):
                try:
                    tidy({one.id: content})
                except (KeyError, TypeError, ValueError, IndexError, AttributeError):
                    continue  # the report says so
                found[one.id] = content
        return tidy(found)

    def name(self, run_id: str) -> str:
        """Return the name of a run."""
        return self.names.get(run_id, run_id)

    def recipe_name(self, run_id: str) -> str:
        """Return the name of a run's recipe."""
        return self.name(run_id).rpartition(", seed ")[0] or run_id


def _epochs(shown: Sequence[Watched]) -> pl.DataFrame:
    """Return the kept lines of these runs in the form of `Tables.epochs`."""
    if not shown:
        return frame([], EPOCH_SCHEMA)
    parts = [one.curve.arrays() for one in shown]
    lengths = [one.curve.num_kept for one in shown]
    runs = [one.run for one in shown if one.run is not None]
    identity = {
        "run_id": np.repeat([run.id for run in runs], lengths),
        "recipe_id": np.repeat([run.recipe.id for run in runs], lengths),
        "seed": np.repeat([run.seed for run in runs], lengths),
    }
    readings = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    floats = pl.col(pl.Float64)
    found = pl.DataFrame({**identity, **readings}).with_columns(pl.when(floats.is_finite()).then(floats))
    return found.select(pl.col(name).cast(kind, strict=False) for name, kind in EPOCH_SCHEMA.items())


def _row(one: Watched) -> dict[str, object]:
    assert one.run is not None
    if one.damage is not None:
        return {
            **run_row(one.run, one.status, {}, None, None, None, seconds=None, images_per_second=None),
            "status": one.shown,
        }
    found = (one.record("result.json"), one.record("provenance.json"), one.record("failure.json"))
    seconds, speed = one.curve.total_seconds, one.curve.median("images_per_second")
    return run_row(one.run, one.status, one.curve.latest, *found, seconds=seconds, images_per_second=speed)


def _changed(path: Path) -> int | None:
    """Return when a file, or the entries of a folder, last changed (ns); None where it is gone."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return None


def _fingerprint(watched: Watched) -> str:
    """Return the fingerprint of a run's images, "" where unknown; the runs of no study are grouped by it."""
    return str((watched.record("provenance.json").get("data") or {}).get("fingerprint") or "")
