"""Recorded steps: replayed they are the direct ones to the bit, and where they are not, they are not used.

There need be no graphics card: a recorder of our own keeps the operations with the very tensors they were done on,
and does them again on these, which is what a CUDA graph does.  Whatever a step would decide or make anew in Python is
frozen by it too.
"""

import math
import random
import weakref
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from training_fakes import CPU, Images, begin, bits, recipe

from reslab.data.augmented import AugmentedBatches
from reslab.data.batches import TrainBatches
from reslab.data.digits import load_digits
from reslab.data.normalisation import fit
from reslab.models.networks import build
from reslab.recipe import Recipe
from reslab.training.hardware import on_stream, stream_of_its_own
from reslab.training.loop import State, make_step, start
from reslab.training.optimiser import hold_rate_on
from reslab.training.process_settings import make_deterministic
from reslab.training.recorded import DirectStep, Draw, HostChance, RecordedStep, Recorder
from reslab.training.step import Totals, TrainingStep

pytestmark = pytest.mark.usefixtures("torch_settings")

RECIPES = {
    "momentum": recipe(),
    "no momentum": recipe(momentum=0.0),
    "nesterov": recipe(nesterov=True, decay_scope="weights", label_smoothing=0.1),
    "muon": recipe(optimiser="muon", muon_rate=0.05, nesterov=True),
    "bf16": recipe(precision="bf16"),
    "adam": recipe(optimiser="adam", learning_rate=0.01),
    "adamw, clipped and averaged": recipe(optimiser="adamw", learning_rate=0.01, clip_norm=0.1, ema_decay=0.9),
}


class Operations(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Keeps every operation with its arguments and results."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.done: list[tuple[Any, Any, Any, Any]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        self.done.append((func, args, kwargs or {}, result))
        return result

    def again(self) -> None:
        """Do the operations again, into the same results."""
        with torch.no_grad():
            for func, args, kwargs, result in self.done:
                for old, new in zip(tree_leaves(result), tree_leaves(func(*args, **kwargs)), strict=True):
                    if isinstance(old, Tensor) and old.data_ptr() != new.data_ptr():
                        old.copy_(new)


def recorder(state: State) -> Recorder:
    """Return a recorder; as a CUDA graph's does, it leaves the state as it was."""

    def record(function: Callable[[], None]) -> Callable[[], None]:
        tensors = [*state.tensors(), *state.totals.tensors()]
        before, chance = [tensor.detach().clone() for tensor in tensors], torch.get_rng_state()
        operations = Operations()
        with operations:
            function()
        with torch.no_grad():
            for tensor, value in zip(tensors, before, strict=True):
                tensor.copy_(value)
        torch.set_rng_state(chance)
        return operations.again

    return record


def stepper(state: State, of: Recipe, device: torch.device = CPU) -> TrainingStep:
    return TrainingStep(
        state.module,
        state.optimiser,
        label_smoothing=of.label_smoothing,
        precision=of.precision,
        device=device,
        clip_norm=of.clip_norm,
        averages=state.averages,
    )


def recorded(
    state: State, of: Recipe, images: Images | TrainBatches | AugmentedBatches, record: Recorder | None = None
) -> RecordedStep:
    hold_rate_on(CPU, state.optimiser)
    return RecordedStep(stepper(state, of), images.render, state.tensors, record or recorder(state))


def go(state: State, step: DirectStep, draws: Iterable[Draw]) -> list[dict[str, float | int]]:
    """Train on draws at a rate that changes at each; return the totals after each epoch of four."""
    state.module.train()
    totals = []
    for number, draw in enumerate(draws):
        step(draw, 0.05 / (1 + number), state.totals)
        if number % 4 == 3:
            totals.append(state.totals.to_mapping())
            state.totals.clear()
    return totals


@pytest.mark.parametrize("name", RECIPES)
def test_replayed_steps_are_the_direct_ones_to_the_bit(name: str) -> None:
    of, images = RECIPES[name], Images()
    draws = [draw for epoch in range(3) for draw in images.draws(epoch)]  # of 6, 6, 6 and 4 images
    direct, replayed = begin(of, images), begin(of, images)
    step = recorded(replayed, of, images)
    hold_rate_on(CPU, direct.optimiser)  # as on a card: Adam divides it, so that its precision shows
    expected = go(direct, DirectStep(stepper(direct, of), images.render), draws)
    assert go(replayed, step, draws) == expected
    assert bits(replayed) == bits(direct)
    assert step.remark is None
    assert expected[0]["images"] == 22


def test_dropout_draws_the_same_replayed() -> None:
    of, images = recipe(), Images()
    draws = [draw for epoch in range(3) for draw in images.draws(epoch)]
    ended = []
    for is_recorded in (False, True):
        linear = torch.nn.Linear(50, 3)
        torch.nn.init.constant_(linear.weight, 0.01)
        torch.nn.init.zeros_(linear.bias)
        module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Dropout(0.5), linear)
        state = start(module, of, images.num_batches, CPU)
        step = recorded(state, of, images) if is_recorded else DirectStep(stepper(state, of), images.render)
        state.module.train()
        with torch.random.fork_rng():
            for number, draw in enumerate(draws):
                torch.manual_seed(number)
                step(draw, 0.05, state.totals)
        assert step.remark is None
        ended.append(bits(state))
    assert ended[0] == ended[1]


