"""SGD, Muon and Adam as a recipe specifies them, and their state by parameter name."""

import copy
import inspect
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from reslab.errors import CheckpointError, ResLabError, first_line
from reslab.kernels.linear import one_thread
from reslab.recipe import Recipe, unhandled


def make_optimiser(module: nn.Module, recipe: Recipe, sides: tuple[int, int] = (32, 32)) -> torch.optim.Optimizer:
    """Return the optimiser of the module's parameters; with decay_scope "weights", biases and norms do not decay.

    `sides` are the height and width of the training images.  The optimiser's state starts at 0.
    """
    decays = _DECAYS[recipe.decay_scope]
    decayed: list[nn.Parameter] = []
    free: list[nn.Parameter] = []
    for parameter in module.parameters():
        (decayed if decays(parameter) else free).append(parameter)
    groups = [
        {"params": decayed, "weight_decay": recipe.weight_decay},
        {"params": free, "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    optimiser: torch.optim.Optimizer
    match recipe.optimiser:
        case "muon":
            optimiser = Muon(groups, inner_convolutions(module, sides), recipe)
        case "sgd":
            optimiser = SGD(groups, **_sgd(recipe))
        case "adam":
            optimiser = Adam(groups, **_adam(module, recipe))
        case "adamw":
            optimiser = AdamW(groups, **_adam(module, recipe))
        case _:
            raise unhandled("optimiser", recipe.optimiser)
    _start_from_zero(optimiser)
    return optimiser


def _start_from_zero(optimiser: torch.optim.Optimizer) -> None:
    """Create the state now, as zeros, that torch creates at a parameter's first gradient: the steps are the same.

    In a network that skips parts at random a first gradient may come at any step; torch's fused SGD fails then, and a
    recorded step would start anew whenever it is replayed.
    """
    for group in optimiser.param_groups:
        for parameter in group["params"]:
            if not parameter.requires_grad:
                continue
            if isinstance(optimiser, torch.optim.Adam):
                optimiser.state[parameter] = {
                    "step": torch.zeros((), device=parameter.device),
                    "exp_avg": torch.zeros_like(parameter),
                    "exp_avg_sq": torch.zeros_like(parameter),
                }
            elif not isinstance(optimiser, SGD):
                raise TypeError(f"_start_from_zero does not know what {type(optimiser).__name__} keeps")
            elif group["momentum"]:
                optimiser.state[parameter] = {_MOMENTUM: torch.zeros_like(parameter)}


_DECAYS: dict[str, Callable[[nn.Parameter], bool]] = {
    "all": lambda parameter: True,
    "weights": lambda parameter: parameter.ndim > 1,
}
"""Whether a parameter decays, by `decay_scope`."""


def inner_convolutions(module: nn.Module, sides: tuple[int, int] = (32, 32)) -> list[nn.Parameter]:
    """Return the weights that Muon trains: those of 3x3 convolutions, except the first, that feed batch norm directly.

    Their scale does not matter.  It does if the output is first added to something, as that of the last convolution of
    a pre-activation block is.
    """
    followed = normed_convolutions(module, sides)
    return [
        parameter
        for name, parameter in module.named_parameters()
        if parameter.requires_grad
        and parameter.ndim == 4
        and parameter.shape[2:] == (3, 3)
        and name.removesuffix(".weight") in followed
    ]


def normed_convolutions(module: nn.Module, sides: tuple[int, int]) -> set[str]:
    """Return the names of the convolutions that feed a batch norm directly, except the first convolution.

    To find them, an image of this height and width is passed through a copy of the network.  Raises `ResLabError` if
    that fails.
    """
    twin = copy.deepcopy(module).float().cpu().eval()
    names = {part: name for name, part in twin.named_modules()}
    followed: set[str] = set()
    done: list[str] = []
    latest: list[tuple[str, Tensor]] = []

    def after_convolution(part: nn.Module, _: object, output: Tensor) -> None:
        done.append(names[part])
        latest[:] = [(names[part], output)]

    def before_norm(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        if latest and inputs[0] is latest[0][1]:
            followed.add(latest[0][0])

    channels = 3
    for part in reversed(list(twin.modules())):
        if isinstance(part, nn.Conv2d):
            part.register_forward_hook(after_convolution)
            channels = part.in_channels
        elif isinstance(part, nn.modules.batchnorm._BatchNorm):
            part.register_forward_pre_hook(before_norm)
    try:
        with torch.no_grad():
            twin(torch.zeros(1, channels, *sides))
    except Exception as error:
        raise ResLabError(
            "Muon needs to know which convolutions a batch norm follows, and this network failed on "
            f"a {sides[0]} x {sides[1]} image ({first_line(error)}); use another optimiser"
        ) from error
    return followed.difference(done[:1])


def _bare(method: Callable[..., Any]) -> Callable[..., Any]:
    """Return a method of torch's optimisers without its wrapper, which imports torch's compiler.

    That import takes as long as the rest of torch, and nothing here is compiled.
    """
    bare: Callable[..., Any] = torch.no_grad()(inspect.unwrap(method))
    return bare


class _Bare(torch.optim.Optimizer):
    add_param_group = _bare(torch.optim.Optimizer.add_param_group)
    zero_grad = _bare(torch.optim.Optimizer.zero_grad)


class SGD(_Bare, torch.optim.SGD):
    """Torch's SGD without the wrappers that `_bare` removes."""

    step = _bare(torch.optim.SGD.step)


class Adam(_Bare, torch.optim.Adam):
    """Torch's Adam without the wrappers that `_bare` removes."""

    step = _bare(torch.optim.Adam.step)


class AdamW(_Bare, torch.optim.AdamW):
    """Torch's AdamW without the wrappers that `_bare` removes."""

    step = _bare(torch.optim.AdamW.step)


class Muon(SGD):
    """SGD, but Muon (Jordan et al. 2024) for some convolutions: the step's direction is the orthogonalised momentum.

    A batch norm follows each of these convolutions, so that the scale of their weights does not matter: before every
    step they are scaled to the norm of an orthogonal matrix, and the rate is the fraction by which a step turns them.
    They do not decay.
    """

    def __init__(self, groups: list[dict[str, Any]], convolutions: Sequence[nn.Parameter], recipe: Recipe) -> None:
        super().__init__(groups, **_sgd(recipe))
        self._ratio = recipe.muon_rate / recipe.learning_rate
        self._momentum = recipe.muon_momentum
        self._alike: dict[tuple[int, int], list[nn.Parameter]] = {}
        for weight in convolutions:  # weights of one shape are processed as one batch of matrices
            self._alike.setdefault((len(weight), weight[0].numel()), []).append(weight)
            self.state[weight] = {_MOMENTUM: torch.zeros_like(weight)}

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Update all parameters at the current rate."""
        gradients = {
            weight: weight.grad for weights in self._alike.values() for weight in weights if weight.grad is not None
        }
        for weight in gradients:
            weight.grad = None  # SGD skips parameters without one
        super().step(closure)
        for shape, weights in self._alike.items():
            if turned := [weight for weight in weights if weight in gradients]:
                self._turn(shape, turned, [gradients[weight] for weight in turned])
        for weight, gradient in gradients.items():
            weight.grad = gradient

    def _turn(self, shape: tuple[int, int], weights: list[nn.Parameter], gradients: Iterable[Tensor]) -> None:
        def stacked(ones: Iterable[Tensor]) -> Tensor:
            return torch.stack([one.reshape(shape) for one in ones])

        def to_size(matrices: Tensor) -> Tensor:  # of an orthogonal matrix
            norms: Tensor = matrices.norm(dim=(1, 2), keepdim=True).clamp(min=_LEAST_NORM)
            return math.sqrt(min(shape)) / norms

        momenta = [self.state[weight][_MOMENTUM] for weight in weights]
        gradient, weight_before, momentum_before = stacked(gradients), stacked(weights), stacked(momenta)
        momentum = momentum_before.lerp(gradient, 1 - self._momentum)
        direction = orthogonalised(gradient.lerp(momentum, self._momentum))
        direction *= to_size(direction)
        rate = self._ratio * self.param_groups[0]["lr"]
        after = weight_before * to_size(weight_before) - rate * direction
        # As in fused SGD: no update if the loss was not finite, without a host sync.
        stopped: Tensor | None = getattr(self, "found_inf", None)
        if stopped is not None:
            after = torch.where(stopped > 0, weight_before, after)
            momentum = torch.where(stopped > 0, momentum_before, momentum)
        for place, (weight, buffer) in enumerate(zip(weights, momenta, strict=True)):
            weight.copy_(after[place].reshape(weight.shape))
            buffer.copy_(momentum[place].reshape(weight.shape))


def orthogonalised(matrices: Tensor) -> Tensor:
    """Return approximately the nearest orthogonal matrices, N x rows x columns: singular values from 0.7 to 1.2.

    Five steps of the quintic Newton-Schulz iteration with the coefficients of Jordan et al. 2024.
    """
    a, b, c = 3.4445, -4.7750, 2.0315
    x: Tensor = matrices / (matrices.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(5):
        square = x @ x.mT
        x = a * x + (b * square + c * square @ square) @ x
    return x


def _sgd(recipe: Recipe) -> dict[str, Any]:
    return {
        "lr": recipe.learning_rate,
        "momentum": recipe.momentum,
        "nesterov": recipe.nesterov,
        "fused": True,
    }


def _adam(module: nn.Module, recipe: Recipe) -> dict[str, Any]:
    return {
        "lr": recipe.learning_rate,
        "betas": (recipe.adam_beta_mean, recipe.adam_beta_square),
        "eps": recipe.adam_epsilon,
        "fused": True,
        "capturable": next(module.parameters()).device.type == "cuda",  # a recorded step may hold it
    }


def clip_gradients(module: nn.Module, most: float) -> None:
    """Scale the gradients of all parameters so that their joint norm is at most `most` (Pascanu et al. 2013).

    The device is not read.  On a CPU the norm is summed on one thread, so that the bits do not depend on the number of
    threads.
    """
    parameters = list(module.parameters())
    with one_thread() if parameters[0].device.type == "cpu" else nullcontext():
        torch.nn.utils.clip_grad_norm_(parameters, most)


def set_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    """Set the learning rate of the next step."""
    for group in optimiser.param_groups:
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(rate)
        else:
            group["lr"] = rate


def hold_rate_on(device: torch.device, optimiser: torch.optim.Optimizer) -> None:
    """Keep the learning rate as a tensor on the device, where a recorded step reads it at every replay."""
    rate = torch.tensor(optimiser.param_groups[0]["lr"], dtype=torch.float32, device=device)
    for group in optimiser.param_groups:
        group["lr"] = rate


def optimiser_state(module: nn.Module, optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Return the optimiser's state for the module's parameters: nothing for SGD without momentum.

    The momentum of SGD and Muon is keyed by the parameter's name; Adam's means and step count by the name and what they
    are, e.g. conv1.weight/exp_avg.
    """
    return {
        name if key == _MOMENTUM else f"{name}/{key}": value
        for name, parameter in module.named_parameters()
        for key, value in optimiser.state.get(parameter, {}).items()
        if value is not None
    }


def check_optimiser_state(module: nn.Module, optimiser: torch.optim.Optimizer, values: Mapping[str, Tensor]) -> None:
    """Raise `CheckpointError` unless the values fit what `optimiser_state` gives for this network and optimiser.

    Some may be missing: ResLab used to keep nothing for a parameter without a gradient so far.
    """
    kept = optimiser_state(module, optimiser)
    if not values.keys() <= kept.keys():
        raise CheckpointError("the checkpoint's momentum is not that of this network's parameters")
    for name, value in values.items():
        if value.shape != kept[name].shape:
            raise CheckpointError(f"the checkpoint's momentum of {name} has shape {tuple(value.shape)}")


def load_optimiser_state(module: nn.Module, optimiser: torch.optim.Optimizer, values: Mapping[str, Tensor]) -> None:
    """Load what `optimiser_state` gave into a new optimiser; raise `CheckpointError` if it does not fit."""
    check_optimiser_state(module, optimiser, values)
    kept = optimiser_state(module, optimiser)
    for name, value in values.items():
        kept[name].copy_(value)


_LEAST_NORM = 1e-12
"""Lower bound on the norm of a gradient or weight, in case it is zero."""

_MOMENTUM = "momentum_buffer"
"""Torch's name for the momentum of SGD; the first checkpoints held no other state."""
