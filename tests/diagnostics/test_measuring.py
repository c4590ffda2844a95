"""Measuring leaves a network as it was, and takes the images it was asked for."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from diagnostics_fakes import batches, everything, network
from torch import nn

from reslab.diagnostics.curvature import hessian_extremes
from reslab.diagnostics.gap import train_test_gap
from reslab.diagnostics.gradients import gradient_norms
from reslab.diagnostics.measuring import first, measuring
from reslab.diagnostics.noise_scale import gradient_noise_scale
from reslab.diagnostics.responses import layer_responses
from reslab.diagnostics.surface import loss_surface
from reslab.errors import ResLabError

pytestmark = pytest.mark.usefixtures("torch_settings")

MEASUREMENTS: dict[str, Callable[[nn.Module], Any]] = {
    "gap": lambda module: train_test_gap(module, batches(seed=1), batches(seed=2)),
    "responses": lambda module: layer_responses(module, batches()),
    "gradients": lambda module: gradient_norms(module, batches()),
    "noise-scale": lambda module: gradient_noise_scale(module, batches((4,) * 6), num_groups=3, batches_per_group=2),
    "curvature": lambda module: hessian_extremes(module, batches(), max_iterations=5),
    "surface": lambda module: loss_surface(module, batches(), num_points=3),
}


@pytest.mark.parametrize("name", MEASUREMENTS)
@pytest.mark.parametrize("training", [True, False])
def test_a_measurement_changes_nothing_and_gives_the_same_again(name: str, training: bool) -> None:
    module = network().train(training)
    module.bn2.train(not training)
    module.conv1.weight.requires_grad_(False)
    module.conv2.weight.grad = torch.ones_like(module.conv2.weight)
    before, chance = everything(module), torch.random.get_rng_state().tolist()
    found = MEASUREMENTS[name](module)
    assert everything(module) == before
    with torch.no_grad():  # of no matter to gradients that are asked for
        again = MEASUREMENTS[name](module)
    assert again == found
    assert torch.random.get_rng_state().tolist() == chance


@pytest.mark.parametrize("name", ["gradients", "noise-scale", "curvature"])
def test_running_averages_have_no_say_in_what_training_descends(name: str) -> None:
    measure, module, other = MEASUREMENTS[name], network(), network()
    for buffer_name, buffer in other.named_buffers():
        buffer.fill_(9 if buffer_name.endswith("var") else 7)
    assert measure(module) == measure(other)


@pytest.mark.parametrize("name", ["gap", "responses", "surface"])
def test_running_averages_are_those_of_the_network_that_predicts(name: str) -> None:
    module, other = network(), network()
    other.get_buffer("bn1.running_var").fill_(9)
    assert MEASUREMENTS[name](module) != MEASUREMENTS[name](other)


def test_everything_comes_back_after_an_error() -> None:
    module = network()
    before = everything(module)

    def fails() -> None:
        with measuring(module, batch_statistics=True):
            module(batches()[0][0])
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fails()
    assert everything(module) == before


def test_the_first_images_in_their_batches() -> None:
    whole = batches((6, 6, 4))
    assert [len(labels) for _, labels in first(whole, 8)] == [6, 2]
    assert [len(labels) for _, labels in first(whole, 6)] == [6]
    assert [len(labels) for _, labels in first(whole, 99)] == [6, 6, 4]
    assert torch.equal(first(whole, 8)[1][0], whole[1][0][:2])
    with pytest.raises(ResLabError, match="no images"):
        first([], 5)


@pytest.mark.parametrize("name", ["responses", "gradients", "noise-scale", "curvature", "surface"])
def test_no_images_are_no_measurement(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "batches", lambda *_, **__: [])
    with pytest.raises(ResLabError):
        MEASUREMENTS[name](network())
