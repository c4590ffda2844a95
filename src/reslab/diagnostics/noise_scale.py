"""The simple gradient noise scale: the batch size beyond which more images help little (McCandlish et al. 2018)."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from reslab.diagnostics.measuring import Batches, Loss, cross_entropy, flat, gradient, measuring
from reslab.errors import ResLabError

RESOLVED = 2.0
"""Standard errors by which the squared gradient norm must exceed 0 to be divided by."""


@dataclass(frozen=True, slots=True)
class NoiseScale:
    """tr(covariance) / |gradient|^2, in images, with standard errors; tr and |.|^2 are unbiased, their ratio is not.

    If |gradient|^2 is lost in its noise, there is no noise scale, only a lower bound.
    """

    noise_scale: float | None
    noise_scale_error: float | None
    at_least: float | None
    """Lower bound: the noise scale if |gradient|^2 were larger than estimated by twice its standard error."""
    squared_gradient_norm: float
    squared_gradient_norm_error: float
    trace: float
    """Trace of the covariance of a single image's gradient."""
    trace_error: float
    batch_size: int
    num_batches: int


def gradient_noise_scale(
    module: nn.Module,
    batches: Batches,
    *,
    num_groups: int = 8,
    batches_per_group: int = 4,
    loss: Loss = cross_entropy,
) -> NoiseScale:
    """Estimate the noise scale from gradients of small batches and of all of them together.

    The estimators are those of McCandlish et al. 2018, "An Empirical Model of Large-Batch Training", appendix A.1,
    with the small batches' own size as B_small and all images together as B_big.  The batches must be of one size
    and drawn independently of each other; standard errors come from leaving out each group of them in turn (a
    jackknife).  Batch norm uses the statistics of each small batch, as in training, so that the noise of these
    statistics is part of the noise: use the batch size of the training.  Fewer than two groups, or batches that are
    missing or differ in size, raise `ResLabError`.
    """
    if num_groups < 2 or batches_per_group < 1:
        raise ResLabError("the noise scale needs at least two groups of batches")
    sums: list[NDArray[np.float64]] = []
    squares: list[float] = []
    sizes: set[int] = set()
    stream = iter(batches)
    with measuring(module, batch_statistics=True):
        for _ in range(num_groups):
            total, square, count = None, 0.0, 0
            for images, labels in islice(stream, batches_per_group):
                found = flat(gradient(module, images, labels, loss))
                square += torch.linalg.vector_norm(found).item() ** 2
                total = found if total is None else total.add_(found)
                sizes.add(len(labels))
                count += 1
            if total is None or count < batches_per_group or len(sizes) > 1:
                raise ResLabError(
                    f"the noise scale needs {num_groups * batches_per_group} batches of one size, "
                    f"not {len(sums) * batches_per_group + count} of {sorted(sizes)} images"
                )
            sums.append(total.cpu().double().numpy())
            squares.append(square)
    stacked = np.stack(sums)
    return _estimate(stacked @ stacked.T, np.array(squares), batches_per_group, sizes.pop())


def _estimate(gram: NDArray[np.float64], squares: NDArray[np.float64], per_group: int, batch_size: int) -> NoiseScale:
    """Estimate from the inner products of the groups' summed gradients and each group's sum of squared norms."""
    num_groups = len(squares)

    def moments(groups: NDArray[np.bool_]) -> tuple[float, float]:
        n = per_group * int(groups.sum())
        square_of_sum, sum_of_squares = gram[np.ix_(groups, groups)].sum(), squares[groups].sum()
        # B_small is batch_size and B_big n times that: the batch size cancels in the norm, but not in the trace
        norm = (square_of_sum - sum_of_squares) / (n * (n - 1))
        trace = batch_size * (sum_of_squares - square_of_sum / n) / (n - 1)
        return float(norm), float(trace)

    norm, trace = moments(np.ones(num_groups, dtype=bool))
    left_out = [moments(np.arange(num_groups) != group) for group in range(num_groups)]

    def error(quantity: Callable[[float, float], float]) -> float:
        values = np.array([quantity(*each) for each in left_out])
        return math.sqrt((num_groups - 1) * float(values.var()))

    norm_error, trace_error = error(lambda norm, _: norm), error(lambda _, trace: trace)
    resolved = norm > RESOLVED * norm_error and min(each[0] for each in left_out) > 0
    most = norm + RESOLVED * norm_error
    return NoiseScale(
        noise_scale=trace / norm if resolved else None,
        noise_scale_error=error(lambda norm, trace: trace / norm) if resolved else None,
        at_least=trace / most if most > 0 else None,
        squared_gradient_norm=norm,
        squared_gradient_norm_error=norm_error,
        trace=trace,
        trace_error=trace_error,
        batch_size=batch_size,
        num_batches=num_groups * per_group,
    )