def test_the_recording_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    of, images = recipe(), Images()
    state = begin(of, images)
    step = recorded(state, of, images)
    calls: list[int] = []
    update = TrainingStep.update

    def watched(self: TrainingStep, images: Tensor, labels: Tensor, totals: Totals) -> None:
        calls.append(len(images))
        update(self, images, labels, totals)

    monkeypatch.setattr(TrainingStep, "update", watched)
    go(state, step, (draw for epoch in range(2) for draw in images.draws(epoch)))
    # One directly, two to record and to check, none for the third; then the smaller batch, likewise.
    assert calls == [6, 6, 6, 4, 4, 4]


def test_augmentation_is_replayed_too() -> None:
    of, digits = recipe(), load_digits().train.take(np.arange(45))  # four batches, the last one smaller
    ended = []
    for is_recorded in (False, True):
        images = TrainBatches(
            digits,
            fit("channel", digits),
            batch_size=12,
            crop_padding=2,
            padding="reflect",
            mirror="alternating",
            seed=3,
        )
        module = build("residual", 8, "A", 10, initialisation="he-fan-in", seed=0)
        state = start(module, of, images.num_batches, CPU)
        step = recorded(state, of, images) if is_recorded else DirectStep(stepper(state, of), images.render)
        go(state, step, (draw for epoch in range(2) for draw in images.draws(epoch)))
        assert step.remark is None
        ended.append(bits(state))
    assert ended[0] == ended[1]


def test_cutout_and_mixup_are_replayed_too() -> None:
    of, digits = recipe(mixup=1.0, cutout=8), load_digits().train.take(np.arange(45))
    ended = []
    for is_recorded in (False, True):
        inner = TrainBatches(
            digits, fit("channel", digits), batch_size=12, crop_padding=2, padding="black", mirror="none", seed=3
        )
        images = AugmentedBatches(
            inner,
            seed=3,
            batch_size=12,
            size=(32, 32),
            num_classes=10,
            randaugment=1,
            magnitude=5.0,
            cutout=8,
            mixup=1.0,
            device=CPU,
        )
        module = build("residual", 8, "A", 10, initialisation="he-fan-in", seed=0)
        state = start(module, of, images.num_batches, CPU)
        step = recorded(state, of, images) if is_recorded else DirectStep(stepper(state, of), images.render)
        go(state, step, (draw for epoch in range(2) for draw in images.draws(epoch)))
        assert step.remark is None
        ended.append(bits(state))
    assert ended[0] == ended[1]


class Choosing(torch.nn.Module):
    """A network that may compute something else where a draw says so, which it nearly never does."""

    def __init__(self, draw: Callable[[], float]) -> None:
        super().__init__()
        self.draw = draw
        self.linear = torch.nn.Linear(50, 3)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.linear(images.flatten(1))
        return -logits if self.draw() < 1e-9 else logits


@pytest.mark.parametrize("draw", [random.random, np.random.rand])
def test_what_random_numbers_of_the_host_may_choose_is_not_frozen(draw: Callable[[], float]) -> None:
    of, images = recipe(), Images()
    state = start(Choosing(draw), of, images.num_batches, CPU)
    step = recorded(state, of, images)
    go(state, step, (draw for epoch in range(2) for draw in images.draws(epoch)))
    assert step.remark is not None
    assert "draws random numbers on the CPU" in step.remark


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_torchs_random_numbers_of_the_host_are_noticed_where_another_device_computes(device: str) -> None:
    with HostChance(torch.device(device)) as chosen:
        torch.ones(3).exp()
    assert not chosen.drawn
    draws: tuple[Callable[[], Tensor], ...] = (
        lambda: torch.rand(()),
        lambda: torch.empty(2).bernoulli_(),
        lambda: torch.randperm(4),
    )
    for draw in draws:
        with torch.random.fork_rng(devices=[]), HostChance(torch.device(device)) as chosen:
            draw()
        assert chosen.drawn == (device == "cuda")


