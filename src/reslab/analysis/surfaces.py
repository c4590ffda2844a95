"""Loss surfaces: that of one run of a group, as rectangles to draw, its rise, and which to draw (pure)."""

import math
import statistics
from collections.abc import Sequence

import polars as pl

from reslab.analysis.curves import short
from reslab.analysis.groups import Group, Row


def first_surface(group: Group) -> pl.DataFrame:
    """Return the points of the first run with a loss surface: two surfaces cannot be averaged."""
    points = group.diagnoses.points
    first = min(set(points["run_id"]), key=_place, default="")
    return points.filter(pl.col("run_id") == first)


def _place(run_id: str) -> tuple[str, int]:
    """Return a run's sort key, recipe and seed: seed 2 before seed 10."""
    recipe, _, seed = run_id.partition("/seed")
    return recipe, int(seed)


def surface_rows(points: pl.DataFrame) -> list[Row]:
    """Return the sides (x, y to x2, y2), loss and error (%) of a rectangle around each point whose loss is finite."""
    steps = sorted(set(points["first"].to_list()))
    half = (steps[1] - steps[0]) / 2
    over = 1.03 * half  # so that no hairlines show between the rectangles
    return [
        {
            "x": round(second - half, 4),
            "x2": round(second + over, 4),
            "y": round(first - half, 4),
            "y2": round(first + over, 4),
            "loss": short(loss),
            "error": round(error, 2),
        }
        for first, second, loss, error in points.select("first", "second", "loss", "error").rows()
        if loss is not None
    ]


def rise(group: Group) -> float | None:
    """Return how far the median loss at a distance of about 0.5 exceeds that at the centre of the first surface."""
    rows = [(math.hypot(a, b), loss) for a, b, loss in first_surface(group).select("first", "second", "loss").rows()]
    middle = next((loss for distance, loss in rows if distance < 1e-9), None)
    around = [loss for distance, loss in rows if 0.35 <= distance <= 0.65 and loss is not None]
    return statistics.median(around) - middle if middle is not None and around else None


def telling_surfaces(groups: Sequence[Group], most: int) -> list[Group]:
    """Return the groups whose surfaces are drawn: all up to `most`, else the deepest of each data set and family.

    All as well where that leaves only one.
    """
    have = [group for group in groups if group.diagnoses.points.height]
    deepest: dict[tuple[str, str], Group] = {}
    for group in sorted(have, key=lambda group: group.recipe.depth):
        deepest[group.recipe.dataset, group.recipe.family] = group
    chosen = [group for group in have if any(group is one for one in deepest.values())]
    return have if len(have) <= most or len(chosen) < 2 else chosen
