"""How studies are designed: base recipes from the options, schedules made longer, variants named and listed once."""

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import cast

from reslab.analysis.groups import Group, by_dataset
from reslab.errors import ResLabError
from reslab.exhibits.wording import Label, dataset_name, network_name
from reslab.host import default_precision
from reslab.presets import PRESETS, preset_recipe
from reslab.recipe import IMAGENET_FAMILIES, Recipe, Scalar, stretch, vary
from reslab.studies.study import PRESET, SEEDS, Options, Study, Variant
from reslab.studies.words import words_of

TEN, HUNDRED = "cifar10", "cifar100"
BOTH = (TEN, HUNDRED)
"""The data sets of the assignment."""

Factors = tuple[tuple[str, Scalar], ...]


def base_recipe(options: Options, dataset: str, depth: int, family: str | None = None) -> Recipe:
    """Return the recipe from which a study's own factors follow: the preset, as the options change it."""
    changes = dict(options.recipe)
    if family is None:
        family = cast(str | None, changes.get("family"))
    else:  # the study's own factor
        changes.pop("family", None)
    recipe = preset_recipe(options.preset or PRESET, dataset=dataset, depth=depth, family=family)
    recipe = recipe if options.epochs is None else stretch(recipe, options.epochs)
    return vary(recipe, precision=options.precision or default_precision(options.device), **changes)


def bases(options: Options, depths: Sequence[int]) -> list[Recipe]:
    """Return the base recipe on each data set at each depth: those asked for, else the assignment's and `depths`.

    Raises `ResLabError` where the preset is of ImageNet's networks, which have other depths and other images.
    """
    preset = PRESETS.get(options.preset or PRESET)
    if preset is not None and preset.recipe.family in IMAGENET_FAMILIES and not (options.depths and options.datasets):
        raise ResLabError(
            f"the preset {options.preset} is of ImageNet's networks: say which, as in --depths 18,34, and on which "
            "images, as in --dataset imagefolder"
        )
    return [
        base_recipe(options, dataset, depth)
        for dataset in options.datasets or BOTH
        for depth in options.depths or depths
    ]


def where(base: Recipe) -> Factors:
    """Return the factors that every variant of a base shares with it."""
    return (("dataset", base.dataset), ("depth", base.depth))


def lengthened(recipe: Recipe, factor: float) -> Recipe:
    """Return the recipe with its schedule so many times as long, in its own unit."""
    if factor == 1:
        return recipe
    if recipe.schedule_unit == "epochs":
        return stretch(recipe, recipe.length * factor)
    places = (recipe.length, recipe.first_drop, recipe.second_drop, recipe.third_drop)
    length, first, second, third = (round(place * factor) for place in places)
    return vary(recipe, length=length, first_drop=first, second_drop=second, third_drop=third)


def times(value: float, factor: float) -> float:
    """Return a setting times a factor, without the last digits of binary fractions: 0.1 times 0.2 is 0.02."""
    return float(f"{value * factor:.12g}")


def at_rate(recipe: Recipe, factor: float) -> Recipe:
    """Return a recipe with its learning rate times a factor; Muon's, which goes along with it, likewise."""
    rate, muon = times(recipe.learning_rate, factor), times(recipe.muon_rate, factor)
    return (
        vary(recipe, learning_rate=rate, muon_rate=muon)
        if recipe.optimiser == "muon"
        else vary(recipe, learning_rate=rate)
    )


def variants(asked: Iterable[tuple[str, Recipe, Factors]]) -> tuple[Variant, ...]:
    """Return a variant for each (label, recipe, factors); a recipe that came before is left out."""
    found: dict[Recipe, Variant] = {}
    for label, recipe, factors in asked:
        found.setdefault(recipe, Variant(label, recipe, factors))
    return tuple(found.values())


def labelled(parts: Sequence[str], recipe: Recipe) -> str:
    """Return a label that stands alone: what is particular, the network, the data set."""
    return ", ".join([*parts, network_name(recipe), dataset_name(recipe.dataset)])


def study_of(
    name: str,
    options: Options,
    asked: Iterable[tuple[str, Recipe, Factors]],
    *,
    diagnostics: tuple[str, ...] = (),
    diagnostics_during: tuple[str, ...] = (),
    **values: object,
) -> Study:
    """Return the study of a question of ResLab's own: its words, with their values, and what it asks."""
    words = words_of(name)
    return Study(
        name=name,
        title=words("title"),
        question=words("question", **values),
        expectation=words("expectation", **values),
        variants=variants(asked),
        seeds=tuple(range(options.seeds or SEEDS)),
        kind=name,
        diagnostics=diagnostics,
        diagnostics_during=diagnostics_during,
    )


def within(
    groups: Sequence[Group], find: Callable[[Sequence[Group]], list[tuple[Group, Group]]]
) -> list[tuple[Group, Group]]:
    """Return the pairs that `find` finds among the groups of each data set."""
    return [pair for _, own in by_dataset(groups) for pair in find(own)]


def with_base(groups: Sequence[Group], base: Collection[Recipe]) -> list[tuple[Group, Group]]:
    """Return the comparisons of each base with every other group of its data set and depth."""
    return within(
        groups,
        lambda own: [
            (first, second)
            for first in own
            if first.recipe in base
            for second in own
            if second.recipe.depth == first.recipe.depth and second is not first
        ],
    )


def of_factor(study: Study, name: str, value: Scalar) -> set[Recipe]:
    """Return the recipes of the variants that have this value of a factor, as the base has."""
    return {variant.recipe for variant in study.variants if dict(variant.factors).get(name) == value}


def several_depths(study: Study) -> bool:
    """Return whether a study has networks of several depths."""
    return len({variant.recipe.depth for variant in study.variants}) > 1


def with_network(study: Study, label: Label) -> Label:
    """Return a label that names the network, too, where a study has several depths."""
    if not several_depths(study):
        return label
    return lambda group: f"{label(group)}, {network_name(group.recipe)}"
