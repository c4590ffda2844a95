"""The kernels know first derivatives only, and say so."""

import torch

from reslab.errors import ResLabError


def first_only() -> None:
    """Raise `ResLabError` where a backward pass is to be differentiated again (`create_graph=True`).

    At once: `torch.autograd.function.once_differentiable` complains only where the second derivative comes by, and
    `torch.autograd.grad` for the parameters does not, but leaves its share out.
    """
    if torch.is_grad_enabled():
        raise ResLabError(
            "the kernels of a network in training mode have no second derivative; use the network in evaluation mode, "
            "or set RESLAB_KERNELS=0"
        )
