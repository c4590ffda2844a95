"""Which published figures apply to which runs, and how long trainings are in words."""

from collections.abc import Sequence

from reslab.analysis.groups import Group
from reslab.analysis.summary import schedule_epochs
from reslab.exhibits.wording import dataset_name, listing, number, percent
from reslab.families import family_of
from reslab.published import Published, published

FULL_SCHEDULE_IMAGES = 64_000 * 128
"""Images seen in the paper's training: 64,000 iterations of 128 (He et al. 2016, section 4.2)."""

ALMOST = 0.95
"""Share of the paper's training from which on a schedule counts as its length."""


def why_not_comparable(*groups: Group) -> str | None:
    """Return why published figures apply to none of these groups, as a clause; None where they do to one of them."""
    reasons = [_unlike(group) for group in groups]
    short = [group for group in groups if is_shortened(group)]
    if reasons.count(None) > len(short):
        return None
    others = [reason for reason in dict.fromkeys(reasons) if reason is not None]
    return listing([*([shortened_words(short)] if short else []), *others]) or None


def _unlike(group: Group) -> str | None:
    """Return in what else than its length a group is unlike all published ones; None where it is like them."""
    recipe = group.recipe
    name = dataset_name(recipe.dataset)
    if not published(dataset=recipe.dataset, family=recipe.family):
        own = recipe.own_network
        whose = f"{own.words} on " if own is not None else f"{family_of(recipe.family).words} networks on "
        network = "" if recipe.family == "residual" else whose
        return f"there are no published figures for {network}{name}"
    if group.fact("data_official") is False:
        return f"the images are not the official ones of {name}"
    return "only a part of the training images was used" if recipe.train_share < 1 else None


def is_full(group: Group) -> bool:
    """Return whether a group is trained about as long as the paper's networks."""
    share = schedule_share(group)
    return share is not None and share >= ALMOST


def is_shortened(group: Group) -> bool:
    """Return whether a group's length is all that keeps published figures from applying; not where it is unknown."""
    share = schedule_share(group)
    return _unlike(group) is None and share is not None and share < ALMOST


def shortened_words(groups: Sequence[Group]) -> str:
    """Return how long the schedules of groups that are shortened are, in epochs and beside the paper's."""
    shares = sorted({schedule_share(group) or 0.0 for group in groups})
    seen = " to ".join(dict.fromkeys(percent(share) for share in (shares[0], shares[-1])))
    schedules = "the schedule is" if len(shares) == 1 else "the schedules are"
    return f"{schedules} shortened to {epochs_words(*groups)} ({seen} of the images of the paper's training)"


def figures_of(group: Group, source: str | None = None) -> list[Published]:
    """Return the published figures of a group's network and images."""
    recipe = group.recipe
    return published(
        dataset=recipe.dataset, depth=recipe.depth, source=source, family=recipe.family, width=recipe.width
    )


def papers_figure(group: Group) -> Published | None:
    """Return the paper's figure of a group's network and images, if it has one."""
    return next(iter(figures_of(group, "paper")), None)


def schedule_share(group: Group) -> float | None:
    """Return the images seen in the whole schedule as a share of the paper's; None before any attempt."""
    num_train = group.number("num_train")
    places = schedule_epochs(group.recipe, num_train)
    return places[2] * num_train / FULL_SCHEDULE_IMAGES if places and num_train else None


def epochs_words(*groups: Group) -> str:
    """Return the lengths of the groups' schedules in epochs, from the shortest on."""
    known = [schedule_epochs(group.recipe, group.number("num_train")) for group in groups]
    lengths = sorted({round(places[2], 1) for places in known if places is not None})
    if not lengths:
        return f"{number(groups[0].recipe.length)} {groups[0].recipe.schedule_unit}"
    return f"{listing(number(length) for length in lengths)} {'epoch' if lengths == [1] else 'epochs'}"
