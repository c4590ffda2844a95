"""A study of the user's own, as a TOML file has it: see "A study of your own" in docs/studies.md.

`preset`, `dataset`, `depth` and `epochs` may stand in [vary] and [[variants]], too; a grid is combined with each of the
variants.
"""

import itertools
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from reslab.errors import ResLabError, nearest
from reslab.exhibits.wording import network_name
from reslab.files import read_toml
from reslab.own_code import within
from reslab.presets import PRESETS, preset_recipe
from reslab.recipe import CHOICES, Recipe, Scalar, check_plays_a_part, stretch, vary, written_fields
from reslab.studies.labels import factor
from reslab.studies.questions import QUESTIONS
from reslab.studies.questions.own import CUSTOM
from reslab.studies.study import NAME, Study, Variant

_TEXTS = ("name", "title", "question", "expectation")
_BASE: dict[str, Scalar] = {"preset": "assignment", "dataset": "cifar10", "depth": 20}
_KEYS = (*_TEXTS, *_BASE, "epochs", "seeds", "recipe", "vary", "variants")
_FILES = ("network", "dataset")
"""What may name a function in a file, by its place beside the TOML file."""
_VARIED = tuple(dict.fromkeys(("preset", "epochs", *written_fields())))


def read_placed(path: Path) -> dict[str, Any]:
    """Return what is in a TOML file, the files that it names found from its folder; raises as `read_toml` does."""
    placed: dict[str, Any] = _placed(read_toml(path), path.parent)
    return placed


def _placed(content: Any, folder: Path) -> Any:
    """Return what is in a file of this folder, the files that it names found from there."""
    if isinstance(content, list):
        return [_placed(one, folder) for one in content]
    if not isinstance(content, dict):
        return content
    placed = {}
    for key, value in content.items():
        listed = value if isinstance(value, list) else [value]
        if key in _FILES and all(isinstance(one, str) for one in listed):
            found = [within(one, folder) for one in listed]
            placed[key] = found if isinstance(value, list) else found[0]
        else:
            placed[key] = _placed(value, folder)
    return placed


def study_of(
    content: Mapping[str, Any],
    datasets: tuple[str, ...] | None,
    precision: str | None,
    default_precision: str,
    recipe: Mapping[str, Scalar] | None = None,
) -> Study:
    """Return the study that a file asks; data sets, precision and fields of the `recipe` take the place of its own.

    `default_precision` is that of a file that names none.  Raises `ResLabError` with the key and the allowed values.
    """
    check_keys("", content, _KEYS)
    texts = {key: text(content, key) for key in _TEXTS}
    name = texts["name"]
    if not NAME.fullmatch(name):
        raise ResLabError(
            f"name: needed, of small letters, digits and hyphens, as in wide-batches; not {content.get('name')!r}"
        )
    if name in (*QUESTIONS, "other-runs"):
        raise ResLabError(f"name: {name!r} is one of ResLab's own; choose another")
    base = {**_BASE, **{key: content[key] for key in (*_BASE, "epochs") if key in content}}
    fixed = _table(content, "recipe")
    check_keys("[recipe] ", fixed, written_fields(), "field")
    fixed |= recipe or {}
    if precision is not None:
        fixed["precision"] = precision
    fixed.setdefault("precision", default_precision)
    grid = grid_of(content)
    if datasets is not None:
        grid = (
            {**grid, "dataset": list(datasets)}
            if len(datasets) > 1
            else {k: v for k, v in grid.items() if k != "dataset"}
        )
        base |= {"dataset": datasets[0]}
        fixed.pop("dataset", None)
    variants = tuple(_variants(base, fixed, grid, _listed(content)))
    varied = (key for variant in variants for key, _ in variant.factors)
    check_plays_a_part([variant.recipe for variant in variants], dict.fromkeys([*fixed, *varied]))
    return Study(
        name=name,
        title=texts["title"] or name,
        question=texts["question"],
        expectation=texts["expectation"],
        variants=variants,
        seeds=_seeds(content.get("seeds", 3)),
        kind=CUSTOM,
    )


