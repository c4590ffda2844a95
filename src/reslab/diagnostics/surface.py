"""The loss around the weights, along two random directions of comparable length (Li et al. 2018)."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from reslab.diagnostics.measuring import Batches, Tick, measuring, unwatched, watched
from reslab.errors import ResLabError
from reslab.recipe import random_stream


@dataclass(frozen=True, slots=True)
class Surface:
    """Loss (mean nats, None where not finite) and error (percent) on a square grid around the weights.

    Row i, column j is the network moved by `steps[i]` along the first direction and `steps[j]` along the second; the
    middle of the grid is the network itself.
    """

    steps: tuple[float, ...]
    loss: tuple[tuple[float | None, ...], ...]
    error: tuple[tuple[float, ...], ...]


def loss_surface(
    module: nn.Module,
    batches: Batches,
    *,
    seed: int = 0,
    num_points: int = 11,
    reach: float = 1.0,
    tick: Tick = unwatched,
) -> Surface:
    """Measure loss and error on a grid of `num_points` (odd) squared, from -reach to reach along each direction.

    As in Li et al. 2018, "Visualizing the Loss Landscape of Neural Nets", section 4, and their code: Gaussian
    directions, each of whose filters has the norm of the network's own filter; biases and batch norm are unchanged;
    batch norm uses the running averages, unchanged too.  A step of 1 thus moves each filter by its own norm.  The
    weights are never written to.
    """
    if num_points < 3 or num_points % 2 == 0:
        raise ResLabError(f"a surface needs an odd number of points of 3 or more, not {num_points}")
    kept = [(images, labels) for images, labels in batches]
    if not kept:
        raise ResLabError("there are no images to measure on")
    half = num_points // 2
    steps = tuple(reach * (place - half) / half for place in range(num_points))
    first, second = (filter_normalised_direction(module, seed, which) for which in (0, 1))
    weights = {name: parameter.detach() for name, parameter in module.named_parameters() if name in first}
    with measuring(module, batch_statistics=False), torch.no_grad():
        found = [
            [
                _evaluate(
                    module,
                    {name: weights[name] + row * first[name] + column * second[name] for name in weights},
                    watched(kept, tick),
                )
                for column in steps
            ]
            for row in steps
        ]
    return Surface(
        steps=steps,
        loss=tuple(tuple(loss if math.isfinite(loss) else None for loss, _ in row) for row in found),
        error=tuple(tuple(error for _, error in row) for row in found),
    )


def filter_normalised_direction(module: nn.Module, seed: int, which: int = 0) -> dict[str, Tensor]:
    """Return a random direction by parameter name, with each filter scaled to the norm of the network's own.

    A filter makes one output: a channel of a convolution or a unit of a linear layer.  One-dimensional parameters
    (biases, batch norm) are left out.
    """
    generator = torch.Generator().manual_seed(random_stream(seed, f"surface direction {which}"))
    direction = {}
    for name, parameter in module.named_parameters():
        if parameter.ndim > 1:
            drawn = torch.randn(parameter.shape, generator=generator).to(parameter)
            lengths = _filter_norms(parameter.detach()) / _filter_norms(drawn)
            direction[name] = drawn * lengths
    return direction


def _filter_norms(weight: Tensor) -> Tensor:
    norms: Tensor = torch.linalg.vector_norm(weight, dim=tuple(range(1, weight.ndim)), keepdim=True)
    return norms


def _evaluate(module: nn.Module, weights: dict[str, Tensor], batches: Batches) -> tuple[float, float]:
    loss, num_wrong, num_images = 0.0, 0, 0
    for images, labels in batches:
        logits = functional_call(module, weights, (images,))
        loss += F.cross_entropy(logits, labels, reduction="sum").item()
        num_wrong += int((logits.argmax(1) != labels).sum().item())
        num_images += len(labels)
    return loss / num_images, 100 * num_wrong / num_images
