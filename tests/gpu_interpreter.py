"""The graphics card's kernels, on a card where there is one and else by Triton's interpreter, number by number."""

import pytest
import torch

pytest.importorskip("triton")

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")


def distance(found: torch.Tensor, wanted: torch.Tensor) -> float:
    """Return how far a tensor is from what was wanted, as a share of it."""
    return float((found.detach().double() - wanted.detach().double()).norm() / wanted.detach().double().norm())
