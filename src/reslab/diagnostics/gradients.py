"""The size of each layer's gradient: does it vanish on its way back?"""

import math
import statistics
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from reslab.diagnostics.measuring import Batches, DoesNotApplyError, Loss, cross_entropy, gradient, measuring
from reslab.errors import ResLabError


@dataclass(frozen=True, slots=True)
class LayerGradient:
    """Gradient of the loss with respect to one layer's weights, without biases and batch norm."""

    layer: int
    """Position among the weighted layers, from 1; a projection shortcut has that of the layer before it."""
    name: str
    gradient_norm: float
    """Euclidean norm, the mean over batches."""
    standard_deviation: float
    """Of the norm over batches; 0 for a single batch."""
    weight_norm: float
    relative: float
    """gradient_norm / weight_norm: times the learning rate, the relative change of the layer's weights in a step."""


def gradient_norms(module: nn.Module, batches: Batches, loss: Loss = cross_entropy) -> tuple[LayerGradient, ...]:
    """Return the norm of the gradient of each convolution and linear layer, in the order of the network.

    Batch norm uses the statistics of the batch, as in training: this is the gradient that a step follows, without
    weight decay.  (He et al. 2016, section 4.1: with batch norm the gradients of a plain network "exhibit healthy
    norms".)  If batch norm follows a layer, its gradient is inversely proportional to the scale of its weights.
    """
    parameters = {id(parameter) for parameter in module.parameters()}
    layers = [(name, part) for name, part in module.named_modules() if isinstance(part, nn.Conv2d | nn.Linear)]
    # The weight of a layer with a parametrization is recomputed from its parameters at each access.
    weights = {name: part.weight for name, part in layers if id(part.weight) in parameters}
    if not weights:
        raise DoesNotApplyError("gradients are measured in convolutions and linear layers, and it has none")
    places = {id(parameter): place for place, parameter in enumerate(module.parameters())}
    norms: dict[str, list[float]] = {name: [] for name in weights}
    with measuring(module, batch_statistics=True):
        for images, labels in batches:
            gradients = gradient(module, images, labels, loss)
            for name, weight in weights.items():
                norms[name].append(_norm(gradients[places[id(weight)]]))
    if not all(norms.values()):
        raise ResLabError("there are no images to measure on")
    found, layer = [], 0
    for name, weight in weights.items():
        layer += "downsample" not in name  # torchvision's name for a projection shortcut
        norm, weight_norm = statistics.fmean(norms[name]), _norm(weight.detach())
        found.append(
            LayerGradient(
                layer=layer,
                name=name,
                gradient_norm=norm,
                standard_deviation=statistics.stdev(norms[name]) if len(norms[name]) > 1 else 0.0,
                weight_norm=weight_norm,
                relative=norm / weight_norm if weight_norm else math.inf,
            )
        )
    return tuple(found)


def _norm(tensor: Tensor) -> float:
    return float(torch.linalg.vector_norm(tensor).item())
