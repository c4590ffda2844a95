"""How much better a network does on its training images than on test images, measured in the same way."""

from dataclasses import dataclass

from torch import nn

from reslab.diagnostics.measuring import Batches, measuring
from reslab.training.evaluation import evaluate


@dataclass(frozen=True, slots=True)
class Gap:
    """Errors in percent and losses in nats of the same weights on training and test images, and their differences."""

    train_error: float
    test_error: float
    error_gap: float
    train_loss: float
    test_loss: float
    loss_gap: float
    num_train: int
    num_test: int


def train_test_gap(module: nn.Module, train: Batches, test: Batches, *, precision: str = "fp32") -> Gap:
    """Measure the final weights on both, in evaluation mode.

    The training error of a learning curve is something else: it is over augmented images, with weights that change
    during the epoch, and with batch statistics.  Pass the training images without augmentation.
    """
    with measuring(module, batch_statistics=False):
        seen = evaluate(module, train, precision=precision)
        unseen = evaluate(module, test, precision=precision)
    return Gap(
        train_error=seen.error,
        test_error=unseen.error,
        error_gap=unseen.error - seen.error,
        train_loss=seen.loss,
        test_loss=unseen.loss,
        loss_gap=unseen.loss - seen.loss,
        num_train=seen.num_images,
        num_test=unseen.num_images,
    )
