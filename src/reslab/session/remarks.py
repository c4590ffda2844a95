"""What a comparison can and cannot say, in sentences: whose seeds gave the spread, what was left out, what it takes."""

from collections.abc import Sequence

import polars as pl

from reslab.analysis.comparisons import Compared, compare, same_weights
from reslab.analysis.differences import Difference, by_images_alone
from reslab.analysis.groups import Group, gather
from reslab.exhibits.sizes import NOT_SIGNIFICANT, seeds_needed, size
from reslab.exhibits.wording import counted, listing, points
from reslab.naming import recipe_name
from reslab.recipe import Recipe, field_names

MOST_NAMED = 4
"""Most recipes that a remark names; if there are more, it gives their number."""


def remarks(one: Compared) -> tuple[str, ...]:
    """Return what this many seeds can and cannot say, most important first."""
    assert one.test is not None
    found = one.test.difference
    said = [_same(one), _left_out(one), _single(found), _spread(one), _draw(one), _cut(one), _seeds(one)]
    return tuple(words for words in said if words)


def _same(one: Compared) -> str | None:
    """Say that two recipes trained the very same networks."""
    if not same_weights([one.first, one.second]):
        return None
    return (
        "Runs of both recipes have the same weights, to the bit: the difference between the recipes had no effect.  "
        "Check whether it should have one here."
    )


def _left_out(one: Compared) -> str | None:
    """Name the seeds of the two recipes in the folder that are not compared here, and say what all of them show."""
    groups = one.first, one.second
    if one.first.recipe == one.second.recipe or one.first.tables is None:
        return None
    seeds = [_all_seeds(group) for group in groups]
    if all(len(own) <= group.num_finished for own, group in zip(seeds, groups, strict=True)):
        return None
    whole = [gather(one.first.tables, group.label, group.recipe, own) for group, own in zip(groups, seeds, strict=True)]
    (every,) = compare([(whole[0], whole[1])])
    assert every.test is not None
    kind = {"open": f", {NOT_SIGNIFICANT}", "equal": ", equal"}.get(every.test.kind, "")
    sides = " and ".join(f"{len(own)} of {group.recipe.id}" for own, group in zip(seeds, groups, strict=True))
    compared = " and ".join(str(group.num_finished) for group in groups)
    return (
        f"This is not all that is known: the folder has more finished seeds of these recipes, {sides}, and "
        f"{compared} of them are compared here.  All of them together are the better evidence: "
        f"{size(every.test)}{kind}.  For that, compare the recipes' ids, without a seed."
    )


def _all_seeds(group: Group) -> list[int]:
    """Return the finished seeds of a group's recipe in the whole folder, on the same images as the group."""
    assert group.tables is not None
    images = group.runs["data_fingerprint"].drop_nulls().unique().to_list()
    mine = group.tables.runs.filter(
        (pl.col("recipe_id") == group.recipe.id)
        & (pl.col("status") == "finished")
        & pl.col("test_error").is_not_null()
        & (pl.col("data_fingerprint").is_in(images) | pl.lit(not images))
    )
    return sorted({*mine["seed"].to_list(), *group.finished["seed"].to_list()})


def _single(found: Difference) -> str | None:
    if 1 not in (found.n_first, found.n_second):
        return None
    which = "Each side is" if found.n_first == found.n_second else "One side is"
    return f"{which} a single seed: it shows how these networks do, not how much another seed would differ."


def _spread(one: Compared) -> str | None:
    """Say from whose seeds the spread is estimated, and how large it is."""
    assert one.test is not None
    found = one.test.difference
    if found.margin is None:
        return _unknown(one)
    if not (found.assumed or found.shared) or found.sds is None:
        return None
    taken = "How much a single seed varies is taken" if found.assumed else "How much seeds vary is estimated"
    alike = "  The verdict holds only if these recipes vary alike." if found.assumed else ""
    return (
        f"{taken} from the recipes with several seeds in the folder: {_whose(one)}.  That makes {_sizes(found)} "
        "(standard deviation).  It is scaled by the error, so recipes with other errors get another figure."
        f"{alike}"
    )


def _sizes(found: Difference) -> str:
    """Return by how much one seed varies on each side."""
    assert found.sds is not None
    here, there = (points(value) or "" for value in found.sds)
    if here == there:
        return f"{here} points"
    own = ["" if found.shared or n == 1 else ", by its own seeds," for n in (found.n_first, found.n_second)]
    return f"{here} points for the first{own[0]} and {there} for the second{own[1].rstrip(',')}"


def _unknown(one: Compared) -> str:
    for group in (one.first, one.second):
        if group.num_finished == 1 and group.num_diverged:
            return (
                f"A single seed of {group.label} finished and {counted(group.num_diverged, 'seed')} diverged, so the "
                "spread of other recipes does not apply to it, and the difference supports no verdict."
            )
    return (
        "No recipe in the folder has two finished seeds, so the spread between seeds is unknown and there is "
        "no verdict.  Train a second seed of either (`reslab train ... --seed 1`) to know."
    )


def _whose(one: Compared) -> str:
    """Return the recipes whose seeds gave the spread, and how many of them are compared."""
    assert one.test is not None
    sources = one.test.difference.sources
    both = {one.first.recipe.id, one.second.recipe.id}
    named = _named(one, sources) if len(sources) <= MOST_NAMED else f"{len(sources)} recipes"
    number = len(both.intersection(sources))
    if number < len(sources):
        return f"{named} ({number} of them compared here)" if number else named
    return f"{named} (only {'the two' if number > 1 else 'one'} compared)"


def _named(one: Compared, sources: Sequence[str]) -> str:
    """Return some recipes by name, or by id where two have the same name."""
    known = {group.recipe.id: recipe_name(group.recipe) for group in (one.first, one.second)}
    names = [known.get(source) or _name(one.first, source) for source in sources]
    return listing(names if len(set(names)) == len(names) else sources)


def _name(group: Group, recipe_id: str) -> str:
    """Return the name of a recipe in the tables."""
    assert group.tables is not None
    row = next(group.tables.runs.filter(pl.col("recipe_id") == recipe_id).iter_rows(named=True))
    return recipe_name(Recipe(**{name: row[name] for name in field_names()}))


def _draw(one: Compared) -> str | None:
    assert one.test is not None
    found, images = one.test.difference, one.first.number("num_test")
    here, there = (group.last_epoch("test_error").mean for group in (one.first, one.second))
    if not found.n_first == found.n_second == 1 or not images or here is None or there is None:
        return None
    drawn = by_images_alone(here, there, images)
    return (
        f"Sampling of the {images:,} test images alone can make two such errors differ by up to {points(drawn)} "
        "points (95%)."
    )


def _cut(one: Compared) -> str | None:
    """Say why the interval is asymmetric."""
    assert one.test is not None
    is_cut = any(one.test.difference.cut())
    return "The interval ends at 100 points, the most by which two errors can differ." if is_cut else None


def _seeds(one: Compared) -> str | None:
    assert one.test is not None
    if not one.test.seeds or one.first.recipe == one.second.recipe:
        return None
    return (
        f"To show a difference of this size takes {seeds_needed(one.test)} seeds of each (power 80%, over the 80% "
        "interval of what their spread may be)."
    )
