"""A recipe in words: only what plays a part in it, with units, and what differs between variants said so."""

from collections.abc import Callable, Sequence
from functools import cache, partial

from reslab.analysis.groups import Group
from reslab.analysis.summary import schedule_epochs
from reslab.datasets import known
from reslab.exhibits.blocks import Column, Table
from reslab.exhibits.captions import Texts, titled
from reslab.exhibits.wording import dataset_name, listing, network_name, number, settings, whole
from reslab.families import family_of
from reslab.recipe import Recipe, images_trained_on, unhandled

_TEXTS = Texts("recipe.toml")

_SELF_EXPLAINING = ("Data set", "Network")


@cache
def _describe(aspect: str, recipe: Recipe) -> str | None:
    return _words(f"aspects.{aspect}", recipe) or None


ASPECTS: tuple[tuple[str, Callable[[Recipe], str | None]], ...] = tuple(
    (aspect, partial(_describe, aspect)) for aspect in _TEXTS.tables["aspects"]
)
"""The aspects of a recipe in the order of the table, each with its words; None where it plays no part."""


def recipe_table(key: str, groups: Sequence[Group]) -> Table:
    """Return the recipes of all groups as one table: a row an aspect, its values, and whose they are if they differ."""
    rows: list[tuple[str | None, ...]] = []
    for aspect, describe in ASPECTS:
        described = [(group, describe(group.recipe)) for group in groups]
        if any(text is not None for _, text in described):
            without = _TEXTS.tables["without"].get(aspect)
            described = [(group, text or without) for group, text in described]
        values = list(dict.fromkeys(text for _, text in described if text is not None))
        alike = len(values) == 1 and all(text is not None for _, text in described)
        if values:
            told = listing(values) if alike or aspect in _SELF_EXPLAINING else _by(described, values)
            rows.append((aspect, told))
    seeds = list(dict.fromkeys(group.seeds for group in groups))
    shown = seeds[0] if len(seeds) == 1 else sorted({seed for own in seeds for seed in own})
    rows.append(("Seeds", listing(str(seed) for seed in shown) + ("" if len(seeds) == 1 else ", not all of each")))
    return Table(key, *titled("recipe"), (Column("Aspect", "left"), Column("Value", "left")), tuple(rows))


def schedule_table(key: str, groups: Sequence[Group]) -> Table:
    """Return the counterpart of the assignment's table 5: the lengths of training and the places of the drops."""
    schedules: dict[tuple[str, float | None, float | None], None] = {}  # in order, each once
    for group in groups:
        places = schedule_epochs(group.recipe, group.number("num_train"))
        unit = "epochs" if places else group.recipe.schedule_unit
        found = places or (group.recipe.first_drop, group.recipe.second_drop, group.recipe.length)
        first, second, length = (round(place, 1) for place in found)
        drops = (first, second) if group.recipe.schedule == "step" else (None, None)
        schedules[f"{_place(length)} {unit}", *drops] = None
    lengths, firsts, seconds = zip(*schedules, strict=True)
    columns = (Column("Length", "left"), Column("First drop after"), Column("Second drop after"))
    rows = tuple(zip(lengths, settings(firsts), settings(seconds), strict=True))
    return Table(key, *titled("schedules"), columns, rows)


def differences(recipe: Recipe, other: Recipe, *, epochs_apart: float = 1.0) -> list[tuple[str, str, str]]:
    """Return (aspect, here, there) for each aspect in which two recipes differ, leaving out what is compared.

    Schedules whose places lie less than `epochs_apart` from each other count as one, as 164 epochs and 64,000
    iterations on CIFAR do; with 0 none but equal ones do.
    """
    found = []
    for aspect, describe in ASPECTS:
        without = _TEXTS.tables["without"].get(aspect, "none")
        here, there = describe(recipe) or without, describe(other) or without
        if aspect in _SELF_EXPLAINING or here == there:
            continue
        if aspect == "Schedule" and _same_schedule(recipe, other, epochs_apart):
            continue
        found.append((aspect, here, there))
    return found


def _words(name: str, recipe: Recipe) -> str:
    """Return a text of recipe.toml on a recipe; raises `ResLabError` for a value of a field that has none."""

    def of(field: str) -> str:
        value = getattr(recipe, field)
        if value not in _TEXTS.tables[field]:
            raise unhandled(field, value)
        return _words(f"{field}.{value}", recipe)

    def parts(table: str) -> list[str]:
        return [text for key in _TEXTS.tables[table] if (text := _words(f"{table}.{key}", recipe))]

    unit = recipe.schedule_unit
    drops = [recipe.first_drop, recipe.second_drop, *([recipe.third_drop] if recipe.third_drop else [])]
    return _TEXTS(
        name,
        r=recipe,
        of=of,
        parts=parts,
        family=family_of(recipe.family),
        in_files=known(recipe.dataset).in_files,
        length=f"{_place(recipe.length)} {unit.removesuffix('s') if recipe.length == 1 else unit}",
        drops=[*map(_place, drops)],
        warmup=f"{_place(recipe.warmup_length)} {unit}",
    )


def _place(place: float) -> str:
    return whole(int(place)) or "" if place == int(place) else number(round(place, 2))


def _by(described: Sequence[tuple[Group, str | None]], values: Sequence[str]) -> str:
    """Return values with whose they are, where data set or network tells that, else the values alone."""
    names: tuple[Callable[[Group], str], ...] = (
        lambda group: dataset_name(group.recipe.dataset),
        lambda group: network_name(group.recipe),
    )
    for name in names:
        holders = {text: list(dict.fromkeys(name(group) for group, own in described if own == text)) for text in values}
        everyone = [one for own in holders.values() for one in own]
        silent = {name(group) for group, own in described if own is None}
        if len(everyone) == len(set(everyone)) and not silent & set(everyone):
            return "; ".join(f"{text} ({listing(own)})" for text, own in holders.items())
    return f"{'; '.join(values)} (by variant)"


def _same_schedule(recipe: Recipe, other: Recipe, epochs_apart: float) -> bool:
    """Return whether the places of two schedules lie less than so many epochs from each other.

    Iterations on a data set whose name does not tell its size are no known epochs.
    """
    here, there = (schedule_epochs(one, images_trained_on(one)) for one in (recipe, other))
    if here is None or there is None or recipe.drop_factor != other.drop_factor:
        return False
    return all(abs(first - second) < epochs_apart for first, second in zip(here, there, strict=True))
