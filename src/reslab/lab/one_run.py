"""One run: trained from where it stands to its end, each epoch written to its folder as it comes."""

import contextlib
import statistics
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from reslab.data import sources
from reslab.data.folders import Folders, check_decodes
from reslab.data.serving import AnyDataset
from reslab.datasets import is_named, known
from reslab.errors import CheckpointError, LockedError, OwnCodeError, ResLabError
from reslab.files import file_sha256, sync_folder, writing
from reslab.host import usable_cores
from reslab.kernels.build import kernels, must_compile
from reslab.lab import manifest
from reslab.lab.assembly import assemble, kernels_used, make_ready, predicted, shape_of
from reslab.lab.own_networks import source_to_run
from reslab.lab.predictions import Predictions, predictions_bytes
from reslab.lab.provenance import attempt, check_images, describe_data
from reslab.lab.relay import Relay, adopt
from reslab.lab.settings import Settings
from reslab.lab.store import FORMAT, RunFiles, Status
from reslab.lab.threads import are_free, computing_with, first_threads, follow_load
from reslab.models.complexity import multiply_adds, own_multiply_adds, parameters
from reslab.models.weights import save_weights
from reslab.naming import run_name
from reslab.own_running import frames_in, told
from reslab.recipe import Run
from reslab.training import loop, saved
from reslab.training.checkpoint import Saved, check_fits, load_checkpoint, restore, save_checkpoint
from reslab.training.hardware import (
    deterministic,
    keeping_freed_memory,
    most_threads,
    on_stream,
    peak_memory_bytes,
    pick_device,
    stream_of_this_thread,
)

Event = dict[str, Any]


DEFAULTS = Settings()


def execute(
    files: RunFiles,
    settings: Settings = DEFAULTS,
    *,
    on_event: Callable[[Event], None] = lambda _: None,
    stop: Callable[[], bool] = lambda: False,
) -> Status:
    """Train a run to its end, or until `stop()`; do nothing if it has ended.  Returns how it then stands.

    Events are dicts with `event` (preparing, start, remark, progress, epoch, end) and `run`.  What fails is written to
    failure.json and raised again: `ResLabError` for what a user can mend, anything else as it came.  An error of
    `on_event` itself is raised, too, and the run is interrupted, for it has not failed.
    """
    on_event = _Told(on_event)
    relay = Relay(files, settings, lambda words: on_event({"event": "remark", "run": files.name, "words": words}), stop)
    relay.begin()
    run = files.check()
    with relay.holding():
        status: Status | None = files.ended()
        if status is None:
            with files.lock() as held:
                status = held.ended() or _attempt(held, run, settings, on_event, stop, relay)
        if status in ("finished", "diverged"):
            files.settle()
            relay.end()
    _emit(on_event, run, "end", status=status)
    return status


def _attempt(
    files: RunFiles,
    run: Run,
    settings: Settings,
    on_event: "_Told",
    stop: Callable[[], bool],
    relay: Relay,
) -> Status:
    for name in ("failure.json", manifest.NAME):  # a kill may have come between the manifest and the end
        files.remove(name)
    try:
        with relay.further(saved.reached(saved.newest(files.checkpoints))) as found:
            device = pick_device(settings.device)
            threads = first_threads(found or files, device, settings.threads, settings.default_threads)
            most = most_threads()
            with (
                deterministic(),
                torch.random.fork_rng(devices=[]),  # the user's draws go on from where they were
                keeping_freed_memory(),
                on_stream(stream_of_this_thread(device)),
                computing_with(threads),
            ):
                return _train(files, run, settings, most, partial(_emit, on_event, run), stop, relay, found)
    except LockedError:
        raise  # the run is another machine's, and has not failed
    except Exception as error:
        if error is on_event.error:
            raise
        trace = None if isinstance(error, ResLabError) else traceback.format_exc()
        shown = _of_own_network(error, files, run) or error
        with contextlib.suppress(ResLabError):  # where the disk is full, the error that is raised must do
            files.fail(_kind(error), str(shown) or repr(shown), trace)
            relay.failed()
        _emit(on_event, run, "end", status="failed", message=str(shown) or repr(shown))
        if _kind(error) == "out-of-memory":
            raise ResLabError(
                f"not enough memory for {run.id}; try --checkpoint-activations, or fewer runs at a time "
                f"(--jobs).  The error was: {(str(error).splitlines() or [repr(error)])[0]}"
            ) from error
        if shown is not error:
            raise shown from error
        raise


class _Told:
    """Hands events on, and keeps the error that this ended in, such as that of an output on a full disk."""

    def __init__(self, on_event: Callable[[Event], None]) -> None:
        self._on_event = on_event
        self.error: Exception | None = None

    def __call__(self, event: Event) -> None:
        try:
            self._on_event(event)
        except Exception as error:
            self.error = error
            raise


