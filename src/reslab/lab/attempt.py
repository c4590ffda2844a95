"""One attempt at a run: prepared, resumed from its checkpoint, and recorded epoch by epoch."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor

from reslab.data import own_images, sources
from reslab.data.folders import Folders, check_decodes
from reslab.data.serving import AnyDataset
from reslab.datasets import is_named, known
from reslab.errors import CheckpointError, ResLabError
from reslab.host import usable_cores
from reslab.kernels.build import kernels, must_compile
from reslab.lab import products
from reslab.lab.assembly import assemble, check_given_by_weights, kernels_used, make_ready, predicted, shape_of
from reslab.lab.folder import ending
from reslab.lab.folder.own_networks import source_to_run
from reslab.lab.folder.provenance import attempt, check_images
from reslab.lab.folder.status import Status
from reslab.lab.folder.store import RunFiles
from reslab.lab.settings import Settings
from reslab.lab.shares.relay import Relay, adopt
from reslab.lab.threads import are_free, follow_load, kept_threads, threads_for_load, words_of_fewer
from reslab.naming import run_name
from reslab.recipe import Run
from reslab.training import loop
from reslab.training.checkpoint import Saved, check_fits, load_checkpoint, restore
from reslab.training.hardware import peak_memory_bytes
from reslab.training.threads import FollowingThreads


class _Interrupted(Exception):  # noqa: N818
    """A stop was requested during evaluation."""


@dataclass
class Attempt:
    """One attempt at a run: prepared, then trained until it ends or a stop is requested."""

    files: RunFiles
    run: Run
    settings: Settings
    device: torch.device
    most: int
    """Threads available, whatever number this attempt starts with."""
    emit: Callable[..., None]
    stop: Callable[[], bool]
    relay: Relay
    found: RunFiles | None
    """A share's copy of the run, if it is further along than this folder."""

    def go(self) -> Status:
        """Train; return the run's status afterwards."""
        recipe = self.run.recipe
        device = self.device
        self._prepare_kernels()
        if known(recipe.dataset).in_files:
            self.emit("preparing", words="checks its image files, for a few seconds at most")
        dataset = load_once(recipe.dataset, self.settings.data_root, recipe.images)
        # Before any of its files is changed:
        check_images(self.files, dataset, "began with", "use the same images, or another folder of runs")
        source = source_to_run(self.files, self.run, self.settings.trust_code)
        module, images, evaluations = assemble(
            self.run,
            dataset,
            device,
            self.settings.checkpoint_activations,
            source,
            lambda words: self.emit("remark", words=words),
        )
        if recipe.network:
            products.check_same_size(self.files, module, self.run)
        shape = shape_of(dataset, recipe)
        is_usual = shape[1:] == (recipe.image_size, recipe.image_size)  # what `are_free` tries
        is_free = self.settings.threads is None and is_usual and are_free(device, module, recipe, self.most)
        following = follow_load(self.most, self.settings.default_threads) if is_free else None
        fewer = "" if is_free else self._fix_threads()
        if device.type == "cuda":
            self.emit("preparing", words="prepares its kernels, which takes a while the first time")
        with _LOADING:  # once for all runs
            problem = make_ready(module, recipe, device, shape)
        state = loop.start(module, recipe, images.num_batches, device, shape[1:])
        is_resumed = self._resume(state, dataset)
        if self.stop():  # requested during preparation
            return "interrupted"
        self.files.keep_metrics(_rows_seen(state))
        this_attempt = attempt(
            device,
            state.iteration,
            kernels_used=kernels_used(module, images, device),
            checkpoint_activations=self.settings.checkpoint_activations,
            threads_follow_load=following is not None,
        )
        products.write_provenance(self.files, self.run, dataset, this_attempt)
        self._say_start(state, dataset, problem, keeps_threads=is_resumed and not is_free)
        if fewer:
            self.emit("remark", words=fewer)
        stoppable = {name: _until(self.stop, batches) for name, batches in evaluations.items()}
        chance = self.run.seed if source is not None or recipe.dropout else None
        try:
            ended = self._epochs(
                state,
                loop.train(state, recipe, images, stoppable, device=device, clock=time.perf_counter, chance=chance),
                following,
            )
            if ended is not None:
                return ended
            if source is not None:
                check_given_by_weights(state.measured, self.run, dataset, device, source, stoppable["test"])
            predictions = predicted(state.measured, stoppable["test"], dataset.class_names, recipe.precision)
        except _Interrupted:
            self._checkpoint(state, last=True)
            return "interrupted"
        products.finish(self.files, state.measured, predictions, shape, self.run)
        return "finished"

    def _prepare_kernels(self) -> None:
        if self.device.type == "cpu" and must_compile():
            self.emit("preparing", words="compiles its kernels, once")
            with _LOADING:
                kernels()

    def _fix_threads(self) -> str:
        """Use no more threads than there are idle cores, unless their number is given or kept; return a remark.

        The number stays for the whole run, as the bits depend on it.
        """
        is_settled = (
            self.settings.threads is not None or kept_threads(self.found or self.files, self.device) is not None
        )
        if self.device.type != "cpu" or is_settled or self.most == 1:
            return ""
        before = torch.get_num_threads()
        threads = threads_for_load(before)
        torch.set_num_threads(threads)
        return words_of_fewer(threads, before) if threads < before else ""

    def _resume(self, state: loop.State, dataset: AnyDataset) -> bool:
        """Resume from a share's checkpoint or this folder's; say whether there was one."""
        self.relay.length = (state.schedule.num_iterations, state.schedule.num_epochs)
        if self.found is not None and _take(self.found, self.files, dataset, state, self.relay):
            return True
        before = load_checkpoint(self.files.checkpoints)
        if before is None:
            return False
        restore(state, before)
        return True

    def _say_start(self, state: loop.State, dataset: AnyDataset, problem: str, *, keeps_threads: bool) -> None:
        self.emit(
            "start",
            name=run_name(self.run),
            iteration=state.iteration,
            num_iterations=state.schedule.num_iterations,
            num_epochs=state.schedule.num_epochs,
        )
        name = self.run.recipe.dataset
        if not dataset.official and is_named(name):
            self.emit("remark", words=f"these are not the official images of {name}; see `reslab data list`")
        if problem:
            self.emit("remark", words=problem)
        if self.device.type == "cpu" and kernels().are_missed:
            self.emit("remark", words=f"trains without ResLab's own kernels, which takes longer: {kernels().reason}")
        threads = torch.get_num_threads()
        if keeps_threads and self.settings.threads is None and threads > usable_cores():
            self.emit(
                "remark",
                words=f"resumes with its {threads} threads, more than the cores here, to keep the result identical",
            )

    def _epochs(
        self, state: loop.State, events: Iterable[loop.Event], following: FollowingThreads | None
    ) -> Status | None:
        """Record the training; return the run's status if it ended before its last iteration."""
        files, settings = self.files, self.settings
        schedule = state.schedule
        keep = schedule.milestones() if settings.keep_epochs is None else schedule.inner(settings.keep_epochs)
        saved_at = reported_at = time.monotonic()
        for event in events:
            now = time.monotonic()
            match event:
                case loop.Diverged():
                    message = (
                        f"the loss was not finite after iteration {event.iteration}, in epoch {event.epoch}, at base "
                        f"rate {self.run.recipe.learning_rate:g}"
                    )
                    ending.diverge(files, message, at=(event.epoch, event.iteration))
                    return "diverged"
                case loop.EpochRecord():
                    products.keep_records(files, self.run)
                    if event.epoch in keep:  # before a checkpoint can be past it: a kill cannot lose them
                        products.keep_weights(files, state.measured, event.epoch)
                    row = {**event.row(), "peak_memory_bytes": peak_memory_bytes(self.device)}
                    files.append_metrics(row)
                    self.emit("epoch", **row)
                    due = now - saved_at >= settings.checkpoint_seconds / 10
                case loop.Remark():
                    self.emit("remark", words=event.words)
                    continue
                case loop.Tick():
                    if following is not None:
                        following.look()
                    due = now - saved_at >= settings.checkpoint_seconds
                    if now - reported_at >= 0.25:
                        self.emit("progress", iteration=state.iteration)
                        reported_at = now
            stopping = self.stop()
            if due or stopping:
                self._checkpoint(state, last=stopping)
                saved_at = time.monotonic()
            if stopping and state.iteration < schedule.num_iterations:
                return "interrupted"
        return None

    def _checkpoint(self, state: loop.State, *, last: bool) -> None:
        products.save(self.files, state)
        self.relay.checkpointed(last=last)


