"""A trained network's prediction for each test image, as a file of the run: the class, and the confidence.

predictions.safetensors has three tensors of length N: `label` and `predicted` (uint8, or int16 above 256 classes) and
`confidence` (uint8, the probability of the predicted class in 255ths).  They are in the data set's order, which depends
only on the images' content, so that an index is the same image in every run on these images.  The metadata holds the
class names.
Does not import torch.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import safetensors
import safetensors.numpy
from numpy.typing import NDArray

from reslab.errors import CheckpointError

NAME = "predictions.safetensors"

OFF_POINTS, OFF_IMAGES = 0.5, 3
"""Percentage points, or images, by which predictions made on another machine may differ from the record."""


@dataclass(frozen=True, slots=True, eq=False)
class Predictions:
    """True and predicted classes of N images (int64), the probability of each prediction in [0, 1], and class names."""

    labels: NDArray[np.int64]
    predicted: NDArray[np.int64]
    confidence: NDArray[np.float64]
    class_names: tuple[str, ...]

    @property
    def wrong(self) -> NDArray[np.bool_]:
        """Which images were misclassified."""
        return np.not_equal(self.predicted, self.labels)

    @property
    def error(self) -> float:
        """Share of these images, in percent."""
        return 100 * float(self.wrong.mean())


def contradiction(path: Path, test_error: object) -> str:
    """Return a message if a run's predictions give a different test error (%) from its record; "" if they agree.

    Predictions made later, on another machine, may differ in a few images.  Raises `CheckpointError` as
    `read_predictions` does.
    """
    found = read_predictions(path)
    if found is None or not isinstance(test_error, int | float):
        return ""
    off = abs(found.error - test_error)
    if off <= max(OFF_POINTS, 100 * OFF_IMAGES / len(found.labels)):
        return ""
    return (
        f"its result.json says that the test error is {test_error:.2f}%, but its predictions give {found.error:.2f}%: "
        "one of them was changed"
    )


def predictions_bytes(predictions: Predictions) -> bytes:
    """Return the content of the file."""
    kind = np.uint8 if len(predictions.class_names) <= 256 else np.int16
    tensors = {
        "label": predictions.labels.astype(kind),
        "predicted": predictions.predicted.astype(kind),
        "confidence": np.rint(255 * predictions.confidence).astype(np.uint8),
    }
    names = {"class_names": json.dumps(predictions.class_names)}
    return safetensors.numpy.save(tensors, metadata=names)


def read_predictions(path: Path) -> Predictions | None:
    """Return the file's predictions, None if there is no file; raise `CheckpointError` if it is damaged."""
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            names = tuple(json.loads(file.metadata()["class_names"]))
            label, predicted, confidence = (file.get_tensor(name) for name in ("label", "predicted", "confidence"))
    except FileNotFoundError:
        return None
    except (safetensors.SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{path} is damaged ({error}); `reslab evaluate RUN` writes it again") from None
    fits = label.ndim == 1 and label.shape == predicted.shape == confidence.shape and len(label) > 0
    if not fits or max(label.max(), predicted.max()) >= len(names) or min(label.min(), predicted.min()) < 0:
        raise CheckpointError(f"{path} is damaged: its tensors do not agree; `reslab evaluate RUN` writes it again")
    return Predictions(label.astype(np.int64), predicted.astype(np.int64), confidence / 255, names)
