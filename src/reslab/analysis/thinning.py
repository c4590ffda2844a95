"""Long curves with fewer points, none of whose extremes is lost (pure)."""

from collections.abc import Sequence

import numpy as np


def thinned(epochs: Sequence[int], columns: Sequence[Sequence[float]], length: int) -> list[int]:
    """Return the places of the points to keep: the first, and of each stretch of `length` epochs the last and extremes.

    Extremes are the lowest and the highest value of each of the columns, the first of equal ones; values that are not
    finite are none.  What was thinned before keeps its extremes if it is thinned again, by a length times as long.
    """
    numbers = np.asarray(epochs, dtype=np.int64)
    if not len(numbers):
        return []
    starts = np.flatnonzero(np.diff((numbers - 1) // length, prepend=-1))
    ends = np.append(starts[1:], len(numbers))
    kept = {0, *(ends - 1).tolist()}
    for column in columns:
        values = np.asarray(column, dtype=np.float64)
        for best, missing in ((np.argmin, np.inf), (np.argmax, -np.inf)):
            filled = np.where(np.isfinite(values), values, missing)
            kept |= {int(start + best(filled[start:end])) for start, end in zip(starts, ends, strict=True)}
    return sorted(kept)
