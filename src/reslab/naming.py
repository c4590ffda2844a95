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
"""The word for a field beside its value, if shorter than its name."""

_LABELLED = ("network", "family", "depth", "dataset", *FILLED_IN)
"""Fields that the rest of a label already shows."""

_DROPS = ("first_drop", "second_drop", "third_drop")

_GO_ALONG = (*_DROPS, "warmup_length")
"""Fields that scale with the length of a preset."""

_TOLD = ("dataset", "images", "network", "family", "depth", "width", "precision")
"""Fields shown in other words, or only if nothing else tells two runs apart."""


def number(value: float) -> str:
    """Return a setting with as many digits as it needs: 0.0001, 128, 1,640, 163.84.

    Below 1e-9 and from 1e15 it is a power of ten, as in 2e-12.
    """
    if abs(value) >= 1e15 or 0 < abs(value) < 1e-9:
        return f"{value:g}".replace("-", "\N{MINUS SIGN}")
    shown = f"{Decimal(f'{value:.12g}'):,f}"  # not more digits: sums of floats end in noise
    return (shown.rstrip("0").rstrip(".") if "." in shown else shown).replace("-", "\N{MINUS SIGN}")


def dataset_name(dataset: str) -> str:
    """Return a data set's usual name."""
    return known(dataset).words


def network_name(recipe: Recipe) -> str:
    """Return a network's usual name, e.g. ResNet-20 or WRN-28-10; a user's own network is named by its function."""
    if (own := recipe.own_network) is not None:
        return own.words
    width = f"-{recipe.width}" if FAMILIES[recipe.family].has_width else ""
    return f"{FAMILY_NAMES[recipe.family]}-{recipe.depth}{width}"


def with_warmup(recipe: Recipe, among: Iterable[Recipe]) -> str:
    """Return a network's name, with its warm-up where the same network is `among` these recipes without one."""
    name = network_name(recipe)
    plain = any(one.warmup == "none" and network_name(one) == name for one in among)
    return f"{name}, warm-up" if recipe.warmup != "none" and plain else name


def run_name(run: Run) -> str:
    """Return a run's name for readers: its recipe's name and the seed."""
    return f"{recipe_name(run.recipe)}, seed {run.seed}"


def run_names(runs: Iterable[Run]) -> dict[str, str]:
    """Return the names of some runs by their ids; names that would be alike add precision, images or recipe id."""
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
    """Return a recipe's name for readers: network, images, and how it differs from the nearest preset.

    The preset is named unless it is the assignment's, the default.
    """
    preset, base, is_stretched = _nearest(recipe)
    parts = [network_name(recipe), dataset_name(recipe.dataset)]
    parts += [preset] if preset != "assignment" else []
    if is_stretched:
        parts.append(f"{recipe.length:g} {'epoch' if recipe.length == 1 else 'epochs'}")
    return ", ".join([*parts, *(_words(name, getattr(recipe, name)) for name in _changed(recipe, base))])


def labels(recipes: Sequence[Recipe], images: Sequence[str] | None = None, beside: Sequence[Recipe] = ()) -> list[str]:
    """Return a distinct, short label for each of some recipes: the network, and what else differs.

    A schedule appears as its length alone if its drops are the preset's at that length.  The length appears if it
    differs, among these or from the recipes `beside` them; an unchanged preset appears by its name.  `images` are the
    starts of each recipe's image fingerprints; "" means the images that the data set's name identifies.
    """
    presets = [_preset(recipe) for recipe in recipes]
    by_preset = len(set(filter(None, presets))) > 1
    lengths = len({(one.length, one.schedule_unit) for one in (*recipes, *beside)}) > 1
    several = len({recipe.dataset for recipe in recipes}) > 1
    ours = [recipe for recipe in recipes if not recipe.network]
    same = set(OWN_NETWORK) - set(differing_fields(ours))  # an own network has no shortcut, so none is shown
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
    """Return the preset nearest to a recipe, and the preset's recipe at the same network and length in epochs."""
    return _nearest(recipe)[:2]


def _nearest(recipe: Recipe) -> tuple[str, Recipe, bool]:
    """Return the preset that differs in the fewest fields, and its recipe at the same network and length.

    The last value says whether that length differs from the preset's own, which counts as one field, as do all drops.
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
    """Return a preset's recipe, cached: hundreds of runs are named from the same few."""
    return preset_recipe(preset, dataset=dataset, depth=depth, family=family)


@lru_cache(maxsize=1024)
def _stretched(base: Recipe, epochs: float) -> Recipe:
    return stretch(base, epochs)


def _is_longer(recipe: Recipe, base: Recipe) -> bool:
    """Say whether a recipe's length in epochs differs from the preset's: if so, the preset's drops scale with it."""
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
    """Return the preset that a recipe matches apart from its length; None if it differs in more."""
    name, base = as_preset(recipe)
    apart = [one for one in differing_fields([recipe, base]) if one not in (*_LABELLED, "precision")]
    return None if apart else name


def _told(recipe: Recipe, fields: Sequence[str]) -> list[str]:
    """Return which of the differing fields to show for a recipe."""
    usual = as_preset(recipe)[1]
    return [
        name
        for name in fields
        if not (recipe.network and name in OWN_NETWORK)
        and name not in ("length", "schedule_unit")
        and not (name in _GO_ALONG and getattr(recipe, name) == getattr(usual, name))
    ]


def _apart(recipe: Recipe, label: str, found: Sequence[str], recipes: Sequence[Recipe]) -> list[str]:
    """Return what distinguishes a recipe from others with the same label."""
    alike = [one for one, other in zip(recipes, found, strict=True) if other == label]
    return [factor(name, getattr(recipe, name)) for name in differing_fields(alike) if name != "images"]


def _length(recipe: Recipe) -> str:
    unit = recipe.schedule_unit.removesuffix("s") if recipe.length == 1 else recipe.schedule_unit
    return f"{number(recipe.length)} {unit}"


def _images(recipe: Recipe, own: str) -> str:
    """Return which images a recipe is trained on, to distinguish them from others of the same name."""
    if not own:
        return "official images" if is_named(recipe.dataset) else "unknown images"
    return f"images {own}" if is_named(recipe.dataset) or recipe.images else f"images {own}, of an earlier ResLab"
