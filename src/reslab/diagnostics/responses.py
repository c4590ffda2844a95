"""How strongly each layer responds: the standard deviation of its outputs (He et al. 2016, figure 7)."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from reslab.diagnostics.measuring import Batches, DoesNotApplyError, measuring


@dataclass(frozen=True, slots=True)
class Response:
    """A layer's response: `layer` counts the 3x3 layers from 1 in order of execution."""

    layer: int
    name: str
    standard_deviation: float


def layer_responses(module: nn.Module, batches: Batches) -> tuple[Response, ...]:
    """Return the standard deviation of the responses of each 3x3 layer, over all images, channels and positions.

    Responses are as in He et al. 2016, section 4.2 and figure 7: after batch norm and before ReLU or addition.  A layer
    is a 3x3 convolution directly followed by batch norm; projections do not count, nor do 3x3 convolutions whose output
    is added before it is normalised, such as the second of a pre-activation block.  Batch norm uses its running
    averages: these are the responses of the network as it predicts, and normalised by its own batch a layer could not
    deviate from its learned scale.
    """
    names = {part: name for name, part in module.named_modules()}
    moments: dict[str, _Moments] = {}
    latest: list[Tensor] = []  # output of the last 3x3 convolution, to recognise it as a batch norm's input

    def after_convolution(_: nn.Module, __: tuple[Tensor, ...], output: Tensor) -> None:
        latest[:] = [output]

    def after_norm(part: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        if latest and inputs[0] is latest[0]:
            moments.setdefault(names[part], _Moments()).add(output)

    handles = []
    try:
        for part in module.modules():
            if isinstance(part, nn.Conv2d) and part.kernel_size == (3, 3):
                handles.append(part.register_forward_hook(after_convolution))
            elif isinstance(part, nn.modules.batchnorm._BatchNorm):
                handles.append(part.register_forward_hook(after_norm))
        with measuring(module, batch_statistics=False), torch.no_grad():
            for images, _ in batches:
                module(images)
    finally:
        for handle in handles:
            handle.remove()
    if not moments:
        raise DoesNotApplyError("the network has no 3x3 convolution followed by batch norm")
    return tuple(
        Response(layer, name, found.standard_deviation) for layer, (name, found) in enumerate(moments.items(), start=1)
    )


class _Moments:
    """Count, mean and sum of squared deviations, merged batch by batch without cancellation."""

    def __init__(self) -> None:
        self._count, self._mean, self._squares = 0, 0.0, 0.0

    def add(self, values: Tensor) -> None:
        variance, mean = (moment.item() for moment in torch.var_mean(values, correction=0))
        count, shift = values.numel(), mean - self._mean
        total = self._count + count
        self._squares += variance * count + shift**2 * self._count * count / total
        self._mean += shift * count / total
        self._count = total

    @property
    def standard_deviation(self) -> float:
        return math.sqrt(self._squares / self._count)
