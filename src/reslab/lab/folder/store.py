"""The folder of a run: its plain files, read and written; they are the only record, and status is derived from them.

    run.json            recipe, seed, SEMANTICS: written first
    provenance.json     data fingerprint, and for each attempt: start, versions, commit, device
    metrics.jsonl       one line per epoch, appended whole; see `reslab.lab.folder.metrics`
    checkpoint/         see `reslab.training.checkpoint`; removed when the run ends
    weights.safetensors the trained network
    predictions.safetensors  see `reslab.lab.folder.predictions`
    network/            the source of a user's own network
    weights/            the weights at earlier epochs, such as epoch0041.safetensors: after 41 epochs
    result.json         written last: its presence means finished
    diagnostics.json    what `reslab.lab.diagnose` measured on these weights
    failure.json        how the last attempt failed, or that the run diverged
    manifest.json       checksums of all files of an ended run; see `reslab.lab.folder.manifest`

Does not import torch, so that a report can be made without it.
"""

import os
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from reslab.amounts import counted
from reslab.errors import DamagedError, ResLabError
from reslab.files import (
    NOT_AS_WRITTEN,
    Json,
    file_sha256,
    is_there,
    json_bytes,
    read_json,
    signed,
    write_whole,
    writing,
)
from reslab.lab.folder import locks, manifest, metrics, records
from reslab.lab.folder.predictions import contradiction
from reslab.lab.folder.status import Ended, Status, how_ended, standing
from reslab.own_code import kept_source
from reslab.recipe import SEMANTICS, Recipe, Run, to_mapping

FORMAT = 1

DOES_NOT_APPLY = "does_not_apply"
"""Key in diagnostics.json of why diagnostics do not apply to the network, by their names."""

_MADE_AGAIN = {
    "diagnostics.json": "remove this file to measure again; the training is whole",
    "failure.json": "remove this file; the run then resumes from its checkpoint, if it has one",
    "predictions.safetensors": "remove this file; `reslab evaluate` writes it again",
    "manifest.json": "if you trust the other files, remove this one: `reslab train` writes it again",
}
"""What to do about damaged files whose loss costs no training."""

_RUN_JSON = {"format": int, "recipe": dict, "seed": object}
"""What run.json must hold."""

_SIGNED = ("provenance.json", "failure.json")
"""Files that are read before the run has ended, when there is no manifest yet."""

_EPOCH_WEIGHTS = re.compile(r"epoch(\d{4,})\.safetensors")


