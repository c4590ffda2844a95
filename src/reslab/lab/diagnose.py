"""The diagnostics of a finished run: its weights, and those that it began with, measured on its own images."""

import copy
import hashlib
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import count, islice
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from reslab.data import sources
from reslab.data.serving import AnyTrainBatches, unaugmented
from reslab.diagnostics.measure import BUDGETS, DIAGNOSTICS, Subject, check_names, diagnose
from reslab.errors import CheckpointError, DataError
from reslab.files import Json
from reslab.lab.assembly import assemble
from reslab.lab.execute import Settings
from reslab.lab.store import FORMAT, RunFiles
from reslab.models.weights import load_into, read_weights
from reslab.recipe import Run
from reslab.training.hardware import device_name, make_deterministic, pick_device

DEFAULTS = Settings()


def diagnose_run(
    files: RunFiles,
    settings: Settings = DEFAULTS,
    which: Iterable[str] | None = None,
    *,
    budget: str = "standard",
    force: bool = False,
    on_event: Callable[[dict[str, Any]], None] = lambda _: None,
) -> Json:
    """Measure what diagnostics.json does not hold yet, write it there one by one, and return its content.

    An entry of the same or a larger budget counts as there; `force` measures all of `which` again (None: every
    diagnostic).  Entries of other weights than the run's are dropped.  Events are dicts with `event` "diagnosed",
    `run`, `diagnostic` and `seconds`.  Raises `CheckpointError` where the run has no trained weights, `DataError`
    where its images are not here or not the same.
    """
    names = tuple(DIAGNOSTICS) if which is None else tuple(dict.fromkeys(which))
    check_names(names, budget)
    run = files.read_run()
    digest = _weights_digest(files)
    content = _found(files, run, digest)
    missing = [name for name in names if force or not _covers(content["diagnostics"].get(name), budget)]
    if not missing:
        return content
    device = pick_device(settings.device)
    make_deterministic()
    if settings.threads:
        torch.set_num_threads(settings.threads)
    subject = _subject(files, run, settings, device)
    machine = {
        "device": device.type,
        "device_name": device_name(device),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
    }
    for name, entry in diagnose(subject, missing, budget, time.perf_counter):
        content = _found(files, run, digest)  # anew: another process may have measured something else
        content["diagnostics"][name] = {**entry, "machine": machine}
        files.write("diagnostics.json", content)
        on_event({"event": "diagnosed", "run": run.id, "diagnostic": name, "seconds": entry["seconds"]})
    return content


def _weights_digest(files: RunFiles) -> str:
    result = files.result()
    if result is None or not files.weights.exists():
        status = files.status()
        why = "it diverged" if status == "diverged" else f"it is {status}"
        hint = "" if status == "diverged" else "; train it to its end first"
        raise CheckpointError(f"{files.path} has no trained weights to measure: {why}{hint}")
    digest = hashlib.sha256(files.weights.read_bytes()).hexdigest()
    if digest != result["weights_sha256"]:
        raise CheckpointError(f"{files.weights} is not what the run ended with (its SHA-256 differs)")
    return digest


def _found(files: RunFiles, run: Run, digest: str) -> Json:
    content = files.diagnostics()
    if content is None or content.get("weights_sha256") != digest:
        content = {"format": FORMAT, "run": run.id, "weights_sha256": digest, "diagnostics": {}}
    return content


def _covers(entry: Json | None, budget: str) -> bool:
    sizes = list(BUDGETS)
    return entry is not None and sizes.index(entry["budget"]) >= sizes.index(budget)


def _subject(files: RunFiles, run: Run, settings: Settings, device: torch.device) -> Subject:
    recipe = run.recipe
    dataset = sources.load_any(recipe.dataset, settings.data_root)
    provenance = files.provenance()
    if provenance is not None and provenance["data"]["fingerprint"] != dataset.fingerprint:
        raise DataError(
            f"the images of {dataset.name} are not those that {run.id} was trained on (their fingerprints differ); use "
            "the same --data-root"
        )
    initial, augmented, evaluations = assemble(run, dataset, device)
    final = copy.deepcopy(initial)
    load_into(final, read_weights(files.weights))
    batch_size = min(recipe.batch_size, augmented.num_images)
    rows = files.metrics()
    return Subject(
        final=final,
        initial=initial,
        train=unaugmented(run, dataset, device, batch_size),
        augmented=_Independent(augmented, after=rows[-1]["epoch"]),
        test=evaluations["test"],
        batch_size=batch_size,
        seed=run.seed,
        loss=partial(F.cross_entropy, label_smoothing=recipe.label_smoothing),
        last_rate=rows[-1]["rate"],
        momentum=recipe.momentum,
        nesterov=recipe.nesterov,
        precision=recipe.precision,
    )


class _Independent:
    """The first batch of each epoch that would follow the training: drawn independently, as batches of one are not."""

    def __init__(self, images: AnyTrainBatches, after: int) -> None:
        self._images, self._after = images, after

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        for epoch in count(self._after):
            yield from islice(self._images.batches(epoch), 1)
