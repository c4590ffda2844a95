"""Optimisers, clipping, schedules and averages against their formulas, computed apart in NumPy's float64."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn
from training_fakes import CPU, Images, begin, bits, events, network, recipe

from agreement import agrees
from reslab.models.networks import build
from reslab.recipe import CHOICES, Recipe, Scalar
from reslab.training.averages import Averages
from reslab.training.loop import make_step, start
from reslab.training.optimiser import clip_gradients, make_optimiser, set_rate
from reslab.training.schedule import make_schedule

pytestmark = pytest.mark.usefixtures("torch_settings")

Floats = NDArray[np.float64]
RATES = (0.01, 0.02, 0.005, 0.01, 0.003)


def _gradients(module: nn.Module, step: int, scale: float = 1.0) -> list[Floats]:
    """Give all parameters gradients of their own for a step, and return them."""
    generator = torch.Generator().manual_seed(step)
    for parameter in module.parameters():
        drawn = scale * torch.randn(parameter.shape, generator=generator)
        parameter.grad = torch.empty_like(parameter).copy_(drawn)
    return [parameter.grad.double().numpy() for parameter in module.parameters() if parameter.grad is not None]


def _weights(module: nn.Module) -> list[Floats]:
    return [parameter.detach().double().numpy().copy() for parameter in module.parameters()]


def _flat(arrays: list[Floats]) -> Floats:
    return np.concatenate([array.ravel() for array in arrays])


@pytest.mark.parametrize("name", ["adam", "adamw"])
@pytest.mark.parametrize("scope", ["all", "weights"])
def test_adam_is_the_papers(name: str, scope: str) -> None:
    """Kingma and Ba 2015, algorithm 1; Loshchilov and Hutter 2019, algorithm 2, with alpha = 1 and the rate as eta."""
    beta1, beta2, epsilon, decay = 0.8, 0.95, 1e-6, 0.1
    module = network(width=8)
    optimiser = make_optimiser(
        module,
        recipe(
            optimiser=name,
            adam_beta_mean=beta1,
            adam_beta_square=beta2,
            adam_epsilon=epsilon,
            weight_decay=decay,
            decay_scope=scope,
        ),
    )
    weights = _weights(module)
    decays = [decay if scope == "all" or weight.ndim > 1 else 0.0 for weight in weights]
    means = [np.zeros_like(weight) for weight in weights]
    squares = [np.zeros_like(weight) for weight in weights]
    for step, rate in enumerate(RATES, start=1):
        gradients = _gradients(module, step)
        for place, weight in enumerate(weights):
            gradient = gradients[place] + (decays[place] * weight if name == "adam" else 0)
            means[place] = beta1 * means[place] + (1 - beta1) * gradient
            squares[place] = beta2 * squares[place] + (1 - beta2) * gradient**2
            mean, square = means[place] / (1 - beta1**step), squares[place] / (1 - beta2**step)
            shrunk = rate * decays[place] * weight if name == "adamw" else 0
            weights[place] = weight - shrunk - rate * mean / (np.sqrt(square) + epsilon)
        set_rate(optimiser, rate)
        optimiser.step()
    agrees(f"{name}, decay of {scope}", _flat(_weights(module)), _flat(weights), digits=6.3)


@pytest.mark.parametrize("most", [0.5, 1000.0])
def test_clipping_is_by_the_norm_of_all_gradients(most: float) -> None:
    """Pascanu et al. 2013, algorithm 1; torch's form, which adds 1e-6 to the norm."""
    module = network(width=8)
    gradients = _gradients(module, 1, scale=3.0)
    norm = math.sqrt(sum((gradient**2).sum() for gradient in gradients))
    clip_gradients(module, most)
    scaled = [gradient * min(1.0, most / (norm + 1e-6)) for gradient in gradients]
    clipped = [parameter.grad.double().numpy() for parameter in module.parameters() if parameter.grad is not None]
    agrees(f"clipping to {most:g}", _flat(clipped), _flat(scaled), digits=6.5)
    assert np.linalg.norm(_flat(clipped)) == pytest.approx(min(most, norm), rel=1e-5)


