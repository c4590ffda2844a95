"""Pairs of groups compared by their last-epoch errors, with verdicts corrected for their number (pure).

The spread of seeds is shared: among the groups compared where enough of them have two seeds, else among all recipes of
the report.  A group with a single seed is given the spread of the others, and its comparisons say so; a seed whose
siblings diverged is not.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import polars as pl

from reslab.analysis.differences import (
    PAIRS_NEEDED,
    Difference,
    from_single,
    own_spread,
    own_variance,
    paired_difference,
    with_spreads,
)
from reslab.analysis.groups import Group
from reslab.analysis.spread import Own, Prior, Spread, common, fit, share, stands_out
from reslab.analysis.summary import Summary, summarise
from reslab.analysis.verdicts import MARGIN, Kind, Verdict, judge
from reslab.published import Published
from reslab.recipe import Recipe

SHARED_BY_SEED = (
    *("dataset", "train_share", "holdout"),
    *("network", "family", "depth", "width", "shortcut", "initialisation"),
)
"""Fields that two recipes must share for one seed to give both the same initial weights and order of images."""

IMAGES = {"test_error": "num_test", "train_error": "num_train"}
"""The column with the number of images that an error is measured on."""


@dataclass(frozen=True, slots=True)
class Compared:
    """Second against first: verdicts on test and training error, None where one of them has no finished run."""

    first: Group
    second: Group
    test: Verdict | None
    train: Verdict | None

    @property
    def kind(self) -> Kind | None:
        """What is shown for the test errors; None without a verdict."""
        return None if self.test is None else self.test.kind


def one_each(compared: Sequence[Compared]) -> list[Compared]:
    """Return the first comparison of each second group."""
    found: dict[str, Compared] = {}
    for one in compared:
        found.setdefault(one.second.label, one)
    return list(found.values())


def wholly_apart(one: Compared) -> float:
    """Return the gap in test error between the seeds of the two groups, negative where all of the second's are lower.

    0 where their seeds overlap, or one has fewer than two.
    """
    first: list[float]
    first, second = (group.finished["test_error"].drop_nulls().to_list() for group in (one.first, one.second))
    if min(len(first), len(second)) < 2:
        return 0.0
    above, below = float(min(second) - max(first)), float(max(second) - min(first))
    return above if above > 0 else min(below, 0.0)


def same_weights(groups: Sequence[Group]) -> list[tuple[Group, Group]]:
    """Return the groups of different recipes that ended with the same weights, to the bit: what differs did nothing."""
    first: dict[str, Group] = {}
    found: dict[tuple[str, str], tuple[Group, Group]] = {}
    for group in groups:
        for digest in group.finished["weights_sha256"].drop_nulls():
            other = first.setdefault(digest, group)
            if other.recipe != group.recipe:
                found.setdefault((other.recipe.id, group.recipe.id), (other, group))
    return list(found.values())


def tested(compared: Sequence[Compared]) -> list[Verdict]:
    """Return the verdicts on test errors that rest on a test."""
    return [one.test for one in compared if one.test is not None and one.test.p is not None]


def compare(pairs: Iterable[tuple[Group, Group]]) -> list[Compared]:
    """Compare groups in pairs; Holm's correction is over all pairs, separately for test and training errors.

    Training errors are never called equal: the margin is meant for test errors, and all of theirs may lie within it.
    """
    listed = list(pairs)
    test, train = (_verdicts(listed, column) for column in ("test_error", "train_error"))
    return [Compared(*pair, test[place], train[place]) for place, pair in enumerate(listed)]


def compare_with_published(pairs: Sequence[tuple[Group, Published]]) -> list[Verdict | None]:
    """Judge groups' test errors against published ones, ours minus theirs; Holm's correction is over all pairs.

    A published mean with a spread over runs is compared using both spreads.  A single published run is one draw: the
    interval is that of one more run of ours.  None where a group has no finished run.
    """
    spreads = shared_spreads([group for group, _ in pairs], "test_error")
    found = {place: spreads.from_published(group, one) for place, (group, one) in enumerate(pairs)}
    known = {place: one for place, one in found.items() if one is not None}
    judged = dict(zip(known, judge(list(known.values())), strict=True))
    return [judged.get(place) for place in range(len(pairs))]


def share_seeds(first: Recipe, second: Recipe) -> bool:
    """Return whether one seed gives two recipes the same initial weights and order of images."""
    return all(getattr(first, name) == getattr(second, name) for name in SHARED_BY_SEED)


def step(group: Group, column: str = "test_error") -> float:
    """Return one image as a percentage of the test set or of the training images; 0 where unknown."""
    images = group.number(IMAGES[column])
    return 100 / images if images else 0.0


@dataclass(frozen=True, slots=True)
class SharedSpreads:
    """The known spreads of some groups in one of their errors, by recipe id.

    `moderated` are the recipes whose own spread was drawn towards the others', `assumed` those with a single seed,
    which were given the others'.  `basis` is the degrees of freedom that the shared spread was estimated from, and
    `sources` the recipes whose seeds provide them.
    """

    spreads: Mapping[str, Spread]
    moderated: frozenset[str] = frozenset()
    assumed: frozenset[str] = frozenset()
    basis: float = float("inf")
    sources: tuple[str, ...] = ()

    def between(self, first: Group, second: Group, column: str) -> Difference | None:
        """Compare two of the groups, second minus first."""
        names = first.recipe.id, second.recipe.id
        sides = first.last_epoch(column), second.last_epoch(column)
        leaning = self.moderated | self.assumed
        basis = self.basis if leaning.intersection(names) else float("inf")
        spreads = [self.spreads.get(name) for name in names]
        if names[0] == names[1] and spreads[0] is not None:  # one variance, known once
            basis = min(basis, spreads[0].freedom)
        return self._marked(with_spreads(*sides, spreads, basis), names)

    def from_published(self, group: Group, one: Published) -> Difference | None:
        """Compare the test error of one of the groups with a published one, ours minus theirs."""
        name, measured = group.recipe.id, group.last_epoch("test_error")
        own = self.spreads.get(name)
        if one.standard_deviation is None or one.n is None or one.n < 2:
            return self._marked(from_single(one.error, measured, spread=own), (name,))
        theirs = Summary(one.n, one.error, one.standard_deviation)
        found = with_spreads(theirs, measured, [own_spread(theirs, step(group)), own])
        return self._marked(None if found is None else replace(found, published=True), (name,))

    def _marked(self, found: Difference | None, names: tuple[str, ...]) -> Difference | None:
        if found is None or found.margin is None:
            return found
        shared, assumed = (bool(own.intersection(names)) for own in (self.moderated, self.assumed))
        return replace(found, shared=shared, assumed=assumed, sources=self.sources if shared or assumed else ())


def shared_spreads(groups: Sequence[Group], column: str) -> SharedSpreads:
    """Return the spread of seeds in each group, moderated by the other groups or by the rest of the report.

    Groups that share a recipe, with different seeds, have one spread.
    """
    by_recipe: dict[str, dict[tuple[int, ...], Group]] = {}
    for group in groups:
        if group.last_epoch(column).n:
            by_recipe.setdefault(group.recipe.id, {})[tuple(group.seeds)] = group
    distinct = {name: list(by_seeds.values()) for name, by_seeds in by_recipe.items()}
    one_each = [same[0] for same in distinct.values()]
    own = {name: one for name, same in distinct.items() if (one := _own(same, column)) is not None}
    prior, apart = common(list(own.values()))
    sources = [name for place, name in enumerate(own) if place not in apart]
    if prior is None:
        prior, apart, sources = _from_report(one_each, list(own.values()), column)
    leaning = dict(zip(own, share(list(own.values()), prior, apart), strict=True))
    moderated = frozenset(name for place, name in enumerate(own) if prior is not None and place not in apart)
    spreads = {
        name: leaning.get(name) or own_spread(same[0].last_epoch(column), step(same[0], column))
        for name, same in distinct.items()
    }
    lent = prior
    if lent is None:
        lent, sources = _pooled(one_each, column)
    assumed = set()
    for name, same in distinct.items():
        summary, images = same[0].last_epoch(column), same[0].number(IMAGES[column])
        is_single = all(group.last_epoch(column).n == 1 and not group.num_diverged for group in same)
        if lent is not None and is_single and images:
            spreads[name] = lent.assume(_unit(summary, images))
            assumed.add(name)
    known = {name: spread for name, spread in spreads.items() if spread is not None}
    basis = lent.basis if lent is not None else float("inf")
    return SharedSpreads(known, moderated, frozenset(assumed), basis, tuple(dict.fromkeys(sources)))


def _from_report(
    groups: Sequence[Group], own: Sequence[Own], column: str
) -> tuple[Prior | None, frozenset[int], list[str]]:
    """Return the prior of the report's recipes, which of these groups vary far more, and the recipes it is from."""
    found = _of_report(groups, column)
    prior, apart = common([one for _, one in found])
    if prior is None:
        return None, frozenset(), []
    sources = [name for place, (name, _) in enumerate(found) if place not in apart]
    return prior, frozenset(place for place, one in enumerate(own) if stands_out(one, prior, len(own))), sources


