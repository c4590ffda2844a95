"""Stochastic gradient descent as a recipe describes it, and its momentum by parameter name."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from reslab.errors import CheckpointError
from reslab.recipe import Recipe


def make_optimiser(module: nn.Module, recipe: Recipe) -> torch.optim.SGD:
    """Return fused SGD over the module's parameters; with decay_scope "weights", biases and norms do not decay."""
    decayed: list[nn.Parameter] = []
    free: list[nn.Parameter] = []
    for parameter in module.parameters():
        (decayed if recipe.decay_scope == "all" or parameter.ndim > 1 else free).append(parameter)
    groups = [
        {"params": decayed, "weight_decay": recipe.weight_decay},
        {"params": free, "weight_decay": 0.0},
    ]
    return torch.optim.SGD(
        [group for group in groups if group["params"]],
        lr=recipe.learning_rate,
        momentum=recipe.momentum,
        nesterov=recipe.nesterov,
        fused=True,
    )


def set_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    """Set the learning rate of the next step."""
    for group in optimiser.param_groups:
        group["lr"] = rate


def momentum_buffers(module: nn.Module, optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Return the momentum by parameter name: empty before the first step or without momentum."""
    return {
        name: buffer
        for name, parameter in module.named_parameters()
        if (buffer := optimiser.state.get(parameter, {}).get("momentum_buffer")) is not None
    }


def load_momentum(module: nn.Module, optimiser: torch.optim.Optimizer, buffers: Mapping[str, Tensor]) -> None:
    """Put saved momentum back; raise `CheckpointError` where it does not fit the module."""
    parameters = dict(module.named_parameters())
    if buffers and buffers.keys() != parameters.keys():
        raise CheckpointError("the checkpoint's momentum is not that of this network's parameters")
    for name, buffer in buffers.items():
        parameter = parameters[name]
        if buffer.shape != parameter.shape:
            raise CheckpointError(f"the checkpoint's momentum of {name} has shape {tuple(buffer.shape)}")
        optimiser.state[parameter]["momentum_buffer"] = torch.empty_like(parameter).copy_(buffer)
