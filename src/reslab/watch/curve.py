"""The lines of a run's metrics.jsonl in little memory: all, or for a very long run some, including extremes."""

import math
import statistics
from array import array
from collections.abc import Sequence
from typing import Any

import numpy as np

from reslab.analysis.tables import EPOCH_SCHEMA
from reslab.analysis.thinning import thinned

READINGS = tuple(name for name in EPOCH_SCHEMA if name not in ("run_id", "recipe_id", "seed", "epoch"))
"""What a line contains besides its epoch."""

MOST_ROWS = 8192
"""Most rows kept of a run before they are thinned."""

BLOCKS = 512
"""Most stretches of epochs, each with its extremes, that a thinned run is divided into."""

_EXTREMES_OF = ("train_error", "test_error", "train_loss", "test_loss", "seconds")


class Curve:
    """The lines appended so far.  `num_rows` counts every line, including those thinned out."""

    def __init__(self) -> None:
        """Begin without lines."""
        self.num_rows = 0
        self.seconds = 0.0
        self._knows_seconds = True
        self._epochs = array("q")
        self._columns = {name: array("d") for name in READINGS}
        self._medians: dict[str, tuple[int, float | None]] = {}

    @property
    def last_epoch(self) -> int:
        """The last epoch, 0 before the first."""
        return self._epochs[-1] if self._epochs else 0

    @property
    def latest(self) -> dict[str, Any]:
        """The last line, without missing readings."""
        if not self._epochs:
            return {}
        found = {name: column[-1] for name, column in self._columns.items() if not math.isnan(column[-1])}
        return {
            "epoch": self.last_epoch,
            **found,
            **({"iteration": int(found["iteration"])} if "iteration" in found else {}),
        }

    @property
    def num_kept(self) -> int:
        """How many rows are in memory."""
        return len(self._epochs)

    @property
    def total_seconds(self) -> float | None:
        """Time of all epochs; None where one did not record it."""
        return self.seconds if self.num_rows and self._knows_seconds else None

    def median(self, name: str) -> float | None:
        """Return the median of a reading over the kept rows; None where there is none."""
        if self._medians.get(name, (0, None))[0] != self.num_rows:
            known = [value for value in self._columns[name] if not math.isnan(value)]
            self._medians[name] = (self.num_rows, statistics.median(known) if known else None)
        return self._medians[name][1] if self.num_rows else None

    def extend(self, rows: Sequence[Any]) -> None:
        """Append lines; raises `ValueError` where one is not a line of metrics that follows the last."""
        last, epochs = self.last_epoch, []
        for row in rows:
            epoch: Any = row.get("epoch") if isinstance(row, dict) else None
            if not isinstance(epoch, int) or isinstance(epoch, bool) or not last < epoch < 2**53:
                raise ValueError("its epoch does not follow the last")
            epochs.append(epoch)
            last = epoch
        columns = {name: _numbers([row.get(name) for row in rows]) for name in READINGS}
        self._epochs.extend(epochs)
        for name, values in columns.items():
            self._columns[name].extend(values)
        self.num_rows += len(rows)
        seconds = sum(columns["seconds"])
        self._knows_seconds &= math.isfinite(seconds)
        self.seconds += seconds
        if len(self._epochs) > MOST_ROWS:
            self._thin()

    def column(self, name: str) -> list[float | None]:
        """Return a reading of the kept rows; None where it is missing or not finite."""
        if name == "epoch":
            return [*self._epochs]
        return [value if math.isfinite(value) else None for value in self._columns[name]]

    def arrays(self) -> dict[str, "np.ndarray[Any, Any]"]:
        """Return the epoch and the readings of the kept rows; NaN where a reading is missing."""
        found = {name: np.array(column, dtype=np.float64) for name, column in self._columns.items()}
        return {"epoch": np.array(self._epochs, dtype=np.int64), **found}

    def _thin(self) -> None:
        """Keep the last row and the extremes of each stretch of epochs, including those kept by earlier thinning."""
        length = 2
        while length * BLOCKS < self._epochs[-1]:
            length *= 2
        chosen = thinned(self._epochs, [self._columns[name] for name in _EXTREMES_OF], length)
        self._epochs = array("q", [self._epochs[at] for at in chosen])
        self._columns = {name: array("d", [column[at] for at in chosen]) for name, column in self._columns.items()}


def _numbers(values: Sequence[Any]) -> "array[float]":
    """Return readings as floats, NaN for missing ones; raise `ValueError` where one is not a number."""
    try:
        return array("d", [math.nan if value is None else value for value in values])
    except (TypeError, OverflowError):
        raise ValueError("a reading is not a number") from None
