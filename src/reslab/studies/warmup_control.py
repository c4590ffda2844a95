"""The paper's warm-up as a control: the same deep network with it, beside the one that starts at the full rate."""

from collections.abc import Collection

from reslab.analysis.comparisons import compare
from reslab.exhibits.blocks import Block, Prose
from reslab.exhibits.sizes import verdict_words
from reslab.exhibits.wording import dataset_name, network_name, spread
from reslab.recipe import Recipe, vary
from reslab.studies.findings import Groups
from reslab.studies.words import Words

WARMED_UP = 110
"""Layers from which on the paper warms its networks up (section 4.2)."""


def with_warmup(recipe: Recipe) -> Recipe | None:
    """Return the recipe with the paper's warm-up: a tenth of the rate until the training error is below 80%.

    None for a network that the paper trains without, or a recipe that rises or warms up by itself.
    """
    fits = recipe.family == "residual" and recipe.depth >= WARMED_UP
    if not fits or recipe.warmup != "none" or recipe.schedule == "one-cycle":
        return None
    return vary(recipe, warmup="until-error", warmup_rate=recipe.learning_rate / 10, warmup_error=80.0)


def without(groups: Groups, controls: Collection[Recipe]) -> Groups:
    """Return the groups that are no controls."""
    return [group for group in groups if group.recipe not in controls]


def control_words(groups: Groups, controls: Collection[Recipe], words: Words) -> list[Block]:
    """Return what the warm-up does to each network that was trained both ways, as far as both have finished.

    The pairs are corrected among themselves: what was asked of depth is resolved as well as without them.
    """
    pairs = [
        (plain, control)
        for control in groups
        if control.recipe in controls
        for plain in groups
        if with_warmup(plain.recipe) == control.recipe
    ]
    return [
        Prose(
            words(
                "why.warmed-up",
                network=network_name(one.second.recipe),
                dataset=dataset_name(one.second.recipe.dataset),
                warmed=spread(one.second.last_epoch("test_error")),
                without=spread(one.first.last_epoch("test_error")),
                verdict=verdict_words(one.test, one.first.last_epoch("test_error").mean),
            )
        )
        for one in compare(pairs)
        if one.test is not None
    ]
