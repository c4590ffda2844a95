"""Pairs of groups compared by their last-epoch errors, with verdicts corrected for how many there are (pure)."""

from collections.abc import Iterable
from dataclasses import dataclass

from reslab.analysis.differences import PAIRS_NEEDED, Difference, difference, paired_difference
from reslab.analysis.groups import Group
from reslab.analysis.verdicts import MARGIN, Verdict, judge
from reslab.recipe import Recipe

SHARED_BY_SEED = ("dataset", "train_share", "holdout", "family", "depth", "shortcut", "initialisation")
"""What two recipes must share for one seed to give both the same first weights and the same order of images."""


@dataclass(frozen=True, slots=True)
class Compared:
    """Second against first: verdicts on test and training error, None where one of them has no finished run."""

    first: Group
    second: Group
    test: Verdict | None
    train: Verdict | None


def compare(pairs: Iterable[tuple[Group, Group]]) -> list[Compared]:
    """Compare groups in pairs; Holm's correction is over all of these, test and training errors apart.

    Training errors are not called equal: the margin is one of test errors, and training errors may all lie within it.
    """
    listed = list(pairs)
    test, train = (_verdicts(listed, column) for column in ("test_error", "train_error"))
    return [Compared(*pair, test[place], train[place]) for place, pair in enumerate(listed)]


def between(first: Group, second: Group, column: str = "test_error") -> Difference | None:
    """Compare last-epoch figures of two groups, second minus first: paired by seed where that is sound and pays.

    Pairs are compared where one seed gives both recipes the same first weights and order of images, and both have
    five seeds or more; else the comparison is that of independent groups.
    """
    per_image = max(step(first), step(second)) if column == "test_error" else 0.0
    here, there = (_by_seed(group, column) for group in (first, second))
    if share_seeds(first.recipe, second.recipe) and len(here.keys() & there.keys()) >= PAIRS_NEEDED:
        return paired_difference(here, there, per_image)
    return difference(first.last_epoch(column), second.last_epoch(column), per_image)


def share_seeds(first: Recipe, second: Recipe) -> bool:
    """Return whether one seed gives two recipes the same first weights and the same order of images."""
    return all(getattr(first, name) == getattr(second, name) for name in SHARED_BY_SEED)


def step(group: Group) -> float:
    """Return what one image of the test set is worth, in percent; 0 where its size is unknown."""
    images = group.number("num_test")
    return 100 / images if images else 0.0


def _verdicts(pairs: list[tuple[Group, Group]], column: str) -> dict[int, Verdict | None]:
    found = {place: between(*pair, column) for place, pair in enumerate(pairs)}
    known = {place: one for place, one in found.items() if one is not None}
    margin = MARGIN if column == "test_error" else 0.0
    judged = dict(zip(known, judge(list(known.values()), margin), strict=True))
    return {place: judged.get(place) for place in found}


def _by_seed(group: Group, column: str) -> dict[int, float]:
    finished = group.finished.select("seed", column).drop_nulls()
    return dict(zip(finished["seed"].to_list(), finished[column].to_list(), strict=True))
