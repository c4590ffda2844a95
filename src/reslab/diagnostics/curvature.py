"""The curvature of the training loss: its Hessian's extreme eigenvalues, and the learning rate that they allow."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from reslab.diagnostics.measuring import (
    Batches,
    DoesNotApplyError,
    Loss,
    Tick,
    cross_entropy,
    flat,
    measuring,
    unwatched,
    watched,
)
from reslab.errors import ResLabError
from reslab.recipe import random_stream


@dataclass(frozen=True, slots=True)
class Curvature:
    """Estimates of the largest and smallest eigenvalue of a symmetric matrix, each within its residual of a true one.

    `converged` says whether the largest one's residual is within the tolerance, or the estimates are exact.
    """

    largest: float
    residual: float
    smallest: float
    smallest_residual: float
    iterations: int
    converged: bool


def hessian_extremes(
    module: nn.Module,
    batches: Batches,
    *,
    seed: int = 0,
    max_iterations: int = 30,
    tolerance: float = 0.01,
    loss: Loss = cross_entropy,
    tick: Tick = unwatched,
) -> Curvature:
    """Return the extreme eigenvalues of the Hessian of the mean loss on these images, over all parameters.

    Found by Lanczos iteration on Hessian-vector products (by differentiating twice), one batch at a time.  Batch norm
    uses the statistics of each batch: this is the loss that training descends.  With the running averages it would be a
    different function, one that depends on the scale of the weights.  The kinks of ReLU have no second derivative and
    contribute nothing.  Weight decay, left out, would add its coefficient to every eigenvalue.
    """
    kept = [(images, labels) for images, labels in batches]
    if not kept:
        raise ResLabError("there are no images to measure on")
    parameters = list(module.parameters())
    num_images = sum(len(labels) for _, labels in kept)

    def product(vector: Tensor) -> Tensor:
        total = torch.zeros_like(vector)
        for images, labels in watched(kept, tick):
            with torch.enable_grad():
                value = loss(module(images), labels) * (len(labels) / num_images)
                total += hessian_product(value, parameters, vector)
        return total

    generator = torch.Generator().manual_seed(random_stream(seed, "curvature"))
    size = sum(parameter.numel() for parameter in parameters)
    start = torch.randn(size, generator=generator).to(parameters[0])
    with measuring(module, batch_statistics=True), _derivable():
        return extreme_eigenvalues(product, start, max_iterations=max_iterations, tolerance=tolerance)


@contextmanager
def _derivable() -> Iterator[None]:
    """Turn an operation that torch cannot differentiate twice into a `DoesNotApplyError`."""
    try:
        yield
    except RuntimeError as error:
        if "is not implemented" not in str(error):
            raise
        raise DoesNotApplyError(f"torch cannot differentiate an operation of it twice: {error}") from error


def hessian_product(loss: Tensor, parameters: Sequence[Tensor], vector: Tensor) -> Tensor:
    """Return the Hessian of a scalar over these parameters times a vector as long as all of them together."""
    gradients = torch.autograd.grad(loss, parameters, create_graph=True, materialize_grads=True)
    parts = torch.split(vector, [parameter.numel() for parameter in parameters])
    shaped = [part.view(parameter.shape) for part, parameter in zip(parts, parameters, strict=True)]
    return flat(torch.autograd.grad(gradients, parameters, shaped, materialize_grads=True))


def extreme_eigenvalues(
    product: Callable[[Tensor], Tensor], start: Tensor, *, max_iterations: int = 30, tolerance: float = 0.01
) -> Curvature:
    """Return the extreme eigenvalues of the symmetric matrix that `product` multiplies by (Lanczos 1950).

    Each vector is orthogonalised against all earlier ones, so that no eigenvalue appears twice; this keeps one vector
    per iteration in memory.  Stops when the residual of the largest eigenvalue is within `tolerance` times its size.
    """
    num_iterations = min(max_iterations, start.numel())
    basis = [start / torch.linalg.vector_norm(start)]
    diagonal: list[float] = []
    beside: list[float] = []
    while True:
        image = product(basis[-1])
        diagonal.append(torch.dot(image, basis[-1]).item())
        for _ in range(2):  # a single pass leaves rounding errors
            for vector in basis:
                image = image - torch.dot(image, vector) * vector
        beside.append(torch.linalg.vector_norm(image).item())
        small = np.diag(diagonal) + np.diag(beside[:-1], 1) + np.diag(beside[:-1], -1)
        if not np.isfinite(small).all():
            raise ResLabError("the loss or its derivatives are not finite: there is no curvature to measure")
        values, vectors = np.linalg.eigh(small)
        residuals = beside[-1] * np.abs(vectors[-1])
        converged = bool(residuals[-1] <= tolerance * abs(values[-1]))
        exhausted = beside[-1] <= 1e-12 * max(1e-300, float(np.abs(values).max()))
        if converged or exhausted or len(diagonal) == num_iterations:
            break
        basis.append(image / beside[-1])
    return Curvature(
        largest=float(values[-1]),
        residual=float(residuals[-1]),
        smallest=float(values[0]),
        smallest_residual=float(residuals[0]),
        iterations=len(diagonal),
        converged=converged or exhausted,
    )


def stability_limit(rate: float, momentum: float = 0.0, *, nesterov: bool = False) -> float:
    """Return the curvature above which noiseless gradient descent on a quadratic diverges.

    2 (1 + momentum) / rate, with Nesterov's form 2 (1 + momentum) / ((1 + 2 momentum) rate): Cohen et al. 2021,
    "Gradient Descent on Neural Networks Typically Occurs at the Edge of Stability", section 2 and appendix B.
    """
    limit = 2 * (1 + momentum) / rate
    return limit / (1 + 2 * momentum) if nesterov else limit
