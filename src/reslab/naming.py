"""Runs as people call them: ResNet-20, CIFAR-10, rate 0.2, seed 1."""

from collections import Counter
from collections.abc import Iterable, Sequence
from decimal import Decimal
from functools import lru_cache

from reslab.datasets import is_named, known
from reslab.errors import ResLabError
from reslab.families import FAMILIES
from reslab.own_code import parse
from reslab.presets import PRESETS, preset_recipe
from reslab.recipe import FILLED_IN, OWN_NETWORK, Recipe, Run, Scalar, differing_fields, plays_a_part, stretch

FAMILY_NAMES = {name: family.words for name, family in FAMILIES.items()}

_SHORT = {
    "learning_rate": "rate",
    "batch_size": "batch",
    "weight_decay": "decay",
    "optimiser": "",
    "schedule": "",
    "normalisation": "",
    "padding": "padding with",
    "mirror": "mirrored",
    "train_share": "share",
    "length": "",
}
"""What a field is called beside its value, where its own name is longer than need be."""

_LABELLED = ("network", "family", "depth", "dataset", *FILLED_IN)
"""Fields that the rest of a label tells."""

_DROPS = ("first_drop", "second_drop", "third_drop")

_GO_ALONG = (*_DROPS, "warmup_length")
"""Fields that are stretched with the length of a preset."""

_TOLD = ("dataset", "images", "network", "family", "depth", "width", "precision")
"""Fields that are told by other words, or only where nothing else tells two runs apart."""


def number(value: float) -> str:
    """Return a setting with as many digits as it needs: 0.0001, 128, 1,640, 163.84; as a power of ten where it is tiny.

    That is below 1e-9, as in 2e-12, or from 1e15.
    """
    if abs(value) >= 1e15 or 0 < abs(value) < 1e-9:
        return f"{value:g}".replace("-", "\N{MINUS SIGN}")
    shown = f"{Decimal(f'{value:.12g}'):,f}"  # not more digits: sums of floats end in noise
    return (shown.rstrip("0").rstrip(".") if "." in shown else shown).replace("-", "\N{MINUS SIGN}")


def dataset_name(dataset: str) -> str:
    """Return a data set's usual name."""
    return known(dataset).words


def network_name(recipe: Recipe) -> str:
    """Return a network's usual name, as in ResNet-20 or WRN-28-10; one of the user's own is called by its function."""
    if (own := recipe.own_network) is not None:
        return own.words
    width = f"-{recipe.width}" if FAMILIES[recipe.family].has_width else ""
    return f"{FAMILY_NAMES[recipe.family]}-{recipe.depth}{width}"


def run_name(run: Run) -> str:
    """Return a run's name for people: its recipe's and the seed."""
    return f"{recipe_name(run.recipe)}, seed {run.seed}"


def run_names(runs: Iterable[Run]) -> dict[str, str]:
    """Return the names of some runs by their ids, those that would be alike with their precision or id as well."""
    found = {run.id: run for run in runs}
    names = {key: run_name(run) for key, run in found.items()}
    for tell in (
        lambda run: run.recipe.precision,
        lambda run: f"images {run.recipe.images}",
        lambda run: run.recipe.id,
    ):
        taken = Counter(names.values())
        twice = [key for key, name in names.items() if taken[name] > 1]
        alike: dict[str, set[str]] = {}
        for key in twice:
            alike.setdefault(names[key], set()).add(tell(found[key]))
        names |= {
            key: names[key].replace(", seed ", f", {tell(found[key])}, seed ")
            for key in twice
            if len(alike[names[key]]) > 1
        }
    return names


@lru_cache(maxsize=4096)
def recipe_name(recipe: Recipe) -> str:
    """Return a recipe's name for people: network, images, and how it differs from the preset that it is nearest to.

    The preset is named where it is not the assignment's, which is the default.
    """
    preset, base, is_stretched = _nearest(recipe)
    parts = [network_name(recipe), dataset_name(recipe.dataset)]
    parts += [preset] if preset != "assignment" else []
    if is_stretched:
        parts.append(f"{recipe.length:g} {'epoch' if recipe.length == 1 else 'epochs'}")
    return ", ".join([*parts, *(_words(name, getattr(recipe, name)) for name in _changed(recipe, base))])