def _pooled(groups: Sequence[Group], column: str) -> tuple[Prior | None, list[str]]:
    """Return the pooled spread of the report's recipes with two seeds or more, and the ids of these."""
    found = _of_report(groups, column)
    return fit([one for _, one in found]) if found else None, [name for name, _ in found]


def _of_report(groups: Sequence[Group], column: str) -> list[tuple[str, Own]]:
    """Return the spread of seeds of each recipe in these groups' report with two seeds or more, with its id.

    Seeds vary more the nearer a training is to diverging, so those at other learning rates say little: they are used
    only where there are none at the groups' own.
    """
    known = next((group.tables for group in groups if group.tables is not None), None)
    if known is None:
        return []
    finished = known.runs.filter((pl.col("status") == "finished") & pl.col(column).is_not_null())
    at_their_rates = pl.col("learning_rate").is_in(list({group.recipe.learning_rate for group in groups}))
    return _of_runs(finished.filter(at_their_rates), column) or _of_runs(finished, column)


def _of_runs(rows: pl.DataFrame, column: str) -> list[tuple[str, Own]]:
    same = ("recipe_id", "data_fingerprint", IMAGES[column])
    by_recipe = rows.group_by(same, maintain_order=True).agg(pl.col(column))
    found = [(name, _own_of(summarise(values), images)) for name, _, images, values in by_recipe.iter_rows()]
    return [(name, one) for name, one in found if one is not None]