def _variants(
    base: Mapping[str, Any],
    fixed: Mapping[str, Any],
    grid: Mapping[str, list[Any]],
    listed: list[tuple[str, dict[str, Any]]],
) -> list[Variant]:
    variants = []
    for label, own in listed:
        for values in itertools.product(*grid.values()):
            combination = dict(zip(grid, values, strict=True))
            for key in combination:
                if key in own:
                    raise ResLabError(f"[[variants]] {label!r}: {key} is in [vary] too; keep it in one of them")
            factors = {**own, **combination}
            where = f"[[variants]] {label!r}" if own else "[vary]" if combination else "[recipe]"
            try:
                recipe = _recipe({**base, **fixed, **factors})
            except ResLabError as error:
                raise ResLabError(f"{_place(error, where, base, fixed, factors)}: {error}") from None
            words = ", ".join(
                [
                    *([label] if label else []),
                    *(
                        network_name(recipe) if key == "network" else factor(key, value)
                        for key, value in combination.items()
                    ),
                ]
            )
            variants.append(Variant(words or "as the recipe", recipe, tuple(factors.items())))
    return variants


def _recipe(values: Mapping[str, Any]) -> Recipe:
    fields = dict(values)
    preset, dataset, depth = fields.pop("preset"), fields.pop("dataset"), fields.pop("depth")
    epochs = fields.pop("epochs", None)
    if not isinstance(preset, str):
        raise ResLabError(f"preset must be text in quotes, one of {', '.join(PRESETS)}; not {preset!r}")
    recipe = preset_recipe(preset, dataset=dataset, depth=depth, family=fields.get("family"))
    if epochs is not None:
        if isinstance(epochs, bool) or not isinstance(epochs, int | float):
            raise ResLabError(f"epochs must be a number above 0, not {epochs!r}")
        recipe = stretch(recipe, epochs)
    return vary(recipe, **fields)


def _place(
    error: ResLabError, where: str, base: Mapping[str, Any], fixed: Mapping[str, Any], factors: Mapping[str, Any]
) -> str:
    """Return the part of the file that a message about a recipe is about, by the key it begins with."""
    key = str(error).split(" ", 1)[0]
    if key in factors:
        return where
    if key in fixed:
        return "[recipe]"
    return key if key in base else where


def grid_of(content: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Return the grid of a file, [vary]: the values of each field; every combination is a variant."""
    grid = _table(content, "vary")
    check_keys("[vary] ", grid, _VARIED, "field")
    for key, values in grid.items():
        if not isinstance(values, list) or not values:
            allowed = f" of {', '.join(CHOICES[key])}" if key in CHOICES else ""
            raise ResLabError(f"[vary] {key}: must be a list{allowed} with at least one value, not {values!r}")
        for value in values:
            if isinstance(value, list | dict):
                raise ResLabError(f"[vary] {key}: its values are single ones, not {value!r}")
    return grid


def _listed(content: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Return the listed variants as (label, fields); one without label or fields where none are listed."""
    listed = content.get("variants", [{}])
    if not isinstance(listed, list) or not listed or not all(isinstance(own, dict) for own in listed):
        raise ResLabError("variants: write each as a table under its own [[variants]] line")
    if "variants" not in content:
        return [("", {})]
    found = []
    for number, own in enumerate(listed, start=1):
        label = own.get("label")
        if not isinstance(label, str) or not label.strip():
            raise ResLabError(f"[[variants]] number {number}: label: needed, some text")
        fields = {key: value for key, value in own.items() if key != "label"}
        check_keys(f"[[variants]] {label!r} ", fields, _VARIED, "field")
        found.append((label.strip(), fields))
    return found


def _seeds(value: Any) -> tuple[int, ...]:
    if isinstance(value, int) and not isinstance(value, bool) and value >= 1:
        return tuple(range(value))
    if isinstance(value, list) and value and all(_is_seed(seed) for seed in value) and len(set(value)) == len(value):
        return tuple(value)
    raise ResLabError(
        "seeds: must be how many (1 or more) or a list of different whole numbers from 0, as in [0, 1, 7]; "
        f"not {value!r}"
    )


def _is_seed(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**32


def text(content: Mapping[str, Any], key: str) -> str:
    """Return a text of the file, "" where there is none."""
    value = content.get(key, "")
    if not isinstance(value, str):
        raise ResLabError(f"{key}: must be text in quotes, not {value!r}")
    return value.strip()


def _table(content: Mapping[str, Any], key: str) -> dict[str, Any]:
    value = content.get(key, {})
    if not isinstance(value, dict):
        raise ResLabError(f"{key}: must be a table, its fields below a line [{key}]; not {value!r}")
    return dict(value)


def check_keys(where: str, table: Mapping[str, Any], known: Collection[str], noun: str = "key") -> None:
    """Raise `ResLabError` for a key of a table that is none of the known ones; `where` the table stands comes first."""
    for key in table:
        if key not in known:
            close, listed = nearest(key, list(known)), ", ".join(known)
            raise ResLabError(f"{where}{key}: there is no such {noun}{close}; the {noun}s are {listed}")