def _of_own_network(error: Exception, files: RunFiles, run: Run) -> OwnCodeError | None:
    """Return in words what came up in the code of a network of the user's own, if it did."""
    own = run.recipe.own_network
    if own is None or isinstance(error, ResLabError) or not frames_in(files.network, error):
        return None
    return OwnCodeError(str(told(error, own, files.network, "it fails while it is trained")))


class _Interrupted(Exception):  # noqa: N818
    """A stop was asked for while evaluating."""


def _train(
    files: RunFiles,
    run: Run,
    settings: Settings,
    most: int,
    emit: Callable[..., None],
    stop: Callable[[], bool],
    relay: Relay,
    found: RunFiles | None,
) -> Status:
    recipe = run.recipe
    device = pick_device(settings.device)
    if device.type == "cpu" and must_compile():
        emit("preparing", words="compiles its kernels, once")
        with _LOADING:
            kernels()
    if known(recipe.dataset).in_files:
        emit("preparing", words="tries its image files, for some seconds at most")
    dataset = _load(recipe.dataset, settings.data_root, recipe.images)
    # Before any of its files is changed:
    check_images(files, dataset, "began with", "use the same images, or another folder of runs")
    source = source_to_run(files, run, settings.trust_code)
    module, images, evaluations = assemble(run, dataset, device, settings.checkpoint_activations, source)
    shape = shape_of(dataset, recipe)
    is_usual = shape[1:] == (recipe.image_size, recipe.image_size)  # what `are_free` tries
    is_free = settings.threads is None and is_usual and are_free(device, module, recipe, most)
    following = follow_load(most, settings.default_threads) if is_free else None
    if device.type == "cuda":
        emit("preparing", words="makes its kernels ready, which takes a while the first time")
    with _LOADING:  # the others find them ready
        problem = make_ready(module, recipe, device, shape)
    state = loop.start(module, recipe, images.num_batches, device, shape[1:])
    relay.length = (state.schedule.num_iterations, state.schedule.num_epochs)
    is_resumed = found is not None and _take(found, files, dataset, state, relay)
    if not is_resumed and (before := load_checkpoint(files.checkpoints)) is not None:
        restore(state, before)
        is_resumed = True
    if stop():  # asked for while all was made ready
        return "interrupted"
    files.keep_metrics(_rows_seen(state))
    this_attempt = attempt(
        device,
        state.iteration,
        kernels_used=kernels_used(module, images, device),
        checkpoint_activations=settings.checkpoint_activations,
        threads_follow_load=following is not None,
    )
    _write_provenance(files, run, dataset, this_attempt)
    emit(
        "start",
        name=run_name(run),
        iteration=state.iteration,
        num_iterations=state.schedule.num_iterations,
        num_epochs=state.schedule.num_epochs,
    )
    if not dataset.official and is_named(recipe.dataset):
        emit("remark", words=f"these are not the official images of {recipe.dataset}; see `reslab data list`")
    if problem:
        emit("remark", words=problem)
    threads = torch.get_num_threads()
    if is_resumed and settings.threads is None and not is_free and threads > usable_cores():
        emit(
            "remark",
            words=f"resumes with its {threads} threads, more than the cores here, to keep the result identical",
        )

    keep = state.schedule.milestones() if settings.keep_epochs is None else state.schedule.inner(settings.keep_epochs)
    saved_at = reported_at = time.monotonic()
    stoppable = {name: _until(stop, batches) for name, batches in evaluations.items()}
    try:
        for event in loop.train(
            state,
            recipe,
            images,
            stoppable,
            device=device,
            clock=time.perf_counter,
            chance=run.seed if source is not None or run.recipe.dropout else None,
        ):
            now = time.monotonic()
            match event:
                case loop.Diverged():
                    message = (
                        f"the loss was not finite after iteration {event.iteration}, in epoch {event.epoch}, at base "
                        f"rate {recipe.learning_rate:g}"
                    )
                    files.diverge(message, at=(event.epoch, event.iteration))
                    return "diverged"
                case loop.EpochRecord():
                    _keep_records(files, run)
                    if event.epoch in keep:  # before a checkpoint can be past it: no kill loses them
                        _keep_weights(files, state.measured, event.epoch)
                    row = {**event.row(), "peak_memory_bytes": peak_memory_bytes(device)}
                    files.append_metrics(row)
                    emit("epoch", **row)
                    due = now - saved_at >= settings.checkpoint_seconds / 10
                case loop.Remark():
                    emit("remark", words=event.words)
                    continue
                case loop.Tick():
                    if following is not None:
                        following.look()
                    due = now - saved_at >= settings.checkpoint_seconds
                    if now - reported_at >= 0.25:
                        emit("progress", iteration=state.iteration)
                        reported_at = now
            stopping = stop()
            if due or stopping:
                _save(files, state)
                relay.checkpointed(last=stopping)
                saved_at = time.monotonic()
            if stopping and state.iteration < state.schedule.num_iterations:
                return "interrupted"
        predictions = predicted(state.measured, stoppable["test"], dataset.class_names, recipe.precision)
    except _Interrupted:
        _save(files, state)
        relay.checkpointed(last=True)
        return "interrupted"
    _finish(files, state.measured, predictions, shape, run)
    return "finished"


