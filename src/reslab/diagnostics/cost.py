"""How much each diagnostic measures, by budget, and what that costs; does not import torch."""

from collections.abc import Iterable
from dataclasses import dataclass

from reslab.errors import ResLabError


@dataclass(frozen=True, slots=True)
class Budget:
    """How much is measured; a larger budget gives less noisy estimates of the same quantities."""

    gap_images: int
    response_images: int
    gradient_images: int
    noise_batches: int
    curvature_images: int
    lanczos_iterations: int
    surface_images: int
    surface_points: int


BUDGETS = {
    "quick": Budget(
        gap_images=400,
        response_images=200,
        gradient_images=128,
        noise_batches=16,
        curvature_images=64,
        lanczos_iterations=10,
        surface_images=50,
        surface_points=7,
    ),
    "standard": Budget(
        gap_images=2000,
        response_images=500,
        gradient_images=256,
        noise_batches=24,
        curvature_images=2048,
        lanczos_iterations=16,
        surface_images=128,
        surface_points=11,
    ),
    "thorough": Budget(
        gap_images=50_000,
        response_images=10_000,
        gradient_images=4096,
        noise_batches=256,
        curvature_images=8192,
        lanczos_iterations=60,
        surface_images=1000,
        surface_points=25,
    ),
}
"""Budgets by name, smallest first."""

PASSES = {"gap": 1, "responses": 2, "gradients": 6, "noise-scale": 6, "curvature": 10, "surface": 2}
"""Approximate cost of one image in each diagnostic, in forward passes as in the gap's (ResNet-20 to 110, two cores)."""


def check_names(which: Iterable[str], budget: str = "standard") -> None:
    """Raise `ResLabError` for an unknown diagnostic or budget."""
    for name in which:
        if name not in PASSES:
            raise ResLabError(f"there is no diagnostic {name!r}; there are {', '.join(PASSES)}")
    if budget not in BUDGETS:
        raise ResLabError(f"budget must be one of {', '.join(BUDGETS)}; not {budget!r}")


def cost(name: str, budget: str, batch_size: int, *, is_end: bool = True) -> float:
    """Return the approximate cost of a diagnostic, in forward passes of one image.

    At a run's end, gradients are measured for the initial network as well; after an epoch, for the current one only.
    """
    size = BUDGETS[budget]
    images = {
        "gap": 2 * size.gap_images,
        "responses": size.response_images,
        "gradients": whole_batches(batch_size, size.gradient_images) * batch_size * (1 + is_end),
        "noise-scale": size.noise_batches * batch_size,
        "curvature": whole_batches(batch_size, size.curvature_images) * batch_size * size.lanczos_iterations,
        "surface": size.surface_images * size.surface_points**2,
    }
    return PASSES[name] * images[name]


def whole_batches(batch_size: int, num_images: int) -> int:
    """Return how many whole batches, which batch statistics need, hold about `num_images` images."""
    return max(1, round(num_images / batch_size))
