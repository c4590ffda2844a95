"""Design of studies: base recipes from the options, what is changed in them, and what is compared with what."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from itertools import pairwise, permutations
from typing import cast

from reslab.analysis.classes import HUNDRED, TEN
from reslab.diagnostics.cost import check_names
from reslab.errors import ResLabError
from reslab.exhibits.wording import Label, dataset_name, listing, network_name
from reslab.host import default_precision
from reslab.presets import PRESETS, preset_recipe
from reslab.recipe import IMAGENET_FAMILIES, Recipe, Scalar, stretch, vary
from reslab.studies.findings import Groups, Pairs
from reslab.studies.study import PRESET, SEEDS, Options, Study, Variant
from reslab.studies.words import words_of

BOTH = (TEN, HUNDRED)
"""The data sets of the assignment."""

Asked = tuple[str, Recipe, Mapping[str, Scalar]]
"""A variant's distinguishing words, its recipe, and its distinguishing values."""


def study_of(
    name: str,
    options: Options,
    asked: Iterable[Asked],
    *,
    diagnostics: tuple[str, ...] = (),
    diagnostics_during: tuple[str, ...] = (),
    **values: object,
) -> Study:
    """Return the study of one of ResLab's own questions: its words, filled with `values`, and its variants.

    Labels include network and data set, so they are complete by themselves; a repeated recipe is left out.  Raises
    `ResLabError` where the network leaves nothing to compare: all values of a factor give it the same recipe.
    """
    check_names((*diagnostics, *diagnostics_during))
    words, variants, all_asked = words_of(name), dict[Recipe, Variant](), list(asked)
    for particular, recipe, factors in all_asked:
        parts = [*([particular] if particular else []), network_name(recipe), dataset_name(recipe.dataset)]
        everything = {"dataset": recipe.dataset, "depth": recipe.depth, **factors}
        variants.setdefault(recipe, Variant(", ".join(parts), recipe, tuple(everything.items())))
    _check_own(name, all_asked, variants)
    _check_factors(name, all_asked, variants)
    return Study(
        name=name,
        title=words("title"),
        question=words("question", **values),
        expectation=words("expectation", **values),
        variants=tuple(variants.values()),
        seeds=tuple(range(options.seeds or SEEDS)),
        kind=name,
        diagnostics=diagnostics,
        diagnostics_during=diagnostics_during,
    )


def _check_own(name: str, asked: Sequence[Asked], kept: Collection[Recipe]) -> None:
    """Raise `ResLabError` where all variants on a data set are one and the same network of the user's own."""
    times = Counter(recipe.dataset for _, recipe, _ in asked)
    distinct = Counter(recipe.dataset for recipe in kept)
    for recipe in kept:
        if recipe.network and times[recipe.dataset] > distinct[recipe.dataset] == 1:
            raise ResLabError(
                f"{name} compares networks that ResLab builds, but {network_name(recipe)} is the same network in all "
                "of its settings; write a study of your own that varies network"
            )


def _check_factors(name: str, asked: Iterable[Asked], kept: Mapping[Recipe, Variant]) -> None:
    """Raise `ResLabError` where a network has the same recipe for all values of a factor.

    Where only some values share a recipe, as changes in fidelity that do not apply, the repeated ones are left out.
    """
    wanted: dict[tuple[str, str, str], list[Scalar]] = {}
    left: dict[tuple[str, str, str], set[Scalar | None]] = {}
    for _, recipe, factors in asked:
        for factor, value in factors.items():
            place = recipe.dataset, network_name(recipe), factor
            wanted.setdefault(place, []).append(value)
            left.setdefault(place, set()).add(dict(kept[recipe].factors).get(factor))
    for place, values in wanted.items():
        if len(set(values)) > 1 == len(left[place]):
            _, network, factor = place
            listed = listing(map(str, dict.fromkeys(values)))
            raise ResLabError(
                f"{name} compares {factor} {listed}, but {network} has the same recipe for all of them; use other "
                "networks, as with family residual"
            )


def base_recipe(options: Options, dataset: str, depth: int, family: str | None = None) -> Recipe:
    """Return the recipe that a study varies: the preset, as changed by the options.

    A `family` that the study varies overrides that of the options.
    """
    changes = dict(options.recipe) if family is None else {**dict(options.recipe), "family": family}
    of_family = cast(str | None, changes.get("family"))
    recipe = preset_recipe(options.preset or PRESET, dataset=dataset, depth=depth, family=of_family)
    recipe = recipe if options.epochs is None else stretch(recipe, options.epochs)
    return vary(recipe, precision=options.precision or default_precision(options.device), **changes)


def bases(options: Options, depths: Sequence[int]) -> list[Recipe]:
    """Return the base recipe on each data set at each depth: those requested, else the assignment's and `depths`.

    Raises `ResLabError` where the preset is for ImageNet networks and depths or data sets are not given: the defaults
    do not fit them.
    """
    preset = PRESETS.get(options.preset or PRESET)
    if preset is not None and preset.recipe.family in IMAGENET_FAMILIES and not (options.depths and options.datasets):
        raise ResLabError(
            f"the preset {options.preset} is for ImageNet networks: choose depths, as in --depths 18,34, and images, "
            "as in --dataset imagefolder"
        )
    return [
        base_recipe(options, dataset, depth)
        for dataset in options.datasets or BOTH
        for depth in options.depths or depths
    ]


def steps(line: Groups) -> Pairs:
    """Return pairs of each group in a line with the next, and of the first with the last."""
    return [*pairwise(line), *([(line[0], line[-1])] if len(line) > 2 else [])]


def with_base(study: Study, name: str, value: Scalar) -> Callable[[Groups], Pairs]:
    """Return a function that pairs each base, a group with this value of a factor, with all others of its depth."""
    base = of_factor(study, name, value)
    if not base:
        known = dict.fromkeys(f"{factor} {number}" for one in study.variants for factor, number in one.factors)
        raise ResLabError(f"no variant of the study {study.name} has {name} {value}; they have {', '.join(known)}")
    return lambda own: [
        (first, second)
        for first, second in permutations(own, 2)
        if first.recipe in base and first.recipe.depth == second.recipe.depth
    ]


def of_factor(study: Study, name: str, value: Scalar) -> set[Recipe]:
    """Return the recipes of the variants that have this value of a factor."""
    return {variant.recipe for variant in study.variants if dict(variant.factors).get(name) == value}


def several_depths(study: Study) -> bool:
    """Return whether a study has networks of several depths."""
    return len({variant.recipe.depth for variant in study.variants}) > 1


def with_network(study: Study, label: Label) -> Label:
    """Return a label that also names the network where a study has several depths."""
    if not several_depths(study):
        return label
    return lambda group: f"{label(group)}, {network_name(group.recipe)}"
