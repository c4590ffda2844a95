"""A study of the user's own, read from a TOML file: see "A study of your own" in docs/studies.md.

`preset`, `dataset`, `depth` and `epochs` may also be in [vary] and [[variants]]; a grid is combined with each of the
variants.
"""

import itertools
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from reslab.errors import ResLabError, nearest
from reslab.exhibits.wording import network_name
from reslab.host import default_precision
from reslab.naming import factor
from reslab.presets import PRESETS, preset_recipe
from reslab.recipe import CHOICES, Recipe, Scalar, check_plays_a_part, stretch, vary, written_fields
from reslab.studies.questions import QUESTIONS
from reslab.studies.questions.own import CUSTOM
from reslab.studies.study import MOST_SEEDS, OTHER_RUNS, PRESET, SEEDS, TAKEN, Options, Study, Variant

Table = Mapping[str, Any]

MOST_VARIANTS = 10_000
"""Most variants of a study: a larger grid is a mistake and exhausts memory."""

_BASE: dict[str, Scalar] = {"preset": PRESET, "dataset": "cifar10", "depth": 20}
_KEYS = ("name", "title", "question", "expectation", *_BASE, "epochs", "seeds", "answers", "recipe", "vary", "variants")
_VARIED = tuple(dict.fromkeys(("preset", "epochs", *written_fields())))


def read_study(content: Table, options: Options) -> Study:
    """Return the study in a file; data sets, epochs, seeds, precision and recipe of the options override the file.

    Fields set in [vary] or [[variants]] override the recipe of the options.  Data sets of the options replace those in
    [vary]; any other option for what [vary] or [[variants]] set is an error.  Raises `ResLabError` with the key and
    the allowed values.
    """
    if misplaced := [key for key in content if key not in _KEYS and key in written_fields()]:
        raise ResLabError(f"{misplaced[0]}: this is a field of the recipe; write it below a line [recipe]")
    if plural := [key for key in content if key not in _KEYS and key.removesuffix("s") in _VARIED]:
        raise ResLabError(f"{plural[0]}: there is no such key; for several write [vary] {plural[0][:-1]} = [...]")
    check_keys("", content, _KEYS)
    name = text(content, "name")
    if name in (*QUESTIONS, OTHER_RUNS, *TAKEN):
        raise ResLabError(f"name: {name!r} is one of ResLab's own; choose another")
    base = {**_BASE, **{key: content[key] for key in (*_BASE, "epochs") if key in content}}
    fixed, grid = _table(content, "recipe"), _grid(content)
    check_keys("[recipe] ", fixed, written_fields(), "field")
    if twice := [key for key in fixed if key in grid or (key == "depth" and key in content)]:
        other = "in [vary]" if twice[0] in grid else "above"
        raise ResLabError(f"[recipe] {twice[0]}: also given {other}; keep only one")
    fixed |= options.recipe
    given = {"dataset": options.datasets, "epochs": options.epochs, "precision": options.precision}
    kept = varied(content) - ({"dataset"} & grid.keys())
    for key, value in given.items():
        if value is not None and key in kept:
            raise ResLabError(f"{key} has no effect on {name}, which varies it itself; leave it out")
    if options.epochs is not None and "length" in {*kept, *fixed}:
        raise ResLabError(f"epochs has no effect on {name}, which sets length itself; leave it out")
    if options.epochs is not None:
        base["epochs"] = options.epochs
    if options.precision is not None or "precision" not in fixed:
        fixed["precision"] = options.precision or default_precision(options.device)
    if options.datasets is not None:
        base["dataset"] = options.datasets[0]
        fixed.pop("dataset", None)
        if len(options.datasets) > 1:
            grid["dataset"] = list(options.datasets)
        else:
            grid.pop("dataset", None)
    variants = tuple(_variants(base, fixed, grid, _listed(content)))
    factors = (key for variant in variants for key, _ in variant.factors)
    check_plays_a_part([variant.recipe for variant in variants], dict.fromkeys([*fixed, *factors]))
    return Study(
        name=name,
        title=text(content, "title") or name,
        question=text(content, "question"),
        expectation=text(content, "expectation"),
        variants=variants,
        seeds=tuple(range(options.seeds)) if options.seeds else _seeds(content),
        kind=CUSTOM,
        answers=answered(content),
    )


def varied(content: Table) -> set[str]:
    """Return the fields that [vary] and [[variants]] of a file set."""
    return {*_grid(content), *(key for _, own in _listed(content) for key in own)}


def _variants(
    base: Table, fixed: Table, grid: Mapping[str, list[Any]], listed: Sequence[tuple[str, Table]]
) -> list[Variant]:
    """Return each of the listed variants, (label, fields), with each combination of the grid."""
    total = len(listed) * math.prod(map(len, grid.values()))
    if total > MOST_VARIANTS:
        raise ResLabError(f"[vary] asks for {total:,} variants; at most {MOST_VARIANTS:,} are possible")
    variants = []
    for label, own in listed:
        for values in itertools.product(*grid.values()):
            combination = dict(zip(grid, values, strict=True))
            if twice := [key for key in combination if key in own]:
                raise ResLabError(f"[[variants]] {label!r}: {twice[0]} is also in [vary]; keep only one")
            factors = {**own, **combination}
            where = f"[[variants]] {label!r}" if own else "[vary]" if combination else "[recipe]"
            try:
                recipe = _recipe({**base, **fixed, **factors})
            except ResLabError as error:
                places = dict.fromkeys(base, "") | dict.fromkeys(fixed, "[recipe]") | dict.fromkeys(factors, where)
                key = str(error).split(" ", 1)[0]  # messages begin with the field
                place = places.get(key, where)
                raise ResLabError(f"{place}: {error}" if place else str(error)) from None
            words = [
                network_name(recipe) if key == "network" else factor(key, value) for key, value in combination.items()
            ]
            name = ", ".join([label, *words] if label else words)
            variants.append(Variant(name or "as the recipe", recipe, tuple(factors.items())))
    return variants