@dataclass(frozen=True, slots=True)
class RunFiles:
    """The files of one run."""

    path: Path
    held: locks.Held | None = field(default=None, compare=False)
    """The lock, if this process holds it."""

    @property
    def called(self) -> Path:
        """The folder's absolute path, links not followed."""
        return Path(os.path.normpath(self.path.absolute()))

    @property
    def name(self) -> str:
        """The run's id by the name of its folder, whatever is in its files."""
        return "/".join(self.called.parts[-2:])

    @property
    def checkpoints(self) -> Path:
        """Folder of the checkpoints."""
        return self.path / "checkpoint"

    @property
    def weights(self) -> Path:
        """File of the trained weights, there once the run is finished."""
        return self.path / "weights.safetensors"

    @property
    def predictions(self) -> Path:
        """File of the trained network's predictions for the test images; runs of older versions have none."""
        return self.path / "predictions.safetensors"

    @property
    def network(self) -> Path:
        """Folder of the source of a user's own network; there is none for ResLab's."""
        return self.path / "network"

    def epoch_weights(self, epoch: int) -> Path:
        """File of the weights after an epoch, there if they were kept."""
        return self.path / "weights" / f"epoch{epoch:04d}.safetensors"

    def kept_epochs(self) -> tuple[int, ...]:
        """Return the epochs after which weights were kept, in order, without the last."""
        names = [path.name for path in (self.path / "weights").glob("epoch*.safetensors")]
        return tuple(sorted(int(match[1]) for name in names if (match := _EPOCH_WEIGHTS.fullmatch(name))))

    @property
    def exists(self) -> bool:
        """Whether a run was started here, or prepared."""
        return (self.path / "run.json").exists()

    def read_run(self) -> Run:
        """Return the recipe and seed; raise `ResLabError` if run.json is missing, damaged, or of other numerics."""
        content = self._read("run.json")
        if content is None and manifest.exists(self.path):
            raise DamagedError(f"{self.path / 'run.json'} is missing; the command that trained the run writes it again")
        if content is None:
            begun = (self.path / metrics.NAME).exists() or self.checkpoints.exists()
            advice = self._anew if begun else "`reslab status --ids` lists the runs of a folder"
            raise ResLabError(f"{self.path} is not the folder of a run: it has no run.json; {advice}")
        wrong = [name for name, kind in _RUN_JSON.items() if name not in content or not isinstance(content[name], kind)]
        if wrong:
            raise ResLabError(
                f"{self.path / 'run.json'} is not a run's: its {' and '.join(wrong)} "
                f"{'is' if len(wrong) == 1 else 'are'} missing or of another kind; {self._restored}"
            )
        if content["format"] > FORMAT:
            raise ResLabError(f"{self.path} was written by a newer ResLab; update this one")
        if content.get("semantics", SEMANTICS) > SEMANTICS:
            raise ResLabError(f"{self.path} was made by a newer ResLab, with other numerics; update this one")
        if content.get("semantics", SEMANTICS) != SEMANTICS:
            raise ResLabError(f"{self.path} was made by a version of ResLab with other numerics; {self._anew}")
        return self._run_of(content)

    def _run_of(self, content: Json) -> Run:
        try:
            return Run(Recipe.from_mapping(content["recipe"]), content["seed"])
        except ResLabError as error:
            raise ResLabError(
                f"{self.path / 'run.json'}: {error}.  Written by a newer ResLab? Update this one; else {self._anew}"
            ) from None

    def is_of(self, run: Run) -> bool:
        """Return whether the folder has the run's name; the folder or its link's target will do."""
        return tuple(run.id.split("/")) in [path.parts[-2:] for path in (self.called, self.path.resolve())]

    def _check_asked(self, found: Run, asked: Run) -> None:
        """Raise `ResLabError` if the run found is not the one requested: ids have only 32 bits of a recipe's hash."""
        if found != asked and found.id == asked.id:
            others = to_mapping(asked.recipe)
            differing = [
                f"{name} is {value!r} there, and {others[name]!r} is requested"
                for name, value in to_mapping(found.recipe).items()
                if value != others[name]
            ]
            raise ResLabError(
                f"{self.path} has another run that happens to have the same id ({', '.join(differing)}); use another "
                "--runs folder"
            )

    def check(self, asked: Run | None = None) -> Run:
        """Return the run, after checking that its files belong to it and agree.

        Raises `ResLabError`, which says what to do, if they do not, or are not those of the run `asked` for.
        """
        run = self.read_run()
        if asked is not None:
            self._check_asked(run, asked)
        if self.ended() is not None:  # if records disagree, the manifest says which one was changed
            self.check_files(manifest.RECORDS)
        if not self.is_of(run):
            raise DamagedError(
                f"{self.path} is not {run.id}, although its run.json says so: the recipe was edited, or the run was "
                f"made by a version of ResLab with other numerics; {self._anew}"
            )
        result, (num_rows, last) = self.whole_result(), metrics.end(self.path)
        if result is not None and result["epochs"] != num_rows:
            raise DamagedError(
                f"{self.path / metrics.NAME} is damaged: it has {counted(num_rows, 'line')}, and the run ended after "
                f"{counted(result['epochs'], 'epoch')}; {self._restored}"
            )
        if result is not None:
            self._check_last(result, last)
        return run

    def _check_last(self, result: Json, last: Json) -> None:
        """Raise `DamagedError` if a result does not match the last epoch."""
        if records.fault(metrics.NAME, last) is not None:
            return  # its reader reports it
        for name in records.SCORES:
            if name in result and name in last and repr(result[name]) != repr(last[name]):
                raise DamagedError(
                    f"{self.path / 'result.json'} is damaged: its {name} is {result[name]}, and that of the last epoch "
                    f"{last[name]}; {self._restored}"
                )

    def check_end(self, status: Status) -> None:
        """Raise `DamagedError` if the manifest shows that a run of this status had ended, and its last file is gone."""
        if status == "interrupted" and manifest.exists(self.path) and not self.checkpoints.exists():
            raise DamagedError(
                f"{self.path / 'result.json'} is missing, and the run had ended; the command that trained the run "
                "trains it again"
            )

    def check_files(self, names: Collection[str] | None = None) -> list[manifest.Problem]:
        """Raise `DamagedError` if one of these files of an ended run does not match its manifest; default: all files.

        Returns the problems that are not damage: files left out, or a missing manifest.
        """
        problems = manifest.verify(self.path, names)
        for problem in problems:
            if problem.is_damage:
                remedy = _MADE_AGAIN.get(problem.name, self._restored)
                raise DamagedError(f"{self.path / problem.name} is damaged: {problem.words}; {remedy}")
        if names is None and (wrong := contradiction(self.predictions, (self.result() or {}).get("test_error"))):
            raise DamagedError(f"{self.path}: {wrong}; {self._restored}")
        if names is None and self.weights.exists() and not self.has_its_weights():
            raise DamagedError(f"{self.weights} is damaged: {NOT_AS_WRITTEN}; {self._restored}")
        return problems

    def has_its_weights(self) -> bool:
        """Say whether the weights are those that the run ended with, or the run has no result."""
        result = self.result()
        return result is None or file_sha256(self.weights) == result.get("weights_sha256")

    def status(self) -> Status:
        """Return the run's status, read from its files."""
        held, failed = (lambda: locks.is_held(self.path)), (lambda: self.failure() is not None)
        return standing(self.ended(), held, failed, self.has_begun)

    def has_begun(self) -> bool:
        """Say whether any of it was trained."""
        return bool(self.metrics()) or self.checkpoints.exists()

    def ended(self) -> Ended | None:
        """Return how the run ended; None while there is something left to train."""
        has_result = self.result() is not None
        return how_ended(has_result, None if has_result else self.failure())

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
        """Return the lines of metrics.jsonl; a truncated last line does not count."""
        resumed = "the command that trains the run cuts off what its checkpoint has not seen, and resumes it"
        return metrics.read(self.path, resumed if self.checkpoints.exists() else self._restored)

    def result(self) -> Json | None:
        """Return result.json, or None while the run is not finished."""
        return self._read("result.json")

    def whole_result(self) -> Json | None:
        """Return result.json, as `result` does; raise `DamagedError` if it lacks a required key."""
        result = self.result()
        lacking = [name for name in records.RESULT_HAS if result is not None and result.get(name) is None]
        if lacking:
            raise DamagedError(f"{self.path / 'result.json'} is damaged: it has no {lacking[0]}; {self._restored}")
        return result

    def failure(self) -> Json | None:
        """Return failure.json, or None."""
        return self._read("failure.json")

    def failure_message(self) -> str:
        """Return why the run failed or diverged, in words, even if that was not recorded."""
        return str((self.failure() or {}).get("message") or "no reason was recorded")

    def provenance(self) -> Json | None:
        """Return provenance.json, or None before the first attempt."""
        return self._read("provenance.json")

    def images(self) -> Json:
        """Return what provenance.json has on the images; nothing before the first attempt."""
        return (self.provenance() or {}).get("data") or {}

    def last_attempt(self) -> Json:
        """Return what provenance.json has on the last attempt; nothing before the first."""
        attempts = (self.provenance() or {}).get("attempts") or [{}]
        return dict(attempts[-1])

    def diagnostics(self) -> Json | None:
        """Return diagnostics.json, or None before anything was measured."""
        self.check_files(["diagnostics.json"])
        return self._read("diagnostics.json")

    def create(self, run: Run) -> None:
        """Make the folder and run.json, unless they exist; raise `ResLabError` if they are of another run.

        The source of a user's own network must be there already: see `reslab.lab.folder.own_networks.keep_sources`.
        """
        if is_there(self.path / "run.json"):
            try:
                found = self.read_run()
            except ResLabError:
                return  # its reader reports it
            self._check_asked(found, run)
            return
        if (own := run.recipe.own_network) is not None:
            kept_source(self.network, own)
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
        """Write a JSON file of the run atomically; the manifest of an ended run stays true."""
        self.write_bytes(name, json_bytes(signed_where_read(name, content)))

    def write_bytes(self, name: str, content: bytes) -> None:
        """Write any file of the run, as `write` does."""
        self.check_held()
        if not manifest.exists(self.path):
            with writing(self.path):
                write_whole(self.path / name, content)
            return
        with self.changing(manifest.NAME), writing(self.path):
            manifest.add(self.path, name, content)

    def remove(self, name: str) -> None:
        """Remove a file of the run, if it is there."""
        self.check_held()
        with writing(self.path):
            (self.path / name).unlink(missing_ok=True)

    def append_metrics(self, row: Mapping[str, Any]) -> None:
        """Append one line to metrics.jsonl and sync it to disk."""
        self.check_held()
        metrics.append(self.path, row)

    def keep_metrics(self, num_rows: int) -> None:
        """Cut metrics.jsonl after `num_rows` lines: epochs after the checkpoint are trained again."""
        self.check_held()
        metrics.cut(self.path, num_rows, self._anew)

    @contextmanager
    def lock(self) -> Iterator[Self]:
        """Hold the run for this process; raise `LockedError` if another does.  Freed when the process ends.

        Yields files with the lock: they do not write to a folder that was removed or replaced.
        """
        with locks.hold(self.path) as held:
            yield replace(self, held=held)

    def check_held(self) -> None:
        """Raise `ReplacedError` or `LockedError` if this process no longer holds the folder."""
        if self.held is not None:
            locks.check_same(self.path, self.held)

    def changing(self, name: str) -> AbstractContextManager[None]:
        """Hold a file while it is read, added to and rewritten; others wait.  Freed when the process ends."""
        return locks.changing(self.path, name)

    @property
    def _anew(self) -> str:
        return f"remove the folder {self.path} to train the run again"

    @property
    def _restored(self) -> str:
        return f"put back a copy, or {self._anew}"

    def _read(self, name: str) -> Json | None:
        try:
            content = read_json(self.path / name)
            if content is not None and (wrong := records.fault(name, content)) is not None:
                raise DamagedError(f"{self.path / name} is damaged: {wrong}")
        except DamagedError as error:
            raise DamagedError(f"{error}; {_MADE_AGAIN.get(name, self._restored)}") from None
        return content


def run_files(root: Path, run: Run) -> RunFiles:
    """Return the files of a run below the folder of all runs, whether they exist or not."""
    return RunFiles(root / run.id)


def signed_where_read(name: str, content: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a file's content, signed if it is read before there is a manifest."""
    return signed(content) if name in _SIGNED else content