def _own(same: Sequence[Group], column: str) -> Own | None:
    """Return the spread of a recipe's seeds within its groups; None where each has a single one."""
    found = [one for group in same if (one := _own_of(group.last_epoch(column), group.number(IMAGES[column])))]
    if not found:
        return None
    freedom = sum(one.freedom for one in found)
    variance, unit = (sum(one.freedom * getattr(one, name) for one in found) / freedom for name in ("variance", "unit"))
    return Own(variance, freedom, unit)


def _own_of(summary: Summary, images: int | None) -> Own | None:
    """Return the spread of some seeds; None for a single one, or where the number of images is unknown."""
    if summary.sd is None or not images:
        return None
    return Own(own_variance(summary.sd, 100 / images), summary.n - 1, _unit(summary, images))


def _unit(summary: Summary, images: int) -> float:
    """Return the binomial variance of an error in percent over these images, plus one right and one wrong.

    Without these two it would be zero where all are right.
    """
    assert summary.mean is not None
    share_wrong = (summary.mean / 100 * images + 1) / (images + 2)
    return 100**2 * share_wrong * (1 - share_wrong) / images


def _verdicts(pairs: list[tuple[Group, Group]], column: str) -> dict[int, Verdict | None]:
    spreads = shared_spreads([group for pair in pairs for group in pair], column)
    found = {place: _paired(*pair, column) or spreads.between(*pair, column) for place, pair in enumerate(pairs)}
    known = {place: one for place, one in found.items() if one is not None}
    margin = MARGIN if column == "test_error" else 0.0
    judged = dict(zip(known, judge(list(known.values()), margin), strict=True))
    return {place: judged.get(place) for place in found}


def _paired(first: Group, second: Group, column: str) -> Difference | None:
    """Compare two groups by seed; None where that is unsound or gains nothing.

    It is sound where one seed gives both recipes the same initial weights and order of images, and both have the same
    seeds; otherwise the means shown would be of other seeds than the difference.  It takes five seeds or more to gain.
    """
    here, there = (_by_seed(group, column) for group in (first, second))
    if not share_seeds(first.recipe, second.recipe) or here.keys() != there.keys() or len(here) < PAIRS_NEEDED:
        return None
    return paired_difference(here, there, max(step(first, column), step(second, column)))


def _by_seed(group: Group, column: str) -> dict[int, float]:
    finished = group.finished.select("seed", column).drop_nulls()
    return dict(zip(finished["seed"].to_list(), finished[column].to_list(), strict=True))
