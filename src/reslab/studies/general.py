"""The answer to any comparison: what varied, the curves by variant, final figures, differences to the first."""

from collections.abc import Mapping, Sequence
from typing import Any

from reslab.analysis.comparisons import compare
from reslab.analysis.groups import Group, datasets_of
from reslab.analysis.tidy import Tables
from reslab.datasets import SHORT, is_named
from reslab.exhibits.blocks import Block, Bullets, Column, Heading, Prose, Table
from reslab.exhibits.curves import error_figure
from reslab.exhibits.finals import by_variant_figure
from reslab.exhibits.rates import rate_figure
from reslab.exhibits.tables import variant_table
from reslab.exhibits.wording import counted, dataset_name, network_name, number, opened
from reslab.recipe import FILLED_IN, Recipe, Scalar, differing_fields
from reslab.studies.against_presets import another_in_short, another_recipe, as_published, as_published_in_short
from reslab.studies.chapter import verdicts
from reslab.studies.comparing import diverged_words, missing_words
from reslab.studies.designs import muon_words, within
from reslab.studies.sections import opening, progress, what_was_run
from reslab.studies.study import OTHERS, Study, Variant
from reslab.studies.verdicts import verdict_words

CUSTOM = "custom"


def answer(study: Study, tables: Tables) -> list[Block]:
    """Return the report's part on a study of the user's own, or on runs that belong to no study."""
    groups = study.groups(tables)
    done = [group for group in groups if group.has_result]
    sentences = as_published_in_short(done) + another_in_short(done)
    blocks = [
        *opening(study),
        *([Prose(f"In short.  {'  '.join(sentences)}")] if sentences else []),
        *progress(groups),
    ]
    varied = _varied(study)
    blocks += [*([varied] if varied is not None else []), *what_was_run(groups, _label), *muon_words(groups)]
    figures = (
        error_figure("train", groups, "train", _label),
        error_figure("test", groups, "test", _label),
        rate_figure("rate", groups),
    )
    drawn = [figure for figure in figures if figure is not None]
    if drawn:
        blocks += [Heading("Curves"), *drawn]
    final = by_variant_figure("final", groups, _label)
    if final is not None:
        blocks += [Heading("Results"), final, variant_table("final-figures", groups, _label)]
    if study.kind == CUSTOM and final is not None and len(groups) > 1:
        blocks += _differences(groups)
    beside = as_published(done) + another_recipe(done)
    return [*blocks, *([Heading("How do the results compare with the paper's?"), *beside] if beside else [])]


def others(tables: Tables, studies: Sequence[Study]) -> Study | None:
    """Return a study of every run in the tables that belongs to none of the studies; None where there is none.

    Runs of one recipe on different images are different variants.
    """
    known = {run.id for study in studies for run in study.runs()}
    seeds: dict[tuple[Recipe, str], list[int]] = {}
    for row in tables.runs.sort("recipe_id", "seed").iter_rows(named=True):
        if row["run_id"] not in known:
            recipe = Recipe.from_mapping({name: row[name] for name in Recipe.__dataclass_fields__})
            seeds.setdefault((recipe, _images(row)), []).append(row["seed"])
    if not seeds:
        return None
    names = labels(*map(list, zip(*seeds, strict=True)))
    variants = tuple(
        Variant(name, recipe, seeds=tuple(own)) for name, ((recipe, _), own) in zip(names, seeds.items(), strict=True)
    )
    every = sorted({seed for own in seeds.values() for seed in own})
    return Study(
        name="other-runs",
        title="Other runs",
        question="Runs that belong to no study, as from reslab train.",
        expectation="",
        variants=variants,
        seeds=tuple(every),
        kind=OTHERS,
    )