def _take(found: RunFiles, files: RunFiles, dataset: AnyDataset, state: loop.State, relay: Relay) -> bool:
    """Go on from what a share has of the run, if it is a checkpoint of this run on these images; say whether it is."""
    try:
        check_images(found, dataset, "began with elsewhere", "use the same images")
        there = load_checkpoint(found.checkpoints)
        if there is None:
            raise CheckpointError("it has no checkpoint")
        check_fits(state, there)
        if len(found.metrics()) < _rows_seen(state, there):
            raise CheckpointError("its metrics.jsonl ends before its checkpoint")
    except ResLabError as error:
        relay.refused(error)
        return False
    restore(state, there)
    adopt(found, files)
    return True


def _rows_seen(state: loop.State, there: Saved | None = None) -> int:
    """Return how many epochs were measured when a training was as it is, or as it was saved."""
    iteration = state.iteration if there is None else there.iteration
    images = state.totals.images if there is None else there.state["totals"]["images"]
    return state.schedule.epochs_done(iteration) - bool(state.schedule.ends_epoch(iteration) and images)


def _save(files: RunFiles, state: loop.State) -> None:
    files.check_held()
    with writing(files.checkpoints):
        save_checkpoint(files.checkpoints, state)


def _keep_weights(files: RunFiles, module: nn.Module, epoch: int) -> None:
    path = files.epoch_weights(epoch)
    files.check_held()
    with writing(path.parent):
        path.parent.mkdir(exist_ok=True)
        sync_folder(files.path)
        save_weights(module, path)


_LOADING = threading.Lock()
"""Runs side by side want the same images: the first reads them, the others wait."""


def _load(name: str, data_root: Path | None, images: str = "") -> AnyDataset:
    with _LOADING:
        return _read(name, data_root, images)


@lru_cache(maxsize=2)
def _read(name: str, data_root: Path | None, images: str) -> AnyDataset:
    dataset = sources.load_any(name, data_root, images=images)
    if isinstance(dataset, Folders):
        check_decodes(dataset)
    return dataset


def _until(stop: Callable[[], bool], batches: Iterable[tuple[Tensor, Tensor]]) -> Iterable[tuple[Tensor, Tensor]]:
    """Return batches that can be iterated over again and again, and that end by `_Interrupted` on a stop."""

    class Stoppable:
        def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
            for batch in batches:
                if stop():
                    raise _Interrupted
                yield batch

    return Stoppable()


def _write_provenance(files: RunFiles, run: Run, dataset: AnyDataset, this_attempt: dict[str, Any]) -> None:
    before = files.provenance()
    attempts = [] if before is None else before["attempts"]
    files.write(
        "provenance.json",
        {
            "format": FORMAT,
            "data": describe_data(run.recipe, dataset),
            "attempts": [*attempts, this_attempt],
        },
    )


def _keep_records(files: RunFiles, run: Run) -> None:
    """Write run.json again where somebody removed it; raise `ResLabError` where the records are not those any more."""
    files.check_held()
    files.create(run)
    if files.read_run() != run or not (files.path / "provenance.json").exists():
        raise _changed(files)


def _changed(files: RunFiles) -> ResLabError:
    return ResLabError(f"files of {files.path} were removed or changed during training; train it again")


def _finish(
    files: RunFiles, module: nn.Module, predictions: Predictions, image_shape: tuple[int, int, int], run: Run
) -> None:
    _keep_records(files, run)
    if files.check() != run:
        raise _changed(files)
    rows = files.metrics()
    last = rows[-1]
    with writing(files.path):
        save_weights(module, files.weights)
    files.write_bytes(files.predictions.name, predictions_bytes(predictions))
    measured: Event = {
        name: last[name]
        for name in ("train_loss", "train_error", "test_loss", "test_error", "holdout_loss", "holdout_error")
        if name in last
    }
    files.end(
        "result.json",
        {
            "format": FORMAT,
            "run": run.id,
            "status": "finished",
            "epochs": last["epoch"],
            "iterations": last["iteration"],
            **measured,
            "seconds": sum(row["seconds"] for row in rows),
            "images_per_second": statistics.median(row["images_per_second"] for row in rows),
            "parameters": parameters(module),
            "multiply_adds": (own_multiply_adds if run.recipe.network else multiply_adds)(module, image_shape),
            "weights_sha256": file_sha256(files.weights),
        },
    )


def _kind(error: Exception) -> str:
    words = str(error) if isinstance(error, RuntimeError) else ""
    starved = any(sign in words for sign in ("can't allocate memory", "out of memory"))
    return "out-of-memory" if starved or isinstance(error, MemoryError | torch.OutOfMemoryError) else "error"


def _emit(on_event: Callable[[Event], None], run: Run, event: str, **values: Any) -> None:
    on_event({"event": event, "run": run.id, **values})
