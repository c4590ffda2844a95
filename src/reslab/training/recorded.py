"""A training step recorded once as a CUDA graph and replayed: one call in place of about a hundred launches.

On a GPU these networks are bound by kernel launches, not by arithmetic.  The recording spans everything from the pixels
to the updated weights; the host only says which images are next, and at which rate.
"""

import contextlib
import gc
import random
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from reslab.errors import first_line
from reslab.training.step import Totals, TrainingStep

Draw = tuple[Tensor, ...]
"""What a batch is rendered from."""
Render = Callable[..., tuple[Tensor, Tensor]]
"""Makes images N x C x H x W and labels N from a draw."""
Recorder = Callable[[Callable[[], None]], Callable[[], None]]
"""Records what a function does on the device without doing it; returns a function that does it."""

ATTEMPTS = 3
"""Attempts at a recording."""

_RECORDING = threading.Lock()
"""Held while recording, which synchronises the whole device and must not overlap another recording."""


class DirectStep:
    """Renders batches and trains on them, one operation after the other."""

    remark: str | None = None
    """What a user should know about how the steps are run; None once it was reported."""

    def __init__(self, step: TrainingStep, render: Render) -> None:
        self._step = step
        self._render = render

    def __call__(self, draw: Draw, rate: float, totals: Totals) -> None:
        """Train on the batch of a draw at `rate`, and add to the epoch's totals."""
        self._step(*self._render(*draw), rate, totals)


class RecordedStep(DirectStep):
    """Replays recorded steps; the first step of each batch size is run directly.

    Before a recording is used, it is checked: the same step is run both ways from the same state, and unless all of
    `state()` (weights, statistics, momentum) and the totals agree bit for bit, every step is run directly, and `remark`
    says so.  The same holds if the host draws random numbers that may determine what is computed.
    """

    def __init__(
        self, step: TrainingStep, render: Render, state: Callable[[], Iterable[Tensor]], recorder: Recorder
    ) -> None:
        super().__init__(step, render)
        self._state = state
        self._recorder = recorder
        self._recordings: dict[int, Recording | None] = {}
        """By batch size; None if one such batch has been seen but no step recorded yet."""
        self._gave_up = False

    def __call__(self, draw: Draw, rate: float, totals: Totals) -> None:
        """Train on the batch of a draw at `rate`, and add to the epoch's totals: the same object at every call."""
        size = len(draw[0])
        if self._gave_up:
            super().__call__(draw, rate, totals)
        elif size not in self._recordings:
            with _RECORDING:  # libraries initialise at their first call, which must not overlap a recording
                super().__call__(draw, rate, totals)
            self._recordings[size] = None
        else:
            self._step.set_rate(rate)
            recording = self._recordings[size]
            if recording is None:
                self._recordings[size] = self._record(draw, totals)
            else:
                for place, part in zip(recording.inputs, draw, strict=True):
                    place.copy_(part)
                recording.replay()
            totals.images += size

    def _record(self, draw: Draw, totals: Totals) -> "Recording | None":
        """Run the step, and return a recording of it if that gives the same result."""
        inputs = tuple(part.clone() for part in draw)

        def step() -> None:
            self._step.update(*self._render(*inputs), totals)

        replay, problem = self._try(step)
        if replay is None:
            self._give_up(f"it cannot be recorded here ({problem})")
            _release(totals.loss.device)  # what the failed recording held
            step()
            return None
        tensors = [*self._state(), *totals.tensors()]
        before, chance = _copies(tensors), _chance(totals.loss.device)
        replay()
        replayed = _copies(tensors)
        with torch.no_grad():
            for tensor, value in zip(tensors, before, strict=True):
                tensor.copy_(value)
        _draw_from(chance, totals.loss.device)  # dropout draws the same both ways
        with HostChance(totals.loss.device) as chosen:
            step()
        if totals.stopped.item():
            self._gave_up = True  # the loss was not finite: there is nothing to compare, and no later step counts
            return None
        if chosen.drawn:
            self._give_up("the network draws random numbers on the CPU, which a recording would not draw again")
            return None
        if all(torch.equal(one, other) for one, other in zip(tensors, replayed, strict=True)):
            _release(totals.loss.device)  # what the direct steps held: a recording has its own memory
            return Recording(inputs, replay)
        self._give_up("a replayed step gave different bits")
        return None

    def _try(self, step: Callable[[], None]) -> tuple[Callable[[], None] | None, str]:
        """Record the step, or return why not; the errors, which hold all that was recorded, are released.

        Recording is tried several times: anything else that synchronises the whole GPU at that moment spoils it.
        """
        problem = ""
        for _ in range(ATTEMPTS):
            try:
                return self._recorder(step), ""
            except RuntimeError as error:
                problem = first_line(error)
        return None, problem

    def _give_up(self, reason: str) -> None:
        self._gave_up = True
        self.remark = f"steps run kernel by kernel, which is slower: {reason}"


@dataclass(frozen=True, slots=True)
class Recording:
    """A recorded step; each replay reads `inputs`, whose place in memory is fixed."""

    inputs: Draw
    replay: Callable[[], None]


class HostChance(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Detects whether the host draws random numbers for a step on a device, e.g. to skip parts of a network."""

    def __init__(self, device: torch.device) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._device = device
        self._before = _places()
        self._in_torch = False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run a torch operation, and note whether it draws random numbers on the host."""
        result = func(*args, **(kwargs or {}))
        is_drawn = torch.Tag.nondeterministic_seeded in func.tags and isinstance(result, Tensor)
        self._in_torch |= is_drawn and result.device.type == "cpu" != self._device.type
        return result

    @property
    def drawn(self) -> bool:
        """Whether the host has drawn random numbers."""
        return self._in_torch or _places() != self._before


def _places() -> tuple[object, str]:
    """Return the states of Python's and NumPy's random number generators."""
    return random.getstate(), str(np.random.get_state(legacy=False))  # noqa: NPY002 (a user's network may draw from it)


def cuda_graph(function: Callable[[], None]) -> Callable[[], None]:
    """Record what a function launches on the current CUDA stream, which must not be the device's default one."""
    graph = torch.cuda.CUDAGraph()
    _SPOILED.append(graph)
    with (
        _RECORDING,
        torch.cuda.graph(graph, stream=torch.cuda.current_stream(), capture_error_mode="thread_local"),
    ):
        function()
    _SPOILED.remove(graph)
    return graph.replay


_SPOILED: list[torch.cuda.CUDAGraph] = []
"""Graphs whose recording failed: torch's allocator may still refer to them."""


def _release(device: torch.device) -> None:
    """Free memory that nothing uses any more."""
    gc.collect()
    if device.type == "cuda":
        with _RECORDING, contextlib.suppress(RuntimeError):  # torch may refuse to after a spoiled recording
            torch.cuda.empty_cache()


def _chance(device: torch.device) -> list[Tensor]:
    """Return the states of torch's random number generators on the host and the device."""
    return [torch.get_rng_state(), *([torch.cuda.get_rng_state(device)] if device.type == "cuda" else [])]


def _draw_from(chance: list[Tensor], device: torch.device) -> None:
    """Restore the states returned by `_chance`."""
    torch.set_rng_state(chance[0])
    if device.type == "cuda":
        torch.cuda.set_rng_state(chance[1], device)


def _copies(tensors: Iterable[Tensor]) -> list[Tensor]:
    return [tensor.detach().clone() for tensor in tensors]