def test_clipping_is_part_of_the_step() -> None:
    free, clipped = (begin(recipe(momentum=0.0, weight_decay=0.0, clip_norm=most), Images()) for most in (0.0, 1e-3))
    before = _flat(_weights(free.module))
    for state, most in ((free, 0.0), (clipped, 1e-3)):
        of = recipe(momentum=0.0, weight_decay=0.0, clip_norm=most)
        step = make_step(state, of, Images().render, CPU)
        state.module.train()
        step(next(Images().draws(0)), 0.5, state.totals)
    moved = [np.linalg.norm(_flat(_weights(state.module)) - before) for state in (free, clipped)]
    assert moved[1] == pytest.approx(0.5e-3, rel=1e-2)
    assert moved[0] > 10 * moved[1]


def test_averages_are_what_their_formula_says() -> None:
    """Polyak and Juditsky 1992, weighted exponentially: a <- decay a + (1 - decay) w, from the first weights on."""
    module, decay = network(width=8), 0.9
    norm = module[1]
    assert isinstance(norm, nn.BatchNorm2d)
    assert norm.running_var is not None
    averages = Averages(module, decay)
    expected = [*_weights(module), norm.running_var.double().numpy().copy()]
    for step in range(1, 8):
        generator = torch.Generator().manual_seed(step)
        with torch.no_grad():
            for value in [*module.parameters(), norm.running_var]:
                value.copy_(torch.randn(value.shape, generator=generator))
            assert norm.num_batches_tracked is not None
            norm.num_batches_tracked += 1
        now = [*_weights(module), norm.running_var.double().numpy()]
        expected = [decay * one + (1 - decay) * other for one, other in zip(expected, now, strict=True)]
        averages.update()
    followed = averages.module
    state = followed.state_dict()
    found = [*_weights(followed), state["1.running_var"].double().numpy()]
    agrees("moving average", _flat(found), _flat(expected), digits=6.5)
    assert state["1.num_batches_tracked"] == 7
    assert not any(parameter.requires_grad for parameter in followed.parameters())


def test_to_average_is_part_of_the_step() -> None:
    of, images = recipe(ema_decay=0.9), Images()
    state = begin(of, images)
    before = _flat(_weights(state.module))
    make_step(state, of, images.render, CPU)(next(images.draws(0)), 0.5, state.totals)
    after = _flat(_weights(state.module))
    assert not np.array_equal(after, before)
    agrees("average after a step", _flat(_weights(state.measured)), 0.9 * before + 0.1 * after, digits=6.5)


def test_what_is_measured_is_the_average() -> None:
    of, images = recipe(ema_decay=0.9), Images()
    averaged, plain = begin(of, images), begin(recipe(), images)
    records = [list(events(state, own, images))[-1] for state, own in ((averaged, of), (plain, recipe()))]
    assert averaged.measured is not averaged.module
    assert plain.measured is plain.module
    trained = {name: value for name, value in bits(averaged).items() if not name.startswith("average")}
    assert trained == bits(plain)  # to average changes nothing in the training
    assert records[0].measured["test_loss"] != records[1].measured["test_loss"]  # type: ignore[union-attr]
    assert records[0].train_loss == records[1].train_loss  # type: ignore[union-attr]
    assert records[0].weight_norm == records[1].weight_norm  # type: ignore[union-attr]


def _cosine(i: int, n: int) -> float:
    """Loshchilov and Hutter 2017, equation 5, over what a warm-up of 20 iterations leaves."""
    low, high, warm = 0.001, 0.05, 20
    fallen = low + 0.5 * (high - low) * (1 + float(np.cos(np.pi * (i - warm) / (n - warm))))
    return high * (i + 1) / warm if i < warm else fallen


