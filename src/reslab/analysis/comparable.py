"""Which published figures apply to which groups: same network, images and length of training (pure)."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from reslab.analysis.comparisons import compare_with_published
from reslab.analysis.groups import LENGTH, Group, datasets_of, relatives
from reslab.analysis.summary import schedule_epochs
from reslab.analysis.verdicts import Verdict
from reslab.naming import number
from reslab.presets import Preset, preset_of
from reslab.published import Published, published
from reslab.recipe import Recipe

FULL_SCHEDULE_IMAGES = 64_000 * 128
"""Images seen in the paper's training: 64,000 iterations of 128 (He et al. 2016, section 4.2)."""

ALMOST = 0.95
"""Least share of the paper's training at which a schedule counts as full length."""

Obstacle = Literal["unpublished", "unofficial", "part", "short"]
Place = Literal["inside", "above", "below"]


def obstacle(group: Group) -> Obstacle | None:
    """Return why published figures do not apply to a group; None where they do.

    "unpublished": there are none for its family and data set.  "unofficial": its images are not the official ones.
    "part": it trains on only part of them.  "short": its schedule is shorter than the paper's, the only obstacle.
    """
    recipe, share = group.recipe, schedule_share(group)
    if not published(dataset=recipe.dataset, family=recipe.family):
        return "unpublished"
    if group.fact("data_official") is False:
        return "unofficial"
    if recipe.train_share < 1:
        return "part"
    return "short" if share is not None and share < ALMOST else None


def comparable(groups: Sequence[Group]) -> list[Group]:
    """Return the groups that published figures apply to."""
    return [group for group in groups if obstacle(group) is None]


def is_full(group: Group) -> bool:
    """Return whether a group trains about as long as the paper's networks."""
    share = schedule_share(group)
    return share is not None and share >= ALMOST


def shorter_preset(group: Group) -> Preset | None:
    """Return the preset that a group matches exactly, where it is a shorter training with a figure in the paper."""
    if obstacle(group) != "short" or papers_figure(group) is None:
        return None
    return preset_of(group.recipe)


def figures_of(group: Group, source: str | None = None) -> list[Published]:
    """Return the published figures for a group's network and images."""
    recipe = group.recipe
    return published(
        dataset=recipe.dataset, depth=recipe.depth, source=source, family=recipe.family, width=recipe.width
    )


def papers_figure(group: Group) -> Published | None:
    """Return the paper's figure for a group's network and images, if there is one."""
    return next(iter(figures_of(group, "paper")), None)


def comparable_figures(groups: Sequence[Group]) -> list[Published]:
    """Return the published figures for the networks of the groups that they apply to."""
    return list(dict.fromkeys(one for group in comparable(groups) for one in figures_of(group)))


def published_beside(groups: Sequence[Group]) -> list[Published]:
    """Return the published figures that groups may be compared with, or that their shorter preset aims at."""
    shorter = [one for group in groups if shorter_preset(group) for one in figures_of(group)]
    return list(dict.fromkeys([*comparable_figures(groups), *shorter]))


def paper_verdicts(groups: Sequence[Group]) -> list[tuple[Group, Published, Verdict]]:
    """Return how groups compare with the paper's figures, corrected for the number of comparisons.

    The number of seeds needed is left out: the paper will not add runs.
    """
    pairs = [(group, one) for group in groups if (one := papers_figure(group)) is not None]
    judged = zip(pairs, compare_with_published(pairs), strict=True)
    return [(*pair, replace(verdict, seeds=None)) for pair, verdict in judged if verdict is not None]


def is_beside_one_run(group: Group) -> bool:
    """Return whether several runs are compared with a single run of the paper's."""
    one = papers_figure(group)
    return group.num_finished > 1 and one is not None and one.standard_deviation is None


def in_range(mean: float, one: Published) -> Place:
    """Return where a mean, rounded as shown, lies relative to a published range."""
    mean = round(mean, 2)
    return "above" if mean > (one.high or 0) else "below" if mean < (one.low or 0) else "inside"


def later_windows(group: Group) -> list[tuple[int, int]]:
    """Return the windows of the assignment's figures for a group's network that extend beyond the group's own."""
    end = group.window.last if group.window else 0
    windows = [one.window for one in figures_of(group, "assignment") if one.window is not None]
    return [(first, last) for first, last in windows if end < last]


def figures_varying(groups: Sequence[Group], varying: str) -> list[Published]:
    """Return the figures from tables that vary this factor, for the data sets of the comparable groups."""
    return [one for dataset in datasets_of(comparable(groups)) for one in published(dataset=dataset, varying=varying)]


@dataclass(frozen=True, slots=True)
class Beside:
    """Published figures to show beside measured ones."""

    figures: Callable[[Sequence[Group]], list[Published]]
    """Returns those that these groups may be compared with."""
    place: Callable[[Published], str] = lambda one: str(one.depth)
    """Returns a figure's place along the axis."""
    matches: Callable[[Group, Published], bool] = lambda *_: False
    """Whether a figure belongs in a group's row; only the assignment's do."""

    def places_in_range(self, groups: Sequence[Group]) -> dict[Place, list[Group]]:
        """Return the groups by where their window means lie relative to the ranges of their matching figures."""
        places: dict[Place, list[Group]] = {}
        known = [one for one in self.figures(groups) if one.low is not None]
        for group in groups:
            found = group.in_window("test_error")
            for one in known:
                if found is not None and self.matches(group, one):
                    places.setdefault(in_range(found.mean, one), []).append(group)
        return places


NO_FIGURES = Beside(lambda _: [])


def varying(name: str, value: Callable[[Group], object]) -> Beside:
    """Return the assignment's figures from the table that varies `name`; `value` gives a group's, as in the table."""

    def matches(group: Group, one: Published) -> bool:
        here = group.recipe.dataset, group.recipe.depth, value(group)
        return (one.dataset, one.depth, getattr(one, name)) == here

    def figures(groups: Sequence[Group]) -> list[Published]:
        known = figures_varying(groups, name)
        return [one for one in known if any(matches(group, one) for group in comparable(groups))]

    return Beside(figures, lambda one: number(getattr(one, name)), matches)


def other_lengths(group: Group, fields: Collection[str] = ()) -> list[Group]:
    """Return the group's recipe at every length in its report, its own included, shortest first.

    The drops are at the same fractions of the schedule, up to rounding.  The recipes may also differ in `fields`.
    """
    found = relatives(group, (*LENGTH, *fields), group.label)
    alike = [one for one in found if _same_shape(one.recipe, group.recipe)]
    return sorted(alike, key=lambda one: epochs_of(one) or 0.0)


def _same_shape(one: Recipe, other: Recipe) -> bool:
    """Return whether two schedules differ in length at most."""
    places = [tuple(drop / recipe.length for drop in recipe.drops) for recipe in (one, other)]
    if len(places[0]) != len(places[1]):
        return False
    if one.length == other.length:
        return places[0] == places[1]
    rounding = 0.5 / one.length + 0.5 / other.length + 0.002
    return all(abs(here - there) <= rounding for here, there in zip(*places, strict=True))


def schedule_share(group: Group) -> float | None:
    """Return the images seen in the whole schedule as a share of the paper's; None before any attempt."""
    num_train = group.number("num_train")
    places = schedule_epochs(group.recipe, num_train)
    return places[0] * num_train / FULL_SCHEDULE_IMAGES if places and num_train else None


def epochs_of(group: Group) -> float | None:
    """Return the length of a group's schedule in epochs; None where unknown."""
    places = schedule_epochs(group.recipe, group.number("num_train"))
    return None if places is None else round(places[0], 1)
