"""Make recipes from others (some fields changed, another length), and find how recipes differ."""

import itertools
import math
from numbers import Real

from reslab.arguments import as_plain
from reslab.datasets import images_used, known
from reslab.errors import ResLabError
from reslab.recipe.checks import MOST
from reslab.recipe.fields import OWN_NETWORK, Scalar
from reslab.recipe.recipe import Recipe, field_names, to_mapping


def vary(recipe: Recipe, **changes: Scalar) -> Recipe:
    """Return the recipe with some fields changed; an unknown field or value raises `ResLabError`."""
    if recipe.shortcut == "none" and changes.get("family", recipe.family) != recipe.family:
        changes = {"shortcut": "A", **changes}  # a plain recipe does not remember its shortcut
    if recipe.network and changes.get("network", recipe.network) == "":
        usual = {name: getattr(Recipe(), name) for name in OWN_NETWORK}
        changes = {**usual, **changes}
    return Recipe.from_mapping({**to_mapping(recipe), **changes})


def stretch(recipe: Recipe, epochs: float) -> Recipe:
    """Return the recipe at another length in epochs, with its drops at the same shares of the length.

    Drops are rounded to whole epochs, halves upwards (drops of 81/122 in 164 become 41/61 in 82), unless that would put
    two at the same place or one at an end, as in trainings of two or three epochs.
    """
    epochs = as_plain(epochs)
    if isinstance(epochs, bool) or not isinstance(epochs, Real) or not 0 < epochs < math.inf:
        raise ResLabError(f"epochs must be a number above 0 and finite, not {epochs!r}")
    if epochs > MOST["epochs"]:
        raise ResLabError(f"epochs must be at most {MOST['epochs']:,.0f}")
    if recipe.schedule_unit == "epochs" and recipe.length == epochs:
        return recipe
    exact = [drop / recipe.length * epochs for drop in recipe.drops]
    whole = [float(math.floor(drop + 0.5)) for drop in exact]
    places = [0.0, *whole, epochs]
    distinct = all(one < other for one, other in itertools.pairwise(places))
    first, second, *third = whole if distinct else exact
    warmup_length = recipe.warmup_length
    if recipe.schedule_unit == "iterations" or recipe.warmup == "linear":
        warmup_length *= epochs / recipe.length
    return vary(
        recipe,
        schedule_unit="epochs",
        length=epochs,
        first_drop=first,
        second_drop=second,
        third_drop=third[0] if third else 0.0,
        warmup_length=warmup_length,
    )


def lengthened(recipe: Recipe, factor: float) -> Recipe:
    """Return the recipe with its schedule `factor` times as long, in its own unit."""
    if factor == 1:
        return recipe
    if recipe.schedule_unit == "epochs":
        return stretch(recipe, recipe.length * factor)
    lengths = {name: getattr(recipe, name) for name in ("length", "first_drop", "second_drop", "third_drop")}
    longer = {name: round(length * factor) for name, length in lengths.items()}
    if recipe.warmup in ("fixed", "linear"):
        longer["warmup_length"] = max(1, round(recipe.warmup_length * factor))
    return vary(recipe, **longer)


def at_rate(recipe: Recipe, factor: float) -> Recipe:
    """Return a recipe with its learning rate, and Muon's if it uses that, multiplied by a factor.

    Rates are rounded to 12 digits, which removes binary noise: 0.1 times 0.2 is 0.02.
    """
    rates = ("learning_rate", "muon_rate") if recipe.optimiser == "muon" else ("learning_rate",)
    return vary(recipe, **{name: float(f"{getattr(recipe, name) * factor:.12g}") for name in rates})


def on_share(recipe: Recipe, share: float, *, same_steps: bool) -> Recipe:
    """Return the recipe on a share of the training images, with as many steps as before, or as many epochs."""
    part, in_epochs = vary(recipe, train_share=share), recipe.schedule_unit == "epochs"
    if not same_steps:
        return part if in_epochs else lengthened(part, share)
    if not in_epochs:
        return part
    longer = lengthened(part, 1 / share)
    return vary(longer, warmup_length=part.warmup_length / share) if part.warmup == "fixed" else longer


def images_trained_on(recipe: Recipe) -> int | None:
    """Return how many images a recipe trains on; None if that does not follow from the data set's name."""
    size = known(recipe.dataset).size
    if size is None:
        return None
    return images_used(size.num_train, train_share=recipe.train_share, holdout=recipe.holdout)


def an_epoch_of(recipe: Recipe) -> float | None:
    """Return an epoch in the schedule's unit; None for iterations on an unknown number of images."""
    if recipe.schedule_unit == "epochs":
        return 1.0
    images = images_trained_on(recipe)
    return None if images is None else float(math.ceil(images / recipe.batch_size))


def differing_fields(recipes: list[Recipe]) -> tuple[str, ...]:
    """Return the names of the fields in which the recipes differ, in order."""
    return tuple(name for name in field_names() if len({getattr(recipe, name) for recipe in recipes}) > 1)
