"""The CPU kernels for single layers of networks that they were not written for, if a trial agrees with torch."""

import copy
from collections.abc import Callable
from contextlib import AbstractContextManager

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from reslab.kernels.layers import TORCHS, use_kernels, use_torch

TRIED_IMAGES = 8
FLOAT_TOLERANCE = 0.01
"""Largest relative difference of outputs, gradient and statistics from torch's: a ReLU that opens in only one of them
changes a gradient by a few thousandths."""
HALF_TOLERANCE = 2.0
"""In bfloat16: largest difference from torch's float32, as a multiple of that of torch's bfloat16."""

DISAGREED = "with ResLab's, a step of this network differs from torch's"


def try_kernels(
    network: nn.Module,
    image_shape: tuple[int, int, int],
    precision: str,
    seeded: Callable[[], AbstractContextManager[None]],
) -> str:
    """Let the layers that fit use the kernels, if a step and an evaluation of a copy agree with torch's operations.

    Each step draws its random numbers within `seeded()`.  Returns a remark if they disagree, else ""; the network
    itself is not run.
    """
    if not use_kernels(network, precision):
        return ""
    torchs = copy.deepcopy(network)
    use_torch(torchs)
    images = torch.randn(TRIED_IMAGES, *image_shape, generator=torch.Generator().manual_seed(0))
    images = images.contiguous(memory_format=torch.channels_last)
    try:
        with seeded():
            exact = _step(copy.deepcopy(torchs), images, half=False)
        with seeded():
            found = _step(copy.deepcopy(network), images, half=precision == "bf16")
        usual = exact
        if precision == "bf16":
            with seeded():
                usual = _step(torchs, images, half=True)
        agrees = all(
            _far(one, true) <= FLOAT_TOLERANCE + HALF_TOLERANCE * _far(other, true)
            for one, other, true in zip(found, usual, exact, strict=True)
        )
        why = "" if agrees else DISAGREED
    except Exception as error:  # of the user's code, which may work with torch's own layers
        why = f"{DISAGREED} ({type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''})"
    if why:
        use_torch(network)
    return why and f"uses PyTorch's kernels, which are slower: {why}"


def count_layers(network: nn.Module) -> int:
    """Return how many layers of a network use the kernels individually."""
    return sum(type(layer) in TORCHS for layer in network.modules())


def _step(network: nn.Module, images: Tensor, *, half: bool) -> list[Tensor]:
    """Return a step's outputs, gradient and batch statistics, and then outputs in evaluation mode.

    Each is a flat float64 vector.
    """
    network.train().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    with torch.autocast("cpu", torch.bfloat16, enabled=half):
        logits = network(images)
    loss = F.cross_entropy(logits.float(), torch.arange(len(images)) % logits.shape[1])
    trained = [one for one in network.parameters() if one.requires_grad]
    gradients = torch.autograd.grad(loss, trained, allow_unused=True, materialize_grads=True)
    statistics = [one for one in network.buffers() if one.is_floating_point()]
    network.eval()
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=half):
        evaluated = network(images)
    return [
        torch.cat([torch.zeros(1, dtype=torch.float64), *(one.detach().double().flatten() for one in part)])
        for part in ([logits], gradients, statistics, [evaluated])
    ]


def _far(one: Tensor, other: Tensor) -> float:
    """Return the distance of two vectors relative to the second; infinity if not finite."""
    distance = float((one - other).norm() / (other.norm() + 1e-12))
    return distance if distance < float("inf") else float("inf")
