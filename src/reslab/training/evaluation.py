"""Loss, error and confusion matrix of a network on images, in one pass."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from reslab.training.hardware import arithmetic, evaluating_precision


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A network's results on a set of images: mean loss in nats, and counts of (true class, predicted class)."""

    loss: float
    confusion: tuple[tuple[int, ...], ...]

    @property
    def num_images(self) -> int:
        """Images evaluated."""
        return sum(map(sum, self.confusion))

    @property
    def num_wrong(self) -> int:
        """Images assigned to a wrong class."""
        return self.num_images - sum(row[i] for i, row in enumerate(self.confusion))

    @property
    def error(self) -> float:
        """Share of images assigned to a wrong class, in percent."""
        return 100 * self.num_wrong / self.num_images

    @property
    def error_by_class(self) -> tuple[float | None, ...]:
        """Error in percent of each true class; None for a class without images."""
        return tuple(100 * (sum(row) - row[i]) / sum(row) if sum(row) else None for i, row in enumerate(self.confusion))

    def __add__(self, other: "Evaluation") -> "Evaluation":
        """Return the network's results on both sets of images together."""
        total = self.loss * self.num_images + other.loss * other.num_images
        confusion = tuple(
            tuple(one + two for one, two in zip(row, more, strict=True))
            for row, more in zip(self.confusion, other.confusion, strict=True)
        )
        return Evaluation(total / (self.num_images + other.num_images), confusion)


def evaluate(module: nn.Module, batches: Iterable[tuple[Tensor, Tensor]], *, precision: str) -> Evaluation:
    """Evaluate a network, in evaluation mode, on batches of images N x C x H x W and labels N.

    The device is read once, at the end.  The module's mode is restored.
    """
    loss: Tensor | None = None
    confusion: Tensor | None = None
    with _evaluating(module):
        for images, labels in batches:
            logits = _outputs(module, images, precision)
            classes = torch.arange(logits.shape[1], device=logits.device)
            batch_loss = F.cross_entropy(logits, labels, reduction="sum")
            pairs = _one_hot(labels, classes).T @ _one_hot(logits.argmax(1), classes)
            loss = batch_loss if loss is None else loss + batch_loss
            confusion = pairs if confusion is None else confusion + pairs
    assert loss is not None
    assert confusion is not None
    counts = confusion.long().tolist()
    return Evaluation(loss=loss.item() / sum(map(sum, counts)), confusion=tuple(map(tuple, counts)))


def predict(
    module: nn.Module, batches: Iterable[tuple[Tensor, Tensor]], *, precision: str
) -> tuple[Tensor, Tensor, Tensor]:
    """Return labels, predicted classes (int64 of N) and the probability of each prediction (float32 of N), on the CPU.

    Batches and modes are as in `evaluate`.
    """
    parts: list[tuple[Tensor, Tensor, Tensor]] = []
    with _evaluating(module):
        for images, labels in batches:
            logits = _outputs(module, images, precision)
            confidence, predicted = logits.softmax(1).max(1)
            parts.append((labels, predicted, confidence))
    labels, predicted, confidence = (torch.cat(column).cpu() for column in zip(*parts, strict=True))
    return labels, predicted, confidence


def outputs(module: nn.Module, batches: Iterable[tuple[Tensor, Tensor]], *, precision: str) -> Tensor:
    """Return the outputs, float32 of N x classes, on the CPU; batches and modes are as in `evaluate`."""
    with _evaluating(module):
        return torch.cat([_outputs(module, images, precision) for images, _ in batches]).cpu()


@contextmanager
def _evaluating(module: nn.Module) -> Iterator[None]:
    """Keep the network in evaluation mode without gradients, then restore its mode."""
    was_training = module.training
    module.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        module.train(was_training)


def _outputs(module: nn.Module, images: Tensor, precision: str) -> Tensor:
    """Return the network's outputs, as float32."""
    with arithmetic(images.device, evaluating_precision(images.device, precision)):
        logits: Tensor = module(images)
    return logits.float()


def _one_hot(labels: Tensor, classes: Tensor) -> Tensor:
    # By comparison: torch's own one_hot reads the device, and a histogram on the device adds in a random order.
    return (labels[:, None] == classes).float()