def _recipe(values: Table) -> Recipe:
    fields = dict(values)
    preset, dataset, depth = fields.pop("preset"), fields.pop("dataset"), fields.pop("depth")
    epochs = fields.pop("epochs", None)
    if not isinstance(preset, str) or preset not in PRESETS:
        hint = nearest(str(preset), PRESETS)
        raise ResLabError(f"preset must be text in quotes, one of {', '.join(PRESETS)}; not {preset!r}{hint}")
    recipe = preset_recipe(preset, dataset=dataset, depth=depth, family=fields.get("family"))
    return vary(recipe if epochs is None else stretch(recipe, epochs), **fields)


def _grid(content: Table) -> dict[str, list[Any]]:
    """Return a file's grid, [vary]: the values of each field; every combination is a variant."""
    grid = _table(content, "vary")
    check_keys("[vary] ", grid, _VARIED, "field")
    for key, values in grid.items():
        if not isinstance(values, list) or not values or any(isinstance(one, list | dict) for one in values):
            allowed = f" of {', '.join(CHOICES[key])}" if key in CHOICES else ""
            raise ResLabError(f"[vary] {key}: must be a list{allowed}, of one or more single values, not {values!r}")
        seen: set[Any] = set()
        for one in values:
            if one in seen:
                raise ResLabError(f"[vary] {key}: the value {one!r} appears twice")
            seen.add(one)
    return grid


def _listed(content: Table) -> list[tuple[str, Table]]:
    """Return the listed variants as (label, fields); where none are listed, one without label or fields."""
    if "variants" not in content:
        return [("", {})]
    found: list[tuple[str, Table]] = []
    for number, own in enumerate(tables(content, "variants"), start=1):
        label = own.get("label")
        if not isinstance(label, str) or not label.strip():
            raise ResLabError(f"[[variants]] number {number}: label: must be some text in quotes")
        fields = {key: value for key, value in own.items() if key != "label"}
        check_keys(f"[[variants]] {label!r} ", fields, _VARIED, "field")
        found.append((label.strip(), fields))
    return found


def _seeds(content: Table) -> tuple[int, ...]:
    def holds(found: Any) -> bool:
        if not isinstance(found, list):
            return type(found) is int and 1 <= found <= MOST_SEEDS
        return all(type(seed) is int and 0 <= seed < 2**32 for seed in found) and 0 < len(found) == len(set(found))

    what = f"how many (1 to {MOST_SEEDS:,}) or a list of different whole numbers from 0, as in [0, 1, 7]"
    found = checked(content, "seeds", holds, what) or SEEDS
    return tuple(found if isinstance(found, list) else range(found))


def answered(content: Table) -> bool:
    """Return whether the report gives answers, or leaves them to its reader."""
    return checked(content, "answers", lambda found: isinstance(found, bool), "true or false") is not False


def text(content: Table, key: str) -> str:
    """Return a text of the file; "" where there is none."""
    return str(checked(content, key, lambda found: isinstance(found, str), "text in quotes") or "").strip()


def _table(content: Table, key: str) -> dict[str, Any]:
    what = f"a table, its fields below a line [{key}]"
    return dict(checked(content, key, lambda found: isinstance(found, dict), what) or {})


def tables(content: Table, key: str) -> list[Table]:
    """Return the tables that a file lists under lines [[key]], one or more."""
    listed = content[key]
    if not is_list_of(dict, listed):
        raise ResLabError(f"{key}: write each as a table under its own [[{key}]] line")
    return list(listed)


def is_list_of(kind: type, found: Any) -> bool:
    """Return whether a value is a list of one or more of this type."""
    return isinstance(found, list) and bool(found) and all(type(one) is kind for one in found)


def checked(content: Table, key: str, holds: Callable[[Any], bool], what: str) -> Any:
    """Return a value of the file, None where there is none; raise `ResLabError` unless it `holds`, naming `what`."""
    found = content.get(key)
    if key in content and not holds(found):
        raise ResLabError(f"{key}: must be {what}, not {found!r}")
    return found


MOST_LISTED = 20
"""Most names that an error lists where it also suggests the nearest."""


def check_keys(where: str, table: Table, known: Collection[str], noun: str = "key") -> None:
    """Raise `ResLabError`, beginning with `where`, for a key of a table that is not one of the known ones."""
    for key in table:
        if key not in known:
            close, listed = nearest(key, known), f"; the {noun}s are {', '.join(known)}"
            is_long = close and len(known) > MOST_LISTED
            raise ResLabError(f"{where}{key}: there is no such {noun}{close}{'' if is_long else listed}")