def labels(recipes: Sequence[Recipe], images: Sequence[str] | None = None) -> list[str]:
    """Return a different, short label for each of some recipes: the network, and what else differs.

    `images` are those of each, by the start of their fingerprint; "" are those that the data set's name tells.
    """
    fields = [name for name in differing_fields(list(recipes)) if name not in _TOLD_OTHERWISE]
    several = len({recipe.dataset for recipe in recipes}) > 1
    pairs = list(zip(recipes, images or [recipe.images for recipe in recipes], strict=True))
    found = []
    for recipe, own in pairs:
        parts = [network_name(recipe), *([dataset_name(recipe.dataset)] if several else [])]
        parts += [factor(name, getattr(recipe, name)) for name in fields]
        if len({other for one, other in pairs if one.dataset == recipe.dataset}) > 1:
            official = "official images" if is_named(recipe.dataset) else "unknown images"
            former = not (is_named(recipe.dataset) or recipe.images)
            parts.append(f"images {own}{', of an earlier ResLab' if former else ''}" if own else official)
        found.append(", ".join(parts))
    return found


_TOLD_OTHERWISE = ("family", "depth", "dataset", *FILLED_IN)


def _images(row: Mapping[str, Any]) -> str:
    """Return the start of the fingerprint of a run's images; "" for those that its data set's name tells."""
    if row["data_official"] or row["data_fingerprint"] is None:
        return str(row["images"])
    return str(row["data_fingerprint"])[:SHORT]


def factor(name: str, value: Scalar) -> str:
    """Return a field and its value in words: learning rate 0.1, no nesterov."""
    words = name.replace("_", " ")
    if name == "dataset":
        return dataset_name(str(value))
    if isinstance(value, bool):
        return words if value else f"no {words}"
    return f"{words} {number(value) if isinstance(value, int | float) else value}"


def _label(group: Group) -> str:
    return group.label


def _varied(study: Study) -> Table | None:
    """Return the factors as a table, a row a variant; None where the variants have none."""
    names = list(dict.fromkeys(name for variant in study.variants for name, _ in variant.factors))
    if not names:
        return None
    rows = []
    for variant in study.variants:
        own = dict(variant.factors)
        cells = [_cell(name, own[name]) if name in own else None for name in names]
        rows.append((variant.label, *cells))
    columns = (
        Column("Variant", "left"),
        *(Column(_TITLES.get(name, opened(name.replace("_", " "))), "left") for name in names),
    )
    each = "each" if len(rows) > 1 else "it"
    caption = f"The {counted(len(rows), 'variant')} of this study and what is particular about {each}."
    return Table("varied", "What varied", caption, columns, tuple(rows))


_TITLES = {"dataset": "Data set"}


def _cell(name: str, value: Scalar) -> str:
    if name == "dataset":
        return dataset_name(str(value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return number(value) if isinstance(value, int | float) else str(value)


def _differences(groups: Sequence[Group]) -> list[Block]:
    """Return each variant against the first finished one of its data set, as cautiously as its seeds are few."""
    compared = compare(within(groups, _with_first))
    if not any(one.test for one in compared):
        nothing = "Fewer than two variants have finished runs, so there is nothing to compare."
        return [Heading("Differences"), Prose(nothing), *diverged_words(groups)]
    blocks: list[Block] = []
    for dataset in datasets_of(groups):
        own = [one for one in compared if one.first.recipe.dataset == dataset and one.test is not None]
        items = [f"{one.second.label}: {verdict_words(one.test)}." for one in own if one.test is not None]
        if items:
            where = f" on {dataset_name(dataset)}" if len(datasets_of(groups)) > 1 else ""
            lead = f"Last-epoch test error{where}, compared with {own[0].first.label} ([[comparisons]]):"
            blocks += [Prose(lead), Bullets(tuple(items))]
    tables = verdicts(groups, compared, _label)
    return [Heading("Differences"), *tables, *blocks, *diverged_words(groups), *missing_words(groups)]


def _with_first(own: Sequence[Group]) -> list[tuple[Group, Group]]:
    done = [group for group in own if group.has_result or group.num_diverged]
    first = next((group for group in done if group.has_result), None)
    return [] if first is None else [(first, group) for group in done if group is not first]