def trained_as_directly(record: Callable[[State], Recorder]) -> str | None:
    """Train three epochs with a recorder, look that they are the direct ones, and return what was remarked."""
    of, images = recipe(), Images()
    draws = [draw for epoch in range(3) for draw in images.draws(epoch)]
    direct, state = begin(of, images), begin(of, images)
    step = recorded(state, of, images, record(state))
    assert go(state, step, draws) == go(direct, DirectStep(stepper(direct, of), images.render), draws)
    assert bits(state) == bits(direct)
    return step.remark


def test_a_recording_that_gives_other_bits_is_not_used() -> None:
    def nearly(state: State) -> Recorder:
        def record(function: Callable[[], None]) -> Callable[[], None]:
            replay = recorder(state)(function)

            def replay_and_more() -> None:
                replay()
                with torch.no_grad():
                    next(state.module.parameters()).mul_(1.000001)

            return replay_and_more

        return record

    remark = trained_as_directly(nearly)
    assert remark is not None
    assert "different bits" in remark


def test_what_cannot_be_recorded_is_done_directly_and_said() -> None:
    def refuses(function: Callable[[], None]) -> Callable[[], None]:
        raise RuntimeError("operation not permitted when stream is capturing\nand more")

    remark = trained_as_directly(lambda _: refuses)
    assert remark is not None
    assert "operation not permitted" in remark
    assert "and more" not in remark


def test_a_recording_that_was_spoiled_is_tried_again() -> None:
    tries: list[int] = []

    def spoiled_once(state: State) -> Recorder:
        def record(function: Callable[[], None]) -> Callable[[], None]:
            tries.append(1)
            if len(tries) == 1:
                raise RuntimeError("operation failed due to a previous error during capture")
            return recorder(state)(function)

        return record

    assert trained_as_directly(spoiled_once) is None
    assert len(tries) == 3  # twice for one size of batch, once for the other


def test_what_a_failed_recording_held_is_let_go_of_before_the_direct_step(monkeypatch: pytest.MonkeyPatch) -> None:
    held: list[weakref.ref[Tensor]] = []
    alive: list[int] = []

    def runs_out_of_memory(function: Callable[[], None]) -> Callable[[], None]:
        alive.append(-1)  # from here on updates are part of a recording
        function()
        raise AssertionError("unreachable")

    update = TrainingStep.update

    def watched(self: TrainingStep, images: Tensor, labels: Tensor, totals: Totals) -> None:
        if alive == [-1]:
            alive.clear()
            activations = self._module(images)
            held.append(weakref.ref(activations))
            raise RuntimeError("")
        if held:
            alive.append(sum(one() is not None for one in held))
        update(self, images, labels, totals)

    monkeypatch.setattr(TrainingStep, "update", watched)
    of, images = recipe(), Images()
    state = begin(of, images)
    step = recorded(state, of, images, runs_out_of_memory)
    go(state, step, images.draws(0))
    assert alive
    assert set(alive) == {0}
    assert step.remark is not None
    assert "RuntimeError" in step.remark


def test_a_loss_that_is_not_finite_is_no_fault_of_the_recording() -> None:
    of, images = recipe(), Images()
    state = begin(of, images)
    with torch.no_grad():
        next(state.module.parameters()).fill_(math.inf)
    tries: list[int] = []

    def counted(function: Callable[[], None]) -> Callable[[], None]:
        tries.append(1)
        return recorder(state)(function)

    step = recorded(state, of, images, counted)
    go(state, step, (draw for epoch in range(3) for draw in images.draws(epoch)))
    assert step.remark is None
    assert len(tries) == 1  # what would not count is not recorded again and again


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a graphics card")
@pytest.mark.parametrize("name", RECIPES)
def test_a_cuda_graph_is_recorded_used_and_the_direct_steps_to_the_bit(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_deterministic()
    device = torch.device("cuda")
    of, images = RECIPES[name], Images()
    updates: list[int] = []
    update = TrainingStep.update

    def watched(self: TrainingStep, images: Tensor, labels: Tensor, totals: Totals) -> None:
        updates.append(len(images))
        update(self, images, labels, totals)

    monkeypatch.setattr(TrainingStep, "update", watched)
    ended = []
    for is_recorded in (False, True):
        updates.clear()
        with on_stream(stream_of_its_own(device)):
            state = start(begin(of, images).module.to(device), of, images.num_batches, device)
            step = make_step(state, of, images.render, device)
            if not is_recorded:
                step = DirectStep(stepper(state, of, device), images.render)
            draws = (tuple(part.to(device) for part in draw) for epoch in range(3) for draw in images.draws(epoch))
            totals = go(state, step, draws)
        assert step.remark is None
        ended.append((bits(state), totals))
    assert updates == [6, 6, 6, 4, 4, 4]  # and none of the third epoch
    assert ended[0] == ended[1]
