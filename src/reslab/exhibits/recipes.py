"""Recipes in words: only what plays a part, with units, and with what differs between variants marked."""

from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

from reslab.analysis.groups import Group
from reslab.analysis.summary import rounded_schedule, same_schedule
from reslab.analysis.tables import each_of
from reslab.datasets import known
from reslab.exhibits.blocks import Column, Table
from reslab.exhibits.captions import Words, read_texts, titled
from reslab.exhibits.wording import dataset_name, listing, network_name, number, of_length, settings
from reslab.families import family_of
from reslab.recipe import Recipe, unhandled

_TEXTS = Words(read_texts(Path(__file__).with_name("recipe.toml")))

MACHINE = "Machine"
"""The row of the recipe table that is not part of the recipe."""

_SELF_EXPLAINING = ("Data set", "Network")


@cache
def aspects(recipe: Recipe) -> dict[str, str]:
    """Return the aspects of a recipe in words, in the order of the table; "" for one that plays no part."""
    return {aspect: _words(f"aspects.{aspect}", recipe) for aspect in _TEXTS.under("aspects")}


def recipe_table(key: str, groups: Sequence[Group]) -> Table:
    """Return the recipes of all groups as one table: a row per aspect, with its values and whose they are if several.

    Machines, which affect results only through rounding, have a row if any is known.
    """
    rows = []
    for aspect in _TEXTS.under("aspects"):
        texts = [aspects(group.recipe)[aspect] for group in groups]
        if any(texts):
            texts = [text or _TEXTS.texts.get(f"without.{aspect}", "") for text in texts]
            alike = len(set(texts)) == 1 or aspect in _SELF_EXPLAINING
            rows.append((aspect, listing(dict.fromkeys(filter(None, texts))) if alike else _by(groups, texts)))
    machines = [listing(each_of(group.runs["device_name"])) for group in groups]
    if any(machines):
        rows.append((MACHINE, _most_and_others(groups, [text or "not recorded" for text in machines])))
    seeds = list(dict.fromkeys(group.seeds for group in groups))
    shown = seeds[0] if len(seeds) == 1 else sorted({seed for own in seeds for seed in own})
    rows.append(("Seeds", listing(map(str, shown)) + ("" if len(seeds) == 1 else " (not every setting has all)")))
    return Table(key, *titled("recipe"), (Column("Aspect", "left"), Column("Value", "left")), tuple(rows))


def schedule_table(key: str, groups: Sequence[Group]) -> Table:
    """Return the counterpart of the assignment's table 5: the lengths of training and when the rate drops."""
    every = (rounded_schedule(group.recipe, group.number("num_train")) for group in groups)
    lengths, units, drops = zip(*dict.fromkeys(every), strict=True)
    told = [of_length(length, unit) for length, unit in zip(lengths, units, strict=True)]
    heads = [f"{ordinal} drop after" for ordinal in ("First", "Second", "Third")[: max(2, *map(len, drops))]]
    places = [settings([own[place] if len(own) > place else None for own in drops]) for place in range(len(heads))]
    rows = tuple(zip(told, *places, strict=True))
    return Table(key, *titled("schedules"), (Column("Length", "left"), *map(Column, heads)), rows)


def differences(recipe: Recipe, other: Recipe, *, epochs_apart: float = 1.0) -> list[tuple[str, str, str]]:
    """Return (aspect, here, there) for each aspect in which two recipes differ, without data set and network.

    Schedules less than `epochs_apart` from each other count as the same, like 164 epochs and 64,000 iterations on
    CIFAR; with 0, all aspects in different words count as different.
    """
    alike = {*_SELF_EXPLAINING, *(["Schedule"] if same_schedule(recipe, other, epochs_apart) else [])}
    here, there = (
        {aspect: text or _TEXTS.texts.get(f"without.{aspect}", "none") for aspect, text in aspects(one).items()}
        for one in (recipe, other)
    )
    return [(name, here[name], there[name]) for name in here if name not in alike and here[name] != there[name]]


def _words(name: str, recipe: Recipe) -> str:
    """Return a text of recipe.toml for a recipe; raises `ResLabError` for a field's value without a text."""

    def of(field: str) -> str:
        value = getattr(recipe, field)
        if f"{field}.{value}" not in _TEXTS.texts:
            raise unhandled(field, value)
        return _words(f"{field}.{value}", recipe)

    def parts(table: str) -> list[str]:
        return [text for key in _TEXTS.under(table) if (text := _words(f"{table}.{key}", recipe))]

    unit = recipe.schedule_unit
    return _TEXTS(
        name,
        r=recipe,
        of=of,
        parts=parts,
        family=family_of(recipe.family),
        in_files=known(recipe.dataset).in_files,
        length=of_length(recipe.length, unit),
        drops=[number(round(drop, 2)) for drop in recipe.drops],
        warmup=f"{number(round(recipe.warmup_length, 2))} {unit}",
    )


def _most_and_others(groups: Sequence[Group], texts: Sequence[str]) -> str:
    """Return the most common text, then the others with their groups."""
    (most, _), *others = Counter(texts).most_common()
    holders = {
        text: [group.label for group, own in zip(groups, texts, strict=True) if own == text] for text, _ in others
    }
    return "; ".join([most, *(f"{text} ({'; '.join(names)})" for text, names in holders.items())])


def _by(groups: Sequence[Group], texts: Sequence[str]) -> str:
    """Return the groups' texts, each with its data sets or networks if these determine the text."""
    told = list(dict.fromkeys(filter(None, texts)))
    names: tuple[Callable[[Recipe], str], ...] = (lambda recipe: dataset_name(recipe.dataset), network_name)
    for name in names:
        holders = dict.fromkeys(zip(texts, (name(group.recipe) for group in groups), strict=True))
        if len(holders) == len({who for _, who in holders}):
            return "; ".join(f"{text} ({listing(who for own, who in holders if own == text)})" for text in told)
    return f"{'; '.join(told)} (by variant)"