def labels(recipes: Sequence[Recipe], images: Sequence[str] | None = None, beside: Sequence[Recipe] = ()) -> list[str]:
    """Return a different, short label for each of some recipes: the network, and what else differs.

    A schedule is told by its length alone where its drops are those of the preset at that length.  The length is told
    where it differs, among these or from the recipes `beside` them; a preset as it stands by its name.  `images` are
    those of each, by the start of their fingerprint; "" are those that the data set's name tells.
    """
    presets = [_preset(recipe) for recipe in recipes]
    by_preset = len(set(filter(None, presets))) > 1
    lengths = len({(one.length, one.schedule_unit) for one in (*recipes, *beside)}) > 1
    several = len({recipe.dataset for recipe in recipes}) > 1
    ours = [recipe for recipe in recipes if not recipe.network]
    same = set(OWN_NETWORK) - set(differing_fields(ours))  # an own network has no shortcut, and needs no word of it
    fields = [name for name in differing_fields(list(recipes)) if name not in {*_LABELLED, *same}]
    sources = {(network_name(recipe), recipe.network) for recipe in recipes}
    pairs = list(zip(recipes, images or [recipe.images for recipe in recipes], strict=True))
    found = []
    for (recipe, own), preset in zip(pairs, presets, strict=True):
        name = network_name(recipe)
        parts = [name, *([dataset_name(recipe.dataset)] if several else [])]
        if (network := recipe.own_network) is not None and sum(other == name for other, _ in sources) > 1:
            parts.append(f"source {network.digest}")
        as_it_stands = by_preset and preset is not None
        parts += [str(preset)] if as_it_stands else []
        parts += [_length(recipe)] if lengths else []
        parts += [] if as_it_stands else [factor(field, getattr(recipe, field)) for field in _told(recipe, fields)]
        if len({other for one, other in pairs if one.dataset == recipe.dataset}) > 1:
            parts.append(_images(recipe, own))
        found.append(", ".join(parts))
    times = Counter(found)
    return [
        label if times[label] == 1 else ", ".join([label, *_apart(recipe, label, found, recipes)])
        for label, recipe in zip(found, recipes, strict=True)
    ]


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


def as_preset(recipe: Recipe) -> tuple[str, Recipe]:
    """Return the preset that a recipe is nearest to, and its recipe of the same network and length in epochs."""
    return _nearest(recipe)[:2]


def _nearest(recipe: Recipe) -> tuple[str, Recipe, bool]:
    """Return the preset from which a recipe differs in the fewest fields, its recipe of the same network and length.

    The last is whether that is another length than the preset's own, which counts as one field; so do all drops.
    """
    found: list[tuple[int, str, Recipe, bool]] = []
    depth, family = (None, None) if recipe.network else (recipe.depth, recipe.family)
    for name in ("assignment", *(name for name in PRESETS if name != "assignment")):
        try:
            base = _base(name, recipe.dataset, depth, family)
        except ResLabError:  # it has no such network
            continue
        is_stretched = _is_longer(recipe, base)
        base = _stretched(base, recipe.length) if is_stretched else base
        changed = {"drops" if field in _DROPS else field for field in _changed(recipe, base)}
        found.append((len(changed) + is_stretched, name, base, is_stretched))
    if not found:
        return "assignment", recipe, False
    return min(found, key=lambda one: one[0])[1:]


@lru_cache(maxsize=1024)
def _base(preset: str, dataset: str, depth: int | None, family: str | None) -> Recipe:
    """Return a preset's recipe, made once: hundreds of runs are named from the same few."""
    return preset_recipe(preset, dataset=dataset, depth=depth, family=family)


@lru_cache(maxsize=1024)
def _stretched(base: Recipe, epochs: float) -> Recipe:
    return stretch(base, epochs)


def _is_longer(recipe: Recipe, base: Recipe) -> bool:
    """Say whether a recipe is of another length in epochs than a preset's: then the preset's drops go along."""
    if recipe.schedule_unit != "epochs":
        return False
    return (recipe.length, recipe.schedule_unit) != (base.length, base.schedule_unit)


def _changed(recipe: Recipe, base: Recipe) -> list[str]:
    told = (*_TOLD, *OWN_NETWORK) if recipe.network else _TOLD
    return [name for name in differing_fields([recipe, base]) if name not in told and plays_a_part(recipe, name)]


def _words(name: str, value: Scalar) -> str:
    words = _SHORT.get(name, name.replace("_", " "))
    if isinstance(value, bool):
        return words if value else f"no {words}"
    if name == "train_share":
        return f"{100 * float(value):.3g}% of the images"
    return f"{words} {number(value) if isinstance(value, float) else value}".strip()


def _preset(recipe: Recipe) -> str | None:
    """Return the preset that a recipe is, at whatever length; None where it differs in more."""
    name, base = as_preset(recipe)
    apart = [one for one in differing_fields([recipe, base]) if one not in (*_LABELLED, "precision")]
    return None if apart else name


def _told(recipe: Recipe, fields: Sequence[str]) -> list[str]:
    """Return which of the fields that differ are told of a recipe."""
    usual = as_preset(recipe)[1]
    return [
        name
        for name in fields
        if not (recipe.network and name in OWN_NETWORK)
        and name not in ("length", "schedule_unit")
        and not (name in _GO_ALONG and getattr(recipe, name) == getattr(usual, name))
    ]


def _apart(recipe: Recipe, label: str, found: Sequence[str], recipes: Sequence[Recipe]) -> list[str]:
    """Return what tells a recipe from the others that have the same label."""
    alike = [one for one, other in zip(recipes, found, strict=True) if other == label]
    return [factor(name, getattr(recipe, name)) for name in differing_fields(alike) if name != "images"]


def _length(recipe: Recipe) -> str:
    unit = recipe.schedule_unit.removesuffix("s") if recipe.length == 1 else recipe.schedule_unit
    return f"{number(recipe.length)} {unit}"


def _images(recipe: Recipe, own: str) -> str:
    """Return which images a recipe is trained on, beside others of the same name."""
    if not own:
        return "official images" if is_named(recipe.dataset) else "unknown images"
    return f"images {own}" if is_named(recipe.dataset) or recipe.images else f"images {own}, of an earlier ResLab"
