"""The optimiser of a recipe, and momentum by name."""

import pytest
import torch
from training_fakes import network, recipe

from reslab.errors import CheckpointError
from reslab.training.optimiser import load_momentum, make_optimiser, momentum_buffers, set_rate

pytestmark = pytest.mark.usefixtures("torch_settings")


def test_a_recipe_decides_the_optimiser() -> None:
    module = network()
    optimiser = make_optimiser(module, recipe(nesterov=True, momentum=0.8, weight_decay=0.01, learning_rate=0.3))
    (group,) = optimiser.param_groups
    assert (group["lr"], group["momentum"], group["nesterov"], group["weight_decay"]) == (0.3, 0.8, True, 0.01)
    assert group["dampening"] == 0
    assert len(group["params"]) == len(list(module.parameters()))


def test_decay_of_weights_only_divides_the_parameters() -> None:
    optimiser = make_optimiser(network(), recipe(decay_scope="weights", weight_decay=0.01))
    decayed, free = optimiser.param_groups
    assert (decayed["weight_decay"], free["weight_decay"]) == (0.01, 0.0)
    assert [parameter.ndim for parameter in decayed["params"]] == [4, 2]
    assert [parameter.ndim for parameter in free["params"]] == [1, 1, 1]


def test_the_rate_is_set_for_all() -> None:
    optimiser = make_optimiser(network(), recipe(decay_scope="weights"))
    set_rate(optimiser, 0.007)
    assert [group["lr"] for group in optimiser.param_groups] == [0.007, 0.007]


def test_momentum_that_does_not_fit_is_refused() -> None:
    module = network()
    optimiser = make_optimiser(module, recipe())
    assert momentum_buffers(module, optimiser) == {}
    right = {name: torch.ones_like(value) for name, value in module.named_parameters()}
    with pytest.raises(CheckpointError, match="not that of this network"):
        load_momentum(module, optimiser, {"other": torch.ones(1)})
    with pytest.raises(CheckpointError, match=r"5\.bias has shape \(7,\)"):
        load_momentum(module, optimiser, {**right, "5.bias": torch.ones(7)})
    load_momentum(module, optimiser, right)
    assert all(torch.equal(value, right[name]) for name, value in momentum_buffers(module, optimiser).items())
