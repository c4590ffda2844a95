"""Short labels for recipes that no design has named: the network, and what else tells them apart."""

from collections.abc import Sequence

from reslab.datasets import is_named
from reslab.exhibits.wording import dataset_name, network_name, number
from reslab.naming import as_preset
from reslab.own_code import parse
from reslab.recipe import FILLED_IN, OWN_NETWORK, Recipe, Scalar, differing_fields


def labels(recipes: Sequence[Recipe], images: Sequence[str] | None = None, beside: Sequence[Recipe] = ()) -> list[str]:
    """Return a different, short label for each of some recipes: the network, and what else differs.

    A schedule is told by its length alone where its drops are those of the preset at that length.  The length is told
    where it differs, among these or from the recipes `beside` them; a preset as it stands by its name.  `images` are
    those of each, by the start of their fingerprint; "" are those that the data set's name tells.
    """
    presets = [_preset(recipe) for recipe in recipes]
    by_preset = len(set(filter(None, presets))) > 1
    lengths = len({(one.length, one.schedule_unit) for one in (*recipes, *beside)}) > 1
    ours = [recipe for recipe in recipes if not recipe.network]
    same = set(OWN_NETWORK) - set(differing_fields(ours))  # an own network has no shortcut, and needs no word of it
    fields = [name for name in differing_fields(list(recipes)) if name not in {*_TOLD_OTHERWISE, *same}]
    sources = {
        network_name(recipe): {one.network for one in recipes if network_name(one) == network_name(recipe)}
        for recipe in recipes
        if recipe.network
    }
    several = len({recipe.dataset for recipe in recipes}) > 1
    pairs = list(zip(recipes, images or [recipe.images for recipe in recipes], strict=True))
    found = []
    for (recipe, own), preset in zip(pairs, presets, strict=True):
        parts = [network_name(recipe), *([dataset_name(recipe.dataset)] if several else [])]
        if (network := recipe.own_network) is not None and len(sources[network_name(recipe)]) > 1:
            parts.append(f"source {network.digest}")
        if by_preset and preset is not None:
            parts.append(preset)
        if lengths:
            parts.append(length_words(recipe))
        told = [] if by_preset and preset is not None else _told(recipe, fields)
        parts += [factor(name, getattr(recipe, name)) for name in told]
        if len({other for one, other in pairs if one.dataset == recipe.dataset}) > 1:
            official = "official images" if is_named(recipe.dataset) else "unknown images"
            former = not (is_named(recipe.dataset) or recipe.images)
            parts.append(f"images {own}{', of an earlier ResLab' if former else ''}" if own else official)
        found.append(", ".join(parts))
    return [
        label if found.count(label) == 1 else ", ".join([label, *_apart(recipe, label, found, recipes)])
        for label, recipe in zip(found, recipes, strict=True)
    ]


_TOLD_OTHERWISE = ("network", "family", "depth", "dataset", *FILLED_IN)

_LENGTH = ("length", "schedule_unit")
_GO_ALONG = ("first_drop", "second_drop", "third_drop", "warmup_length")
"""Fields that are stretched with the length of a preset."""


def length_words(recipe: Recipe) -> str:
    """Return a recipe's length in words: 2 epochs, 64,000 iterations."""
    unit = recipe.schedule_unit.removesuffix("s") if recipe.length == 1 else recipe.schedule_unit
    return f"{recipe.length:,.10g} {unit}"


def _preset(recipe: Recipe) -> str | None:
    """Return the preset that a recipe is, at whatever length; None where it differs in more."""
    name, base = as_preset(recipe)
    apart = [one for one in differing_fields([recipe, base]) if one not in (*_TOLD_OTHERWISE, "precision")]
    return None if apart else name


def _told(recipe: Recipe, fields: Sequence[str]) -> list[str]:
    """Return which of the fields that differ are told of a recipe."""
    usual = as_preset(recipe)[1]
    return [
        name
        for name in fields
        if not (recipe.network and name in OWN_NETWORK)
        and name not in _LENGTH
        and not (name in _GO_ALONG and getattr(recipe, name) == getattr(usual, name))
    ]


def _apart(recipe: Recipe, label: str, found: Sequence[str], recipes: Sequence[Recipe]) -> list[str]:
    """Return what tells a recipe from the others that have the same label."""
    alike = [one for one, other in zip(recipes, found, strict=True) if other == label]
    return [factor(name, getattr(recipe, name)) for name in differing_fields(alike) if name != "images"]


def factor(name: str, value: Scalar) -> str:
    """Return a field and its value in words: learning rate 0.1, no nesterov."""
    words = name.replace("_", " ")
    if name == "dataset":
        return dataset_name(str(value))
    if name == "network":
        own = parse(str(value))
        return own.words if own is not None else "a network of ResLab's"
    if isinstance(value, bool):
        return words if value else f"no {words}"
    return f"{words} {number(value) if isinstance(value, int | float) else value}"
