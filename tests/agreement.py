"""To how many digits two computations agree: asserted, and printed for who runs the tests with -s."""

import math

import numpy as np
from numpy.typing import ArrayLike


def agrees(name: str, ours: ArrayLike, reference: ArrayLike, *, digits: float) -> None:
    """Assert that our values are an independent float64 computation's to at least so many significant digits.

    Digits are those of the largest difference beside the largest value.
    """
    found, expected = np.asarray(ours, dtype=np.float64), np.asarray(reference, dtype=np.float64)
    assert found.shape == expected.shape
    difference, size = np.abs(found - expected).max(), np.abs(expected).max()
    same = math.inf if difference == 0 else -math.log10(difference / size)
    print(f"{name} agrees to {same:.1f} digits ({found.size} values)")
    assert same >= digits