def _take(found: RunFiles, files: RunFiles, dataset: AnyDataset, state: loop.State, relay: Relay) -> bool:
    """Resume from a share's copy, if it has a checkpoint of this run on these images; say whether it has."""
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
    """Return how many epochs a training has measured, now or, with `there`, when it was saved."""
    iteration = state.iteration if there is None else there.iteration
    images = state.totals.images if there is None else there.state["totals"]["images"]
    return state.schedule.epochs_done(iteration) - bool(state.schedule.ends_epoch(iteration) and images)


_LOADING = threading.Lock()
"""Runs side by side need the same images: the first reads them, the others wait."""


def load_once(name: str, data_root: Path | None, images: str = "") -> AnyDataset:
    """Return images that runs side by side share; the user's own are read again if they have changed."""
    kept = own_images.find(images, data_root) if images else None
    with _LOADING:
        return _read(name, data_root, images, kept and kept.stat().st_mtime_ns)


@lru_cache(maxsize=2)
def _read(name: str, data_root: Path | None, images: str, _: int | None) -> AnyDataset:
    """Read images, once; the user's own again if they were rewritten since, with other class names."""
    dataset = sources.load_any(name, data_root, images=images)
    if isinstance(dataset, Folders):
        check_decodes(dataset)
    return dataset


def _until(stop: Callable[[], bool], batches: Iterable[tuple[Tensor, Tensor]]) -> Iterable[tuple[Tensor, Tensor]]:
    """Return batches that can be iterated over repeatedly, and that raise `_Interrupted` on a stop."""

    class Stoppable:
        def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
            for batch in batches:
                if stop():
                    raise _Interrupted
                yield batch

    return Stoppable()
