"""How much each diagnostic measures, by budget, and what that costs; imports no torch."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Budget:
    """How much is measured, in images; a larger budget gives steadier numbers of the same quantities."""

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
"""Budgets by name, the smaller first."""

PASSES = {"gap": 1, "responses": 2, "gradients": 6, "noise-scale": 6, "curvature": 10, "surface": 2}
"""About what one image costs each, in forward passes of the gap's (ResNet-20 to 110, two cores)."""


def cost(name: str, budget: str, batch_size: int, *, is_end: bool = True) -> float:
    """Return about how long a diagnostic takes, in forward passes of one image; an epoch's gradients are once only."""
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
    """Return how many batches hold about so many images: batch norm by batch wants them whole."""
    return max(1, round(num_images / batch_size))
