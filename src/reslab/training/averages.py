"""An exponential moving average of a network's weights, evaluated and saved in their place."""

import copy
from contextlib import nullcontext

import torch
from torch import nn

from reslab.kernels.linear import one_thread


class Averages:
    """A network whose weights and statistics follow those of another (Polyak and Juditsky 1992).

    At each update a value becomes decay x itself + (1 - decay) x the other's; it starts as the other's.  Integers are
    copied.  `module` is the network that follows; it is never trained.
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.module = copy.deepcopy(module).eval().requires_grad_(False)
        pairs = list(zip(_values(self.module), _values(module), strict=True))
        self._followed = [pair for pair in pairs if pair[0].is_floating_point()]
        self._copied = [pair for pair in pairs if not pair[0].is_floating_point()]
        self._weight = 1 - decay

    @torch.no_grad()
    def update(self) -> None:
        """Follow the other network by one iteration, without reading from the device.

        On a CPU this uses one thread, so that the bits do not depend on the number of threads.
        """
        own, others = (list(values) for values in zip(*self._followed, strict=True))
        with one_thread() if own[0].device.type == "cpu" else nullcontext():
            torch._foreach_lerp_(own, others, self._weight)
        for count, other in self._copied:
            count.copy_(other)


def _values(module: nn.Module) -> list[torch.Tensor]:
    return [*module.parameters(), *module.buffers()]
