"""The step against plain gradient descent written out, and what it does with a loss that is not finite."""

import copy
import math

import pytest
import torch
from torch import Tensor, nn
from training_fakes import CPU, NUM_CLASSES, Images, bits, network, recipe

from reslab.recipe import Recipe
from reslab.training.loop import start
from reslab.training.step import Totals, TrainingStep

pytestmark = pytest.mark.usefixtures("torch_settings")

RECIPES = {
    "plain": recipe(momentum=0.0),
    "momentum": recipe(),
    "nesterov": recipe(nesterov=True),
    "weights only": recipe(decay_scope="weights", weight_decay=0.1),
    "no decay": recipe(weight_decay=0.0),
    "smoothed": recipe(label_smoothing=0.1, nesterov=True, decay_scope="weights"),
}


def reference(module: nn.Module, of: Recipe, batches: list[tuple[Tensor, Tensor]], rates: list[float]) -> list[float]:
    """Train by the formulas, one operation at a time, in place; return the losses."""
    velocity: dict[str, Tensor] = {}
    losses = []
    module.train()
    for (images, labels), rate in zip(batches, rates, strict=True):
        logits = module(images)
        log_shares = logits - logits.exp().sum(1, keepdim=True).log()
        target = torch.full_like(logits, of.label_smoothing / NUM_CLASSES)
        target[torch.arange(len(labels)), labels] += 1 - of.label_smoothing
        loss = -(target * log_shares).sum() / len(labels)
        losses.append(loss.item())
        named = dict(module.named_parameters())
        gradients = torch.autograd.grad(loss, list(named.values()))
        with torch.no_grad():
            for (name, weight), gradient in zip(named.items(), gradients, strict=True):
                decays = of.decay_scope == "all" or weight.ndim > 1
                slope = gradient + (of.weight_decay if decays else 0.0) * weight
                velocity[name] = of.momentum * velocity[name] + slope if name in velocity else slope
                direction = slope + of.momentum * velocity[name] if of.nesterov else velocity[name]
                weight.sub_(rate * direction)
    return losses


def twenty_batches() -> list[tuple[Tensor, Tensor]]:
    images = Images()
    return [batch for epoch in range(5) for batch in images.batches(epoch)]


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("count", [1, 20])
def test_steps_are_those_of_the_formulas(name: str, count: int) -> None:
    of = RECIPES[name]
    batches = twenty_batches()[:count]
    rates = [0.05 if i < 12 else 0.005 for i in range(count)]
    module, by_hand = network(), network()
    begun = copy.deepcopy(module.state_dict())
    state = start(module, of, 4, CPU)
    step = TrainingStep(module, state.optimiser, label_smoothing=of.label_smoothing, precision=of.precision, device=CPU)
    module.train()
    for (images, labels), rate in zip(batches, rates, strict=True):
        step(images, labels, rate, state.totals)
    losses = reference(by_hand, of, batches, rates)
    expected = by_hand.state_dict()
    for key, value in module.state_dict().items():
        torch.testing.assert_close(value, expected[key], rtol=2e-5, atol=2e-6)
        assert not torch.equal(value, begun[key]), f"{key} was not trained"
    total = sum(loss * len(labels) for loss, (_, labels) in zip(losses, batches, strict=True))
    assert state.totals.loss.item() == pytest.approx(total, rel=1e-5)
    assert state.totals.images == sum(len(labels) for _, labels in batches)
    assert state.totals.updates.item() == count


def test_decay_of_weights_only_spares_biases_and_norms() -> None:
    module = network()
    of = recipe(decay_scope="weights", weight_decay=0.5, momentum=0.0, learning_rate=0.1)
    before = {name: value.clone() for name, value in module.named_parameters()}
    state = start(module, of, 4, CPU)
    for parameter in module.parameters():
        parameter.grad = torch.zeros_like(parameter)
    state.optimiser.step()
    for name, value in module.named_parameters():
        expected = before[name] * (1 - 0.1 * 0.5) if value.ndim > 1 else before[name]
        torch.testing.assert_close(value, expected)


def test_totals_are_the_sums_by_hand() -> None:
    module, of = network(), recipe()
    state = start(module, of, 4, CPU)
    step = TrainingStep(module, state.optimiser, label_smoothing=0.0, precision="fp32", device=CPU)
    loss = wrong = 0.0
    module.train()
    for images, labels in Images().batches(0):
        with torch.no_grad():  # before the update, in training mode, on a copy that the step does not see
            logits = copy.deepcopy(module)(images)
        for row, label in zip(logits.double().tolist(), labels.tolist(), strict=True):
            loss -= row[label] - math.log(sum(math.exp(value) for value in row))
            wrong += max(range(NUM_CLASSES), key=row.__getitem__) != label
        step(images, labels, 0.05, state.totals)
    totals = state.totals.to_mapping()
    assert totals["loss"] == pytest.approx(loss, rel=1e-6)
    assert totals["wrong"] == wrong
    assert {key: totals[key] for key in ("images", "updates", "stopped")} == {
        "images": 22,
        "updates": 4,
        "stopped": 0.0,
    }


def test_totals_go_there_and_back() -> None:
    values = {"loss": 1.2345678901234567, "wrong": 7, "updates": 3, "stopped": 1.0, "images": 22}
    assert Totals.from_mapping(values, CPU).to_mapping() == values


@pytest.mark.parametrize("poison", [math.nan, math.inf])
@pytest.mark.parametrize("after", [0, 3])
def test_a_loss_that_is_not_finite_updates_nothing_from_then_on(poison: float, after: int) -> None:
    state = start(network(), recipe(), 4, CPU)
    step = TrainingStep(state.module, state.optimiser, label_smoothing=0.0, precision="fp32", device=CPU)
    batches = twenty_batches()
    state.module.train()
    for images, labels in batches[:after]:
        step(images, labels, 0.05, state.totals)
    weights_before = {name: value.clone() for name, value in state.module.named_parameters()}
    kept = {name: value for name, value in bits(state).items() if name.startswith("momentum")}
    totals = state.totals.to_mapping()
    images, labels = batches[after]
    step(images * poison, labels, 0.05, state.totals)
    for images, labels in batches[after + 1 : after + 4]:  # finite again: too late
        step(images, labels, 0.05, state.totals)
    assert all(torch.equal(value, weights_before[name]) for name, value in state.module.named_parameters())
    assert {name: value for name, value in bits(state).items() if name.startswith("momentum")} == kept
    assert state.totals.stopped.item() == 1
    assert state.totals.updates.item() == totals["updates"] == after


def test_bf16_computes_in_bf16_and_keeps_weights_and_momentum_in_fp32() -> None:
    results = {}
    seen = []
    for precision in ("fp32", "bf16"):
        state = start(network(), recipe(), 4, CPU)
        state.module[0].register_forward_hook(lambda *hooked: seen.append(hooked[2].dtype))  # type: ignore[index]
        step = TrainingStep(state.module, state.optimiser, label_smoothing=0.0, precision=precision, device=CPU)
        for images, labels in Images().batches(0):
            step(images, labels, 0.05, state.totals)
        assert {value.dtype for value in state.module.parameters()} == {torch.float32}
        results[precision] = bits(state)
    assert seen == [torch.float32] * 4 + [torch.bfloat16] * 4
    assert results["fp32"] != results["bf16"]
    for name, value in results["fp32"].items():
        assert results["bf16"][name] == pytest.approx(value, rel=0.1, abs=0.05)
