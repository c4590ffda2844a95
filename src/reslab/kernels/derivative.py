"""Refuse second derivatives, which the kernels do not have."""

import torch

from reslab.errors import ResLabError


def first_only() -> None:
    """Raise `ResLabError` if a backward pass is to be differentiated again (`create_graph=True`).

    This is raised in the backward pass itself: `torch.autograd.function.once_differentiable` raises only if the second
    derivative reaches it, which that of `torch.autograd.grad` for the parameters does not; its share would be missing.
    """
    if torch.is_grad_enabled():
        raise ResLabError(
            "the kernels of a network in training mode have no second derivative; use the network in evaluation mode, "
            "or set RESLAB_KERNELS=0"
        )
