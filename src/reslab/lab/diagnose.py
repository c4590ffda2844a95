"""The diagnostics of a finished run: its weights, final or from earlier epochs, measured on its own images."""

import copy
import math
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import count, islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from reslab.data import sources
from reslab.data.serving import AnyTrainBatches, unaugmented
from reslab.diagnostics.cost import BUDGETS, PASSES, check_names, cost
from reslab.diagnostics.measure import DIAGNOSTICS, Subject, diagnose
from reslab.diagnostics.measuring import DoesNotApplyError
from reslab.errors import CheckpointError, DataError, ResLabError
from reslab.files import Json, file_sha256
from reslab.kernels.layers import use_torch
from reslab.lab.assembly import assemble
from reslab.lab.folder import ending
from reslab.lab.folder.manifest import RECORDS
from reslab.lab.folder.own_networks import source_to_run
from reslab.lab.folder.provenance import check_trained_on
from reslab.lab.folder.store import DOES_NOT_APPLY, FORMAT, RunFiles
from reslab.lab.settings import Settings
from reslab.lab.threads import computing_with, threads_for_load, words_of_fewer
from reslab.models.weights import load_into, read_own_weights, read_weights
from reslab.recipe import Run
from reslab.training.hardware import device_name, pick_device
from reslab.training.process_settings import deterministic

DEFAULTS = Settings()

TELL_SECONDS = 0.25
"""Minimum time between two events of one measurement."""


def diagnose_run(
    files: RunFiles,
    settings: Settings = DEFAULTS,
    which: Iterable[str] | None = None,
    *,
    epochs: Iterable[int] | None = None,
    budget: str = "standard",
    force: bool = False,
    leave_out: bool = False,
    on_event: Callable[[dict[str, Any]], None] = lambda _: None,
) -> Json:
    """Measure what diagnostics.json lacks, write each result there at once, and return the file's content.

    Measures the trained weights or, with `epochs`, those kept after these epochs.  An entry of the same or a larger
    budget is not measured again, unless `force` is given: then all of `which` are (None: every diagnostic).  Entries
    for weights other than the run's are dropped.  Events are dicts with `event` "measuring", `run`, `epoch` (None: the
    end), `diagnostic` and `share`, from 0 to 1, of the whole work.  KeyboardInterrupt, or any error that `on_event`
    raises, stops at once: completed diagnostics are kept.  A diagnostic that does not apply to the network is noted in
    the content and skipped with an event "remark" if `which` is None or `leave_out` is set; otherwise it raises.
    Raises `CheckpointError` if the run has no weights, `ResLabError` if it did not keep those of an epoch in `epochs`,
    `DataError` if its images are missing or different.
    """
    names = tuple(DIAGNOSTICS) if which is None else tuple(dict.fromkeys(which))
    check_names(names, budget)
    run = files.read_run()
    digest = weights_digest(files)
    ending.seal(files)
    content = _found(files, run, digest)
    moments = [_Moment(None, files.weights, digest)] if epochs is None else [_kept(files, epoch) for epoch in epochs]
    missing = {
        moment: wanted
        for moment in moments
        if (wanted := [name for name in names if force or not _covers(_entries(content, moment).get(name), budget)])
    }
    if not missing:
        _check_given(files, run, settings)
        return content
    device = pick_device(settings.device)
    most = torch.get_num_threads()
    threads = settings.threads or (threads_for_load(most) if device.type == "cpu" else most)
    if settings.threads is None and threads < most:
        on_event({"event": "remark", "run": run.id, "words": words_of_fewer(threads, most)})
    with deterministic(), computing_with(threads):
        subject = _subjects(files, run, settings, device)
        machine = {
            "device": device.type,
            "device_name": device_name(device),
            "threads": torch.get_num_threads(),
            "torch": torch.__version__,
        }
        costs = {
            (moment, name): cost(name, budget, run.recipe.batch_size, is_end=moment.epoch is None)
            for moment, wanted in missing.items()
            for name in wanted
        }
        watch = _Watch(run, costs, on_event)
        for moment, wanted in missing.items():
            measured = replace(subject(moment), tick=watch.tick)
            for name in wanted:
                watch.begin(moment, name)
                try:
                    ((_, entry),) = diagnose(measured, (name,), budget, time.perf_counter)
                except DoesNotApplyError as error:
                    if which is not None and not leave_out:
                        raise
                    with files.changing("diagnostics.json"):
                        content = _found(files, run, digest)
                        content.setdefault(DOES_NOT_APPLY, {})[name] = str(error)
                        files.write("diagnostics.json", content)
                    on_event({"event": "remark", "run": run.id, "words": f"{name} does not apply: {error}"})
                    watch.end()
                    continue
                with files.changing("diagnostics.json"):
                    content = _found(files, run, digest)  # again: another process may have added to it, even this
                    entries = _entries(content, moment)
                    if force or not _covers(entries.get(name), budget):
                        entries[name] = {**entry, "machine": machine}
                        files.write("diagnostics.json", content)
                watch.end()
    return content


@dataclass(frozen=True, slots=True)
class _Moment:
    """Weights of a run: those after an epoch, or the trained ones (None)."""

    epoch: int | None
    weights: Path
    digest: str


