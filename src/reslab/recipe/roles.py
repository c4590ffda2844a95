"""Which fields of a recipe have an effect with which others: a field without one has a fixed value."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from reslab.datasets import is_named, known, placeless
from reslab.errors import ResLabError
from reslab.families import FAMILIES, family_of
from reslab.recipe.fields import Scalar

if TYPE_CHECKING:
    from reslab.recipe.recipe import Recipe

ONLY_WITH: dict[str, tuple[str, tuple[str, ...]]] = {
    "dropout": ("family", tuple(name for name, family in FAMILIES.items() if family.has_dropout)),
    "muon_rate": ("optimiser", ("muon",)),
    "muon_momentum": ("optimiser", ("muon",)),
    "adam_beta_mean": ("optimiser", ("adam", "adamw")),
    "adam_beta_square": ("optimiser", ("adam", "adamw")),
    "adam_epsilon": ("optimiser", ("adam", "adamw")),
    "momentum": ("optimiser", ("sgd", "muon")),
    "nesterov": ("optimiser", ("sgd", "muon")),
    "drop_factor": ("schedule", ("step",)),
    "third_drop": ("schedule", ("step",)),
    "final_rate": ("schedule", ("cosine",)),
    "cycle_rise": ("schedule", ("one-cycle",)),
    "cycle_start": ("schedule", ("one-cycle",)),
    "cycle_end": ("schedule", ("one-cycle",)),
    "warmup_rate": ("warmup", ("until-error", "fixed")),
    "warmup_error": ("warmup", ("until-error",)),
    "warmup_length": ("warmup", ("fixed", "linear")),
}
"""Fields that have an effect only with some values of another field."""


def without_effect(recipe: "Recipe", defaults: Mapping[str, Scalar]) -> dict[str, Scalar]:
    """Return the values of fields that have no effect in this recipe, fixed so that equivalent recipes are equal.

    A field of `ONLY_WITH` gets its default.
    """
    family = family_of(recipe.family)
    unused: dict[str, Scalar] = {}
    if is_named(recipe.dataset):
        unused["images"] = ""
    elif recipe.images:
        unused["dataset"] = placeless(recipe.dataset)
    if (own := recipe.own_network) is not None and own.digest:
        unused["network"] = f"{own.file}:{own.function}@{own.digest}"  # the file's folder has no effect
    if not family.has_shortcuts:
        unused["shortcut"] = "none"
    if family.projects:
        unused["shortcut"] = "B"
    if not family.has_width:
        unused["width"] = 1
    if recipe.family == "imagenet-1x1" and recipe.depth < 50:
        unused["family"] = "imagenet"  # basic blocks have no 1x1 convolution to put the stride in
    if known(recipe.dataset).in_files:
        unused["crop_padding"] = 0
    if unused.get("crop_padding", recipe.crop_padding) == 0:
        unused["padding"] = "mean"
    if recipe.weight_decay == 0:
        unused["decay_scope"] = "all"
    for name, owners in ONLY_WITH.items():
        field, values = owners
        if getattr(recipe, field) not in values:
            unused[name] = defaults[name]
    if recipe.randaugment == 0:
        unused["randaugment_magnitude"] = 5.0
    if recipe.schedule != "step":
        unused |= {"first_drop": recipe.length, "second_drop": recipe.length}
    return unused


def check_plays_a_part(recipes: Sequence["Recipe"], given: Iterable[str]) -> None:
    """Raise `ResLabError` if a field that a user set has no effect in any of the recipes, as Adam's beta with SGD."""
    for name in given:
        needed = [_needed(recipe, name) for recipe in recipes]
        if needed and all(needed):
            raise ResLabError(f"{name} has no effect here: it is for {needed[0]}")


def check_heeded(recipe: "Recipe", given: Mapping[str, object]) -> None:
    """Raise `ResLabError` if a recipe has replaced a value that a user set, since no other value has a meaning."""
    for name in FOLLOWING:
        if name in given and getattr(recipe, name) != given[name]:
            why = f"family {recipe.family} at depth {recipe.depth}, {recipe.dataset}"
            raise ResLabError(
                f"{name} {given[name]} has no effect here ({why}): it would be {getattr(recipe, name)}; leave it out"
            )


FOLLOWING = ("shortcut", "padding", "decay_scope", "family", "crop_padding")
"""Fields to which the others may leave only one value."""


def plays_a_part(recipe: "Recipe", name: str) -> bool:
    """Say whether a field has an effect in this recipe, as the drops have only if the rate falls in steps."""
    return not _needed(recipe, name)


def _needed(recipe: "Recipe", name: str) -> str:
    """Return what a field would need to have an effect, in words; "" if it has one."""
    if name == "width" and not family_of(recipe.family).has_width:
        return f"family {' or '.join(key for key, family in FAMILIES.items() if family.has_width)}, not {recipe.family}"
    if name == "randaugment_magnitude" and recipe.randaugment == 0:
        return "randaugment of 1 or more"
    name = "drop_factor" if name in ("first_drop", "second_drop") else name  # these go together
    if name not in ONLY_WITH:
        return ""
    field, values = ONLY_WITH[name]
    chosen = getattr(recipe, field)
    return "" if chosen in values else f"{field} {' or '.join(values)}, not {chosen}"
