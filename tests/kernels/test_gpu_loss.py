"""Cross-entropy by one kernel against torch's in float64."""

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from gpu_interpreter import DEVICE, distance


def sums() -> dict[str, Tensor]:
    return {
        "loss": torch.tensor(1.0, dtype=torch.float64, device=DEVICE),
        "wrong": torch.tensor(3, device=DEVICE),
        "updates": torch.tensor(2, device=DEVICE),
        "stopped": torch.tensor(0.0, device=DEVICE),
    }


def loss(logits: Tensor, labels: Tensor, smoothing: float, totals: dict[str, Tensor]) -> Tensor:
    from reslab.kernels.gpu_loss import cross_entropy

    return cross_entropy(
        logits,
        labels,
        smoothing,
        loss=totals["loss"],
        wrong=totals["wrong"],
        updates=totals["updates"],
        stopped=totals["stopped"],
    )


@pytest.mark.parametrize(
    ("number", "classes", "smoothing", "dtype"),
    [
        (128, 10, 0.0, torch.float32),
        (300, 100, 0.1, torch.float32),  # more images than are worked on at a time
        (5, 3, 0.2, torch.float32),
        (4, 1000, 0.1, torch.float32),
        (64, 10, 0.0, torch.bfloat16),
    ],
)
def test_gradient_and_sums(number: int, classes: int, smoothing: float, dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(0)
    logits = (3 * torch.randn(number, classes, generator=generator)).to(DEVICE, dtype)
    labels = torch.randint(0, classes, (number,), generator=generator).to(DEVICE)
    exact = logits.double().requires_grad_()
    wanted = F.cross_entropy(exact, labels, label_smoothing=smoothing)
    wanted.backward()  # type: ignore[no-untyped-call]
    totals = sums()
    gradient = loss(logits, labels, smoothing, totals)
    assert exact.grad is not None
    assert distance(gradient, exact.grad) < (1e-6 if dtype == torch.float32 else 5e-3)
    assert totals["loss"].item() == pytest.approx(1 + wanted.item() * number, rel=1e-6)
    assert totals["wrong"].item() == 3 + int((exact.argmax(1) != labels).sum())
    assert totals["updates"].item() == 3
    assert totals["stopped"].item() == 0


@pytest.mark.filterwarnings("ignore:invalid value")  # NumPy, which interprets
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_stops_all_updates_to_come(bad: float) -> None:
    logits, labels = torch.zeros(4, 3, device=DEVICE), torch.tensor([0, 1, 2, 0], device=DEVICE)
    totals = sums()
    loss(torch.where(torch.eye(4, 3, device=DEVICE) > 0, bad, logits), labels, 0.0, totals)
    assert totals["stopped"].item() == 1
    assert totals["updates"].item() == 2
    loss(logits, labels, 0.0, totals)
    assert totals["stopped"].item() == 1
    assert totals["updates"].item() == 2
