"""The chapter of a study of one's own, or of runs of no study: each against the first, and the paper's figure."""

from collections.abc import Callable

from reslab.analysis.groups import Group
from reslab.exhibits.blocks import Column, Table
from reslab.exhibits.factor_figures import MEASURED, Axis
from reslab.exhibits.wording import dataset_name, network_name, number, opened
from reslab.presets import preset_of
from reslab.published import Published
from reslab.recipe import Recipe, Scalar
from reslab.studies.against_published import paper_answers, published_beside
from reslab.studies.answers import by_base
from reslab.studies.designs import within
from reslab.studies.findings import Groups, Pairs
from reslab.studies.labels import factor
from reslab.studies.question import Beside, Chapter
from reslab.studies.study import Study
from reslab.studies.words import Words

CUSTOM = "custom"


def chapter(study: Study, words: Words) -> Chapter:
    """Return the chapter of a study of the user's own, or of runs that belong to no study."""
    axis, place = _axis(study)
    places: dict[tuple[str, int], list[str]] = {}
    for variant in study.variants:
        recipe = variant.recipe
        places.setdefault((recipe.dataset, recipe.depth), []).append(
            place(recipe) if axis else _bare(variant.label, recipe)
        )

    def stands(one: Published) -> str:
        known = places.get((one.dataset, one.depth or 0), [])
        return known[0] if len(known) == 1 else ""

    return Chapter(
        words=words,
        label=_label,
        short=_short,
        pairs=_pairs if study.kind == CUSTOM else lambda _: [],
        varied=axis.title.lower() if axis else _recipe_name(study),
        paper_told=True,
        axis=axis,
        published=Beside(published_beside, stands),
        answers=lambda found: [*by_base(found), *paper_answers(found.done, found.words)],
        exhibits=lambda found: [table for table in (_varied(study),) if table is not None],
        ordered=axis is not None,
    )


def _axis(study: Study) -> tuple[Axis | None, Callable[[Recipe], str]]:
    """Return the axis of the one setting that a study varies in numbers, and where a recipe stands on it."""
    names = {name for variant in study.variants for name, _ in variant.factors if name != "dataset"}
    name = names.pop() if len(names) == 1 else ""
    values = {variant.recipe: dict(variant.factors).get(name) for variant in study.variants}
    known = [value for value in values.values() if isinstance(value, int | float) and not isinstance(value, bool)]

    def place(recipe: Recipe) -> str:
        value = values[recipe]
        return number(value) if isinstance(value, int | float) else ""

    if not name or len(known) < len(values) or len(set(known)) < 2:
        return None, place
    return Axis(opened(name.replace("_", " ")), lambda group: place(group.recipe), lambda _: MEASURED), place


def _pairs(groups: Groups) -> Pairs:
    """Return each variant against the first finished one of its data set."""

    def with_first(own: Groups) -> Pairs:
        done = [group for group in own if group.has_result or group.num_diverged]
        first = next((group for group in done if group.has_result), None)
        return [] if first is None else [(first, group) for group in done if group is not first]

    return within(groups, with_first)


def _label(group: Group) -> str:
    return group.label


def _short(group: Group) -> str:
    return _bare(group.label, group.recipe)


def _bare(label: str, recipe: Recipe) -> str:
    """Return a label without what its network's name or its data set says; the network where that is all."""
    said = (dataset_name(recipe.dataset), f"depth {recipe.depth}")
    return ", ".join(part for part in label.split(", ") if part not in said) or network_name(recipe)


def _recipe_name(study: Study) -> str:
    """Return the name of the preset that all variants are, where they are one as it stands."""
    presets = {None if (preset := preset_of(variant.recipe)) is None else preset.name for variant in study.variants}
    name = presets.pop() if len(presets) == 1 else None
    return f"{name} recipe" if name else "variant"


def _varied(study: Study) -> Table | None:
    """Return the factors as a table, a row a variant; None where the labels tell all of them."""
    names = list(dict.fromkeys(name for variant in study.variants for name, _ in variant.factors))
    told = all(factor(name, value) in variant.label for variant in study.variants for name, value in variant.factors)
    if not names or told:
        return None
    rows = []
    for variant in study.variants:
        own = dict(variant.factors)
        cells = [_cell(name, own[name]) if name in own else None for name in names]
        rows.append((variant.label, *cells))
    titles = ("Data set" if name == "dataset" else opened(name.replace("_", " ")) for name in names)
    columns = (Column("Variant", "left"), *(Column(title, "left") for title in titles))
    return Table("varied", "What varied", "The variants and what is particular about each.", columns, tuple(rows))


def _cell(name: str, value: Scalar) -> str:
    if name == "dataset":
        return dataset_name(str(value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return number(value) if isinstance(value, int | float) else str(value)
