"""A training step recorded once, as a CUDA graph, and replayed: one call in place of some hundred launches.

On a graphics card these networks wait for the launches of their kernels, not for arithmetic.  What is recorded
begins with the pixels and ends with the updated weights; the host only says which images are next, and at which rate.
"""

import gc
import threading
from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from reslab.training.step import Totals, TrainingStep

Draw = tuple[Tensor, ...]
"""What a batch is made from."""
Render = Callable[..., tuple[Tensor, Tensor]]
"""Makes images N x C x H x W and labels N from a draw."""
Recorder = Callable[[Callable[[], None]], Callable[[], None]]
"""Records what a function does on the device, without doing it; returns what does it."""

_RECORDING = threading.Lock()
"""Recording waits for the whole device, which nothing else that is being recorded may meet."""


class DirectStep:
    """Batches made and trained on, one operation after the other."""

    remark: str | None = None
    """What a user should know of how the steps are done, until it has been told."""

    def __init__(self, step: TrainingStep, render: Render) -> None:
        self._step = step
        self._render = render

    def __call__(self, draw: Draw, rate: float, totals: Totals) -> None:
        """Train on the batch of a draw at `rate`, and add to the epoch's totals."""
        self._step(*self._render(*draw), rate, totals)


class RecordedStep(DirectStep):
    """Steps replayed, once two batches of a size have come on end; those of another size are done directly.

    Before a recording is relied on, it is checked: the same step is done both ways from the same state, and unless all
    of `state()` (weights, statistics, momentum) and the totals agree to the bit, every step is done directly,
    and `remark` says so.
    """

    def __init__(
        self, step: TrainingStep, render: Render, state: Callable[[], Iterable[Tensor]], recorder: Recorder
    ) -> None:
        super().__init__(step, render)
        self._state = state
        self._recorder = recorder
        self._last_size = 0
        self._inputs: Draw = ()
        self._replay: Callable[[], None] | None = None
        self._gave_up = False

    def __call__(self, draw: Draw, rate: float, totals: Totals) -> None:
        """Train on the batch of a draw at `rate`, and add to the epoch's totals: the same object at every call."""
        size, last = len(draw[0]), self._last_size
        self._last_size = size
        if self._replay is not None and size == len(self._inputs[0]):
            for place, part in zip(self._inputs, draw, strict=True):
                place.copy_(part)
            self._step.set_rate(rate)
            self._replay()
            totals.images += size
        elif self._replay is None and size == last and not self._gave_up:
            self._step.set_rate(rate)
            self._record(draw, totals)
            totals.images += size
        else:
            super().__call__(draw, rate, totals)

    def _record(self, draw: Draw, totals: Totals) -> None:
        """Do the step, and record it for the next ones if that comes to the same."""
        self._inputs = tuple(part.clone() for part in draw)

        def step() -> None:
            self._step.update(*self._render(*self._inputs), totals)

        replay, problem = self._try(step)
        if replay is None:
            self._give_up(f"it cannot be recorded here ({problem})")
            _release(totals.loss.device)  # what the failed recording held
            step()
            return
        tensors = [*self._state(), *totals.tensors()]
        before = _copies(tensors)
        replay()
        replayed = _copies(tensors)
        with torch.no_grad():
            for tensor, value in zip(tensors, before, strict=True):
                tensor.copy_(value)
        step()
        if totals.stopped.item():
            return  # the loss was not finite: nothing to compare, and no step to come that would count
        if all(torch.equal(one, other) for one, other in zip(tensors, replayed, strict=True)):
            self._replay = replay
            _release(totals.loss.device)  # what the direct steps held: a recording has memory of its own
        else:
            self._give_up("replayed it gave other bits")

    def _try(self, step: Callable[[], None]) -> tuple[Callable[[], None] | None, str]:
        """Record the step, or return why not; the error, which holds all that was recorded, is let go of."""
        try:
            return self._recorder(step), ""
        except RuntimeError as error:
            return None, (str(error).splitlines() or [repr(error)])[0]

    def _give_up(self, reason: str) -> None:
        self._gave_up = True
        self.remark = f"steps are done one kernel after the other, which is slower: {reason}"


def cuda_graph(function: Callable[[], None]) -> Callable[[], None]:
    """Record what a function launches on the current CUDA stream, which must not be the device's default one."""
    graph = torch.cuda.CUDAGraph()
    with (
        _RECORDING,
        torch.cuda.graph(graph, stream=torch.cuda.current_stream(), capture_error_mode="thread_local"),
    ):
        function()
    return graph.replay


def _release(device: torch.device) -> None:
    """Give back memory that nothing uses any more."""
    gc.collect()
    if device.type == "cuda":
        with _RECORDING:
            torch.cuda.empty_cache()


def _copies(tensors: Iterable[Tensor]) -> list[Tensor]:
    return [tensor.detach().clone() for tensor in tensors]
