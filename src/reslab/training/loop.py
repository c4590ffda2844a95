"""The training loop: iterations and epochs as a stream of events, starting at any iteration.

It does not touch the disk and reads only the clock that it is given; the consumer of the stream decides what to write,
when to take a checkpoint and when to stop.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from reslab.recipe import Recipe, random_stream
from reslab.training.averages import Averages
from reslab.training.evaluation import evaluate
from reslab.training.optimiser import hold_rate_on, make_optimiser, optimiser_state
from reslab.training.recorded import DirectStep, Draw, RecordedStep, Render, cuda_graph
from reslab.training.schedule import Schedule, make_schedule
from reslab.training.step import Totals, TrainingStep

Batches = Iterable[tuple[Tensor, Tensor]]


class TrainingImages(Protocol):
    """Augmented batches of the training images, always the same for the same epoch.

    A batch is made in two steps: the draw says which images it has and how they are augmented, and `render` makes it on
    the device.
    """

    @property
    def num_images(self) -> int:
        """Images per epoch."""

    @property
    def num_batches(self) -> int:
        """Batches per epoch."""

    def draws(self, epoch: int, start: int = 0) -> Iterator[Draw]:
        """Yield the draws of an epoch's batches (epochs count from 0), skipping the first `start`."""

    @property
    def render(self) -> Render:
        """Make a batch's images and labels from a draw."""


@dataclass(slots=True)
class State:
    """A training at some iteration: all that is needed to resume it as if it had never stopped."""

    module: nn.Module
    optimiser: torch.optim.Optimizer
    schedule: Schedule
    totals: Totals
    warming: bool
    averages: Averages | None = None
    """Evaluated and saved in place of the trained weights, if the recipe averages them."""
    iteration: int = 0
    """Completed iterations."""
    rate: float = 0.0
    """Learning rate of the last completed iteration."""
    seconds: float = 0.0
    """Time spent on training in the epoch so far."""

    def tensors(self) -> tuple[Tensor, ...]:
        """Return everything that a step changes on the device, except the totals."""
        modules = [self.module] if self.averages is None else [self.module, self.averages.module]
        values = (value for module in modules for value in (*module.parameters(), *module.buffers()))
        return (*values, *optimiser_state(self.module, self.optimiser).values())

    @property
    def measured(self) -> nn.Module:
        """The network that is evaluated and saved: the averaged one if there is one, else the trained one."""
        return self.module if self.averages is None else self.averages.module


@dataclass(frozen=True, slots=True)
class Tick:
    """An iteration has ended."""

    iteration: int


@dataclass(frozen=True, slots=True)
class EpochRecord:
    """The results of an epoch that has ended.  Errors in percent, losses in nats; None if a loss is not finite."""

    epoch: int
    iteration: int
    rate: float
    train_loss: float | None
    train_error: float
    measured: Mapping[str, float | None] = field(default_factory=dict)
    """Loss and error of each evaluation by name, e.g. test_loss and test_error."""
    weight_norm: float | None = None
    """Euclidean norm of the weights of all convolutions, without biases."""
    seconds: float = 0.0
    images_per_second: float = 0.0

    def row(self) -> dict[str, float | int | None]:
        """Return the record flat, as one line of a table."""
        return {
            "epoch": self.epoch,
            "iteration": self.iteration,
            "rate": self.rate,
            "train_loss": self.train_loss,
            "train_error": self.train_error,
            **self.measured,
            "weight_norm": self.weight_norm,
            "seconds": self.seconds,
            "images_per_second": self.images_per_second,
        }


@dataclass(frozen=True, slots=True)
class Diverged:
    """The loss of the iteration after `iteration` completed ones was not finite; nothing was updated by it."""

    epoch: int
    iteration: int


@dataclass(frozen=True, slots=True)
class Remark:
    """Something that a user should know about the training; it does not affect the results."""

    iteration: int
    words: str


Event = Tick | EpochRecord | Diverged | Remark


def start(
    module: nn.Module,
    recipe: Recipe,
    iterations_per_epoch: int,
    device: torch.device,
    sides: tuple[int, int] = (32, 32),
) -> State:
    """Return a training at its first iteration; `sides` are the height and width of its images."""
    schedule = make_schedule(recipe, iterations_per_epoch)
    optimiser = make_optimiser(module, recipe, sides)
    if device.type == "cuda":
        hold_rate_on(device, optimiser)
    return State(
        module=module,
        optimiser=optimiser,
        schedule=schedule,
        totals=Totals.zero(device),
        warming=recipe.warmup != "none",
        averages=Averages(module, recipe.ema_decay) if recipe.ema_decay else None,
    )