class _Watch:
    """Reports the progress of a measurement from time to time."""

    def __init__(self, run: Run, costs: dict[tuple[_Moment, str], float], on_event: Callable[[Json], None]) -> None:
        self._run, self._costs, self._on_event = run, costs, on_event
        self._total = sum(costs.values())
        self._done = self._within = 0.0
        self._told = -math.inf

    def begin(self, moment: _Moment, name: str) -> None:
        """Start a diagnostic."""
        self._moment, self._name, self._within = moment, name, 0.0
        self._tell()

    def tick(self, num_images: int) -> None:
        """Count images that are about to be measured."""
        if time.monotonic() - self._told >= TELL_SECONDS:
            self._tell()
        self._within += PASSES[self._name] * num_images

    def end(self) -> None:
        """Count a diagnostic as done; some need less work than estimated."""
        self._done += self._costs[self._moment, self._name]
        self._within = 0.0
        self._tell()

    def _tell(self) -> None:
        self._told = time.monotonic()
        done = self._done + min(self._within, self._costs[self._moment, self._name])
        about = {"run": self._run.id, "epoch": self._moment.epoch, "diagnostic": self._name}
        self._on_event({"event": "measuring", **about, "share": done / self._total})


def _kept(files: RunFiles, epoch: int) -> _Moment:
    path, kept = files.epoch_weights(epoch), files.kept_epochs()
    if epoch not in kept:
        if epoch == len(files.metrics()):
            raise ResLabError(f"epoch {epoch} is the last of {files.path}; leave out --epoch to measure it")
        there = f"it kept those of {', '.join(map(str, kept))}" if kept else "it kept none"
        advice = f"It has epochs 1 to {len(files.metrics())}"
        if 1 <= epoch < len(files.metrics()):
            advice = f"Others are kept only while a run trains, with reslab train --keep-epochs {epoch}"
        raise ResLabError(f"{files.path} has no weights of epoch {epoch}: {there}.  {advice}")
    files.check_files([path.relative_to(files.path).as_posix()])
    return _Moment(epoch, path, file_sha256(path) or "")


def _entries(content: Json, moment: _Moment) -> Json:
    """Return the entries of a moment within `content`, to add to; entries for other weights are dropped."""
    found = content
    if moment.epoch is not None:
        by_epoch: dict[str, Json] = content.get("epochs", {})
        found = by_epoch.get(str(moment.epoch), {})
        if found.get("weights_sha256") != moment.digest or found.get("diagnostics") is None:
            found = {"weights_sha256": moment.digest, "diagnostics": {}}
        by_epoch[str(moment.epoch)] = found
        content["epochs"] = dict(sorted(by_epoch.items(), key=lambda item: int(item[0])))
    entries: Json = found["diagnostics"]
    return entries


def weights_digest(files: RunFiles) -> str:
    """Return the SHA-256 of a run's trained weights; raise `CheckpointError` if they are missing or have changed.

    Raises `ResLabError` if its records are damaged.
    """
    result = files.result()
    if result is None or not files.weights.exists():
        raise CheckpointError(f"{files.path} has no trained weights to measure: {files.why_no_weights()}")
    files.check_files(RECORDS)
    digest = file_sha256(files.weights) or ""
    if digest != result["weights_sha256"]:
        raise CheckpointError(
            f"{files.weights} is not what the run ended with (its SHA-256 differs); put back a copy, or remove "
            f"the folder {files.path} to train the run again"
        )
    return digest


def _check_given(files: RunFiles, run: Run, settings: Settings) -> None:
    """Raise `DataError` if the given data root has other images; having none is fine, as nothing needs them."""
    if settings.data_root is None:
        return
    try:
        sources.check_present(run.recipe.dataset, settings.data_root)
    except DataError:
        return
    check_trained_on(files, sources.load_for(run.recipe, settings.data_root))


def _found(files: RunFiles, run: Run, digest: str) -> Json:
    content = files.diagnostics()
    if content is None or content.get("weights_sha256") != digest:
        content = {"format": FORMAT, "run": run.id, "weights_sha256": digest, "diagnostics": {}}
    return content


def _covers(entry: Json | None, budget: str) -> bool:
    sizes = list(BUDGETS)
    return entry is not None and entry.get("budget") in sizes[sizes.index(budget) :]


def _subjects(files: RunFiles, run: Run, settings: Settings, device: torch.device) -> Callable[[_Moment], Subject]:
    """Return a function that gives the subject of each moment; the images are read once for all."""
    recipe = run.recipe
    dataset = sources.load_for(recipe, settings.data_root)
    check_trained_on(files, dataset)
    source = source_to_run(files, run, settings.trust_code)
    initial, augmented, evaluations = assemble(run, dataset, device, source=source)
    use_torch(initial)  # our kernels have no second derivatives
    read = read_weights if source is None else lambda path: read_own_weights(path).weights
    batch_size = min(recipe.batch_size, augmented.num_images)
    train = unaugmented(run, dataset, device, batch_size)
    rows = files.metrics()

    def subject(moment: _Moment) -> Subject:
        final = copy.deepcopy(initial)
        load_into(final, read(moment.weights))
        row = rows[-1] if moment.epoch is None else rows[moment.epoch - 1]
        return Subject(
            final=final,
            initial=initial if moment.epoch is None else None,
            train=train,
            augmented=_Independent(augmented, after=row["epoch"]),
            test=evaluations["test"],
            batch_size=batch_size,
            seed=run.seed,
            loss=partial(F.cross_entropy, label_smoothing=recipe.label_smoothing),
            last_rate=row["rate"],
            momentum=recipe.momentum,
            nesterov=recipe.nesterov,
            is_adaptive=recipe.optimiser in ("adam", "adamw", "muon"),
            precision=recipe.precision,
        )

    return subject


class _Independent:
    """The first batch of each following epoch: these are drawn independently, unlike batches of one epoch."""

    def __init__(self, images: AnyTrainBatches, after: int) -> None:
        self._images, self._after = images, after

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        for epoch in count(self._after):
            yield from islice(self._images.batches(epoch), 1)
