"""The chapter of a user's own study, or of runs of no study: each against the first, and the paper's figures."""

from reslab.analysis.comparable import Beside, published_beside
from reslab.analysis.groups import Group
from reslab.exhibits.blocks import Table, table_of
from reslab.exhibits.captions import titled
from reslab.exhibits.factor_figures import MEASURED, Axis
from reslab.exhibits.wording import Label, dataset_name, network_name, number, opened
from reslab.naming import factor
from reslab.presets import preset_of
from reslab.published import Published
from reslab.recipe import Recipe, Scalar
from reslab.studies.against_published import paper_answers
from reslab.studies.answers import by_base
from reslab.studies.findings import Answer, Findings, Groups, Pairs
from reslab.studies.question import VARIANT, Chapter
from reslab.studies.study import Study
from reslab.studies.words import Words

CUSTOM = "custom"

Depth = tuple[int, str]
"""A network's depth, and the user's own network if it is one."""


def chapter(study: Study, words: Words) -> Chapter:
    """Return the chapter of a study of the user's own, or of runs that belong to no study."""
    setting, places = _in_numbers(study)

    def stands(one: Published) -> str:
        alike = [own for own in study.variants if (own.recipe.dataset, own.recipe.depth) == (one.dataset, one.depth)]
        known = [places.get(own.recipe) or _bare(own.label, own.recipe) for own in alike]
        return known[0] if len(known) == 1 else ""

    return Chapter(
        words=words,
        label=lambda group: group.label,
        short=_short(study),
        pairs=_pairs if study.kind == CUSTOM else lambda _: [],
        varied=setting.lower() or _recipe_name(study),
        paper_told=True,
        axis=Axis(setting, lambda group: places[group.recipe], lambda _: MEASURED) if places else None,
        published=Beside(published_beside, stands),
        answers=_answers,
        exhibits=lambda found: [_varied(study)],
        ordered=bool(places),
    )


def _in_numbers(study: Study) -> tuple[str, dict[Recipe, str]]:
    """Return the only setting that a study varies, and each recipe's value; "" and {} unless it is a number."""
    names = {name for variant in study.variants for name, _ in variant.factors if name != "dataset"}
    name = names.pop() if len(names) == 1 else ""
    values = {variant.recipe: dict(variant.factors).get(name) for variant in study.variants}
    known = [value for value in values.values() if isinstance(value, int | float) and not isinstance(value, bool)]
    if len(known) < len(values) or len(set(known)) < 2:
        return "", {}
    return _head(name), dict(zip(values, map(number, known), strict=True))


def _pairs(own: Groups) -> Pairs:
    """Return pairs of each variant on a data set with the first of its depth, and with its setting at the first depth.

    Where the first depth lacks that setting, only a depth's first variant is compared, with the first of all.
    """
    depths: dict[Depth, list[Group]] = {}
    for group in own:
        if group.has_result or group.num_diverged:
            depths.setdefault(_depth(group), []).append(group)
    bases = [next((one for one in alike if one.has_result), alike[0]) for alike in depths.values()]
    lead = next((base for base in bases if base.has_result), None)
    if lead is None:
        return []
    known = {_setting(one): one for one in depths[_depth(lead)] if one.has_result}
    within, across = Pairs(), Pairs()
    for base, alike in zip(bases, depths.values(), strict=True):
        within += [(base, one) for one in alike]
        across += [(known.get(_setting(one), lead), one) for one in alike if one is base or _setting(one) in known]
    return [(first, second) for first, second in (*within, *across) if first is not second and first.has_result]


def _answers(found: Findings) -> list[Answer]:
    """Return the answers at each depth, then between depths, and against the paper's figures."""
    within = [one for one in found.compared if _depth(one.first) == _depth(one.second)]
    across = [one for one in found.compared if _depth(one.first) != _depth(one.second)]
    names: dict[Depth, set[str]] = {}
    for group in found.done:
        names.setdefault(_depth(group), set()).add(network_name(group.recipe))

    def network(group: Group) -> str:
        return network_name(group.recipe) if len(names[_depth(group)]) == 1 else f"{group.recipe.depth} layers"

    if not within or len(names) == 1:
        by_variant = by_base(found)
    else:
        by_variant = [*by_base(found, within, _setting, network), *by_base(found, across, network, _setting)]
    return [*by_variant, *paper_answers(found.done, found.words)]


def _depth(group: Group) -> Depth:
    """Return a network's depth, or the user's own network, which has none."""
    return group.recipe.depth, group.recipe.network


def _setting(group: Group) -> str:
    """Return a group's label without its network and data set."""
    return _bare(group.label, group.recipe, network_name(group.recipe))


def _bare(label: str, recipe: Recipe, *more: str) -> str:
    """Return a label without its data set, its depth and `more`; the network where nothing is left."""
    said = (dataset_name(recipe.dataset), f"depth {recipe.depth}", *more)
    return ", ".join(part for part in label.split(", ") if part not in said) or network_name(recipe)


def _short(study: Study) -> Label:
    """Return a label without the network, or with it where labels would be the same."""
    bare = [(variant.recipe.dataset, _bare(variant.label, variant.recipe)) for variant in study.variants]
    if len(set(bare)) == len(bare):
        return lambda group: _bare(group.label, group.recipe)

    def name(group: Group) -> str:
        short, network = _bare(group.label, group.recipe), network_name(group.recipe)
        return short if network in short else f"{short}, {network}"

    return name


def _recipe_name(study: Study) -> str:
    """Return the name of the preset that all variants match exactly, or `VARIANT` where they do not."""
    presets = [preset_of(variant.recipe) for variant in study.variants]
    names = {preset.name if preset is not None else "" for preset in presets}
    return f"{name} recipe" if len(names) == 1 and (name := names.pop()) else VARIANT


def _varied(study: Study) -> Table | None:
    """Return the factors as a table, a row per variant; None where the labels already give all of them."""
    factors = [(variant.label, dict(variant.factors)) for variant in study.variants]
    recipes = {variant.label: variant.recipe for variant in study.variants}
    if all(
        factor(name, value) in label or value in label.split() for label, own in factors for name, value in own.items()
    ):
        return None
    names = dict.fromkeys(name for _, own in factors for name in own)
    rows = [
        {
            "Variant": label,
            **{_head(name): _cell(name, own.get(name, getattr(recipes[label], name, None))) for name in names},
        }
        for label, own in factors
    ]
    return table_of("varied", titled("varied"), rows, left=[*map(_head, names)])


def _head(name: str) -> str:
    return "Data set" if name == "dataset" else opened(name.replace("_", " "))


def _cell(name: str, value: Scalar | None) -> str | None:
    if value is None:
        return None
    if isinstance(value, str):
        return dataset_name(value) if name == "dataset" else value
    return ("yes" if value else "no") if isinstance(value, bool) else number(value)