def make_step(state: State, recipe: Recipe, render: Render, device: torch.device) -> DirectStep:
    """Return the step that trains `state`, updating its weights, momentum and totals; on CUDA it is recorded."""
    step = TrainingStep(
        state.module,
        state.optimiser,
        label_smoothing=recipe.label_smoothing,
        precision=recipe.precision,
        device=device,
        clip_norm=recipe.clip_norm,
        averages=state.averages,
    )
    if device.type == "cuda":
        return RecordedStep(step, render, state.tensors, cuda_graph)
    return DirectStep(step, render)


def train(
    state: State,
    recipe: Recipe,
    images: TrainingImages,
    evaluations: Mapping[str, Batches],
    *,
    device: torch.device,
    clock: Callable[[], float],
    chance: int | None = None,
) -> Iterator[Event]:
    """Train from the current iteration of `state` to the end of its schedule, changing it in place.

    `chance` is a seed for a network that draws random numbers as it computes, as dropout does: torch's global
    generators are then seeded anew for each iteration, so that a resumed training draws the same numbers.

    Yields a `Tick` after each iteration but the last of an epoch, an `EpochRecord` after each epoch, a `Remark` if
    there is one, and, if a loss is not finite, a final `Diverged`.  At each event, and while the evaluations are
    iterated over, the state is consistent, so that it can be saved.
    """
    schedule = state.schedule
    step = make_step(state, recipe, images.render, device)
    finish = partial(_finish_epoch, state, evaluations, recipe.precision, clock)
    if schedule.ends_epoch(state.iteration) and state.totals.images:
        yield finish()  # the training stopped after the epoch's last iteration, before its record was made
    while state.iteration < schedule.num_iterations:
        epoch, done = divmod(state.iteration, schedule.iterations_per_epoch)
        state.module.train()
        last = clock()
        for draw in images.draws(epoch, done):
            state.rate = schedule.rate(state.iteration, warming=state.warming)
            if chance is not None:
                torch.manual_seed(random_stream(chance, "network", state.iteration))
            step(draw, state.rate, state.totals)
            if device.type != "cuda" and state.totals.stopped.item():
                break
            state.iteration += 1
            state.warming = schedule.still_warming(state.iteration, warming=state.warming)
            now = clock()
            state.seconds, last = state.seconds + now - last, now
            if step.remark is not None:
                yield Remark(state.iteration, step.remark)
                step.remark = None
            if state.iteration == schedule.epoch_end(epoch):
                break
            yield Tick(state.iteration)
            if device.type != "cuda":  # a GPU works on while the consumer handles the tick
                last = clock()
        last = clock()
        stopped = state.totals.stopped.item()  # waits for the GPU
        state.seconds += clock() - last
        if stopped:
            updates = int(state.totals.updates.item())
            yield Diverged(epoch + 1, epoch * schedule.iterations_per_epoch + updates)
            return
        yield finish()


def _finish_epoch(
    state: State,
    evaluations: Mapping[str, Batches],
    precision: str,
    clock: Callable[[], float],
) -> EpochRecord:
    begun = clock()
    totals = state.totals
    loss, wrong = totals.loss.item(), int(totals.wrong.item())  # the device is read here, once an epoch
    training_seconds = state.seconds + clock() - begun
    train_error = 100 * wrong / totals.images
    measured: dict[str, float | None] = {}
    for name, batches in evaluations.items():
        evaluation = evaluate(state.measured, batches, precision=precision)
        measured[f"{name}_loss"] = _finite(evaluation.loss)
        measured[f"{name}_error"] = evaluation.error
    record = EpochRecord(
        epoch=state.schedule.epochs_done(state.iteration),
        iteration=state.iteration,
        rate=state.rate,
        train_loss=_finite(loss / totals.images),
        train_error=train_error,
        measured=measured,
        weight_norm=_finite(weight_norm(state.module)),
        seconds=state.seconds + clock() - begun,
        images_per_second=totals.images / training_seconds,
    )
    state.warming = state.schedule.still_warming(state.iteration, warming=state.warming, train_error=train_error)
    state.totals.clear()
    state.seconds = 0.0
    return record


def weight_norm(module: nn.Module) -> float:
    """Return the Euclidean norm of the weights of all convolutions together.

    If batch norm follows a convolution, only the direction of its weights matters, and a step at rate r turns them as
    one at r / norm^2 would turn weights of norm 1 (van Laarhoven 2017).
    """
    squares = 0.0
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):  # summed by NumPy: torch's order of additions depends on the threads
            squares += float(np.square(layer.weight.detach().cpu().numpy(), dtype=np.float64).sum())
    return math.sqrt(squares)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
