"""Thinning of long curves that keeps their extremes (pure)."""

from collections.abc import Sequence

import numpy as np


def thinned(epochs: Sequence[int], columns: Sequence[Sequence[float]], length: int) -> list[int]:
    """Return the places of the points to keep: the first, and the last and extremes of each `length` epochs.

    The extremes are the lowest and the highest finite value of each column, the first of a tie.  A thinned curve
    keeps its extremes if thinned again by a multiple of the length.
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
