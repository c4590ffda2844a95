"""What all measurements share: a network restored bit for bit afterwards, and the first images of some batches."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from reslab.errors import ResLabError

Batches = Iterable[tuple[Tensor, Tensor]]
"""Images N x C x H x W and labels N, on the module's device."""

Loss = Callable[[Tensor, Tensor], Tensor]
"""Mean loss of logits N x classes and labels N."""


Tick = Callable[[int], None]
"""Called with the number of images of each batch before the network sees it; may raise to stop the measurement."""


def unwatched(num_images: int) -> None:
    """Do nothing."""


def watched(batches: Batches, tick: Tick) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the batches, each after a tick."""
    for images, labels in batches:
        tick(len(labels))
        yield images, labels


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the mean cross-entropy in nats."""
    return F.cross_entropy(logits, labels)


@contextmanager
def measuring(module: nn.Module, *, batch_statistics: bool) -> Iterator[None]:
    """Keep a network in evaluation mode while it is measured; restore modes, buffers and gradient flags afterwards.

    With `batch_statistics`, batch norm normalises by the batch as in training; its running averages, which that
    changes, are restored too.  Even then the network itself stays in evaluation mode, so that the faster forward pass
    for training, which may have no second derivative, is not used.  `grad` is not touched.
    """
    modes = [(part, part.training) for part in module.modules()]
    flags = [(parameter, parameter.requires_grad) for parameter in module.parameters()]
    buffers = [(buffer, buffer.clone()) for buffer in module.buffers()] if batch_statistics else []
    try:
        module.eval()
        for part in module.modules():
            if batch_statistics and isinstance(part, nn.modules.batchnorm._BatchNorm):
                part.train()
        for parameter in module.parameters():
            parameter.requires_grad_(True)
        yield
    finally:
        for part, training in modes:
            part.training = training
        for parameter, flag in flags:
            parameter.requires_grad_(flag)
        with torch.no_grad():
            for buffer, value in buffers:
                buffer.copy_(value)


class DoesNotApplyError(ResLabError):
    """A diagnostic needs something that this network does not have."""


def first(batches: Batches, num_images: int) -> list[tuple[Tensor, Tensor]]:
    """Return the first `num_images` images in their batches, the last batch cut; all if there are fewer."""
    taken, missing = [], num_images
    for images, labels in batches:
        taken.append((images[:missing], labels[:missing]))
        missing -= len(taken[-1][1])
        if missing <= 0:
            break
    if not taken:
        raise ResLabError("there are no images to measure on")
    return taken


def gradient(module: nn.Module, images: Tensor, labels: Tensor, loss: Loss) -> tuple[Tensor, ...]:
    """Return the gradient of the mean loss with respect to each parameter, in order; `grad` is not touched."""
    with torch.enable_grad():
        value = loss(module(images), labels)
        return torch.autograd.grad(value, list(module.parameters()), allow_unused=True, materialize_grads=True)


def flat(tensors: Sequence[Tensor]) -> Tensor:
    """Return tensors as one vector."""
    return torch.cat([tensor.reshape(-1) for tensor in tensors])
