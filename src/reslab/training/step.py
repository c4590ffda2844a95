"""One training step with any optimiser, and the sums that an epoch's results are computed from.

On CUDA nothing here reads the device during an epoch.  Elsewhere each step reads whether the loss was finite: on the
CPU that costs nothing, on MPS it waits for the step.
"""

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from reslab.kernels.gpu_device import available, on_device
from reslab.kernels.linear import one_thread
from reslab.training.averages import Averages
from reslab.training.hardware import arithmetic
from reslab.training.optimiser import clip_gradients, set_rate


@dataclass(slots=True)
class Totals:
    """Sums over the iterations of an epoch so far, on the device, and whether it has diverged."""

    loss: Tensor
    wrong: Tensor
    updates: Tensor
    stopped: Tensor
    """1 once a loss was not finite, else 0."""
    images: int = 0

    @classmethod
    def zero(cls, device: torch.device) -> Self:
        """Return sums for the start of an epoch."""
        return cls.from_mapping({"loss": 0.0, "wrong": 0, "updates": 0, "stopped": 0.0, "images": 0}, device)

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any], device: torch.device) -> Self:
        """Return the sums that `to_mapping` gave."""
        return cls(
            # MPS has no float64.
            loss=torch.tensor(
                values["loss"], dtype=torch.float32 if device.type == "mps" else torch.float64, device=device
            ),
            wrong=torch.tensor(values["wrong"], device=device),
            updates=torch.tensor(values["updates"], device=device),
            stopped=torch.tensor(values["stopped"], dtype=torch.float32, device=device),
            images=values["images"],
        )

    def clear(self) -> None:
        """Reset the sums for the next epoch, in the same tensors."""
        for total in self.tensors():
            total.zero_()
        self.images = 0

    def tensors(self) -> tuple[Tensor, ...]:
        """Return the sums kept on the device."""
        return self.loss, self.wrong, self.updates, self.stopped

    def to_mapping(self) -> dict[str, float | int]:
        """Return the sums as plain numbers (reads the device)."""
        return {
            "loss": self.loss.item(),
            "wrong": int(self.wrong.item()),
            "updates": int(self.updates.item()),
            "stopped": self.stopped.item(),
            "images": self.images,
        }


class TrainingStep:
    """Loss, gradient and update of one batch; a loss that is not finite prevents this update and all later ones."""

    def __init__(
        self,
        module: nn.Module,
        optimiser: torch.optim.Optimizer,
        *,
        label_smoothing: float,
        precision: str,
        device: torch.device,
        clip_norm: float = 0.0,
        averages: Averages | None = None,
    ) -> None:
        self._module = module
        self._optimiser = optimiser
        self._label_smoothing = label_smoothing
        self._precision = precision
        self._device = device
        self._clip_norm = clip_norm
        self._averages = averages

    def __call__(self, images: Tensor, labels: Tensor, rate: float, totals: Totals) -> None:
        """Train on images N x C x H x W at `rate`, and add to the epoch's totals.

        Labels are classes, int64, N; or, for mixed images, the share of each class, float32, N x classes.  A mixed
        image counts as wrong unless the network predicts the class with the largest share.
        """
        self.set_rate(rate)
        self.update(images, labels, totals)
        totals.images += len(images)

    def set_rate(self, rate: float) -> None:
        """Set the rate of the next updates."""
        set_rate(self._optimiser, rate)

    def update(self, images: Tensor, labels: Tensor, totals: Totals) -> None:
        """Do the step's work on the device, in place, at the current rate: everything but counting the images."""
        self._optimiser.zero_grad(set_to_none=True)
        with arithmetic(self._device, self._precision):
            logits = self._module(images)
        logits = logits.float()
        if available(self._device) and not labels.is_floating_point():
            from reslab.kernels.gpu_loss import cross_entropy

            sums = {"loss": totals.loss, "wrong": totals.wrong, "updates": totals.updates, "stopped": totals.stopped}
            with on_device(self._device):
                gradient = cross_entropy(logits.detach(), labels, self._label_smoothing, **sums)
            logits.backward(gradient)
            self._update(totals)
            return
        # With several threads, class shares are summed in an order that depends on their number.
        with one_thread() if labels.is_floating_point() and self._device.type == "cpu" else nullcontext():
            loss = F.cross_entropy(logits, labels, label_smoothing=self._label_smoothing)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.maximum(totals.stopped, (~loss.detach().isfinite()).float(), out=totals.stopped)
        if self._device.type != "cuda" and totals.stopped.item():
            return
        self._update(totals)
        totals.updates += 1 - totals.stopped.long()
        totals.loss += loss.detach() * len(images)
        classes = labels.argmax(1) if labels.is_floating_point() else labels
        totals.wrong += (logits.detach().argmax(1) != classes).sum()

    def _update(self, totals: Totals) -> None:
        if self._clip_norm:
            clip_gradients(self._module, self._clip_norm)
        # The fused optimiser skips its update if found_inf is 1, without a host sync.
        self._optimiser.found_inf = totals.stopped  # type: ignore[attr-defined]
        self._optimiser.step()
        if self._averages is not None:
            self._averages.update()