def _cycle(i: int, n: int) -> float:
    """PyTorch's OneCycleLR, two phases, along cosines."""
    peak = 0.25 * n - 1
    first, last, share = (0.1, 1.0, i / peak) if i < peak else (1.0, 0.01, (i - peak) / (n - 1 - peak))
    return 0.05 * (last + (first - last) * (1 + float(np.cos(np.pi * share))) / 2)


SHAPES: dict[str, tuple[dict[str, Scalar], Callable[[int, int], float]]] = {
    "cosine": ({"schedule": "cosine", "final_rate": 0.001, "warmup": "linear", "warmup_length": 2}, _cosine),
    "one-cycle": ({"schedule": "one-cycle", "cycle_rise": 0.25, "cycle_start": 0.1, "cycle_end": 0.01}, _cycle),
}


def test_every_schedule_has_its_formula() -> None:
    assert {*SHAPES, "step", "linear"} == set(CHOICES["schedule"])  # those two are in test_schedule.py


@pytest.mark.parametrize("name", SHAPES)
def test_the_rates_are_those_of_the_formula(name: str) -> None:
    changes, formula = SHAPES[name]
    schedule = make_schedule(recipe(schedule_unit="epochs", length=12, first_drop=12, second_drop=12, **changes), 10)
    rates, warming = [], schedule.warmup != "none"
    for iteration in range(schedule.num_iterations):
        rates.append(schedule.rate(iteration, warming=warming))
        warming = schedule.still_warming(iteration + 1, warming=warming)
    agrees(f"{name} schedule", rates, [formula(iteration, 120) for iteration in range(120)], digits=14)
    assert schedule.milestones() == (1, 6)


def test_one_cycle_is_pytorchs() -> None:
    of = recipe(schedule="one-cycle", length=50, first_drop=50, second_drop=50)
    schedule = make_schedule(of, 10)
    optimiser = torch.optim.SGD(network().parameters(), lr=0.1)
    theirs = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=0.05, total_steps=50)
    rates = []
    for _ in range(50):
        rates.append(float(theirs.get_last_lr()[0]))
        optimiser.step()
        theirs.step()
    agrees("one cycle, beside PyTorch's", [schedule.rate(i, warming=False) for i in range(50)], rates, digits=14)


def test_one_cycle_of_a_single_iteration_is_at_the_base_rate() -> None:
    of = recipe(schedule="one-cycle", length=1, first_drop=1, second_drop=1)
    assert make_schedule(of, 10).rate(0, warming=False) == of.learning_rate


def test_a_third_drop_multiplies_once_more() -> None:
    of = recipe(schedule_unit="epochs", length=8, first_drop=2, second_drop=4, third_drop=6, drop_factor=0.2)
    schedule = make_schedule(of, 10)
    rates = [schedule.rate(10 * epoch, warming=False) for epoch in range(8)]
    agrees("three drops", rates, [0.05 * 0.2 ** (epoch // 2) for epoch in range(8)], digits=14)
    assert schedule.milestones() == (1, 2, 4, 6)


THREADED: dict[str, Recipe] = {
    "adamw": recipe(optimiser="adamw", learning_rate=0.01),
    "adam, clipped and averaged": recipe(optimiser="adam", learning_rate=0.01, clip_norm=0.1, ema_decay=0.9),
    "sgd, clipped and averaged": recipe(clip_norm=0.1, ema_decay=0.9),
}


@pytest.mark.parametrize("name", THREADED)
def test_the_number_of_threads_changes_no_bit(name: str) -> None:
    """What an optimiser does with given gradients, at a size that torch shares among threads."""
    of = THREADED[name]
    found = []
    for threads in (1, 2, 3):
        module = build("residual", 20, "A", 10, initialisation="he-fan-in", seed=0)
        state = start(module, of, 4, CPU)
        torch.set_num_threads(threads)
        for step in range(2):
            _gradients(module, step)
            if of.clip_norm:
                clip_gradients(module, of.clip_norm)
            state.optimiser.step()
            if state.averages is not None:
                state.averages.update()
        torch.set_num_threads(1)
        found.append(_flat(_weights(state.measured)))
    assert all(np.array_equal(found[0], other) for other in found[1:])
