"""How runs by a preset stand to the published figures: at the paper's length, or as another recipe altogether."""

from collections.abc import Sequence

from reslab.analysis.groups import Group, datasets_of, on_dataset
from reslab.exhibits.blocks import Block, Bullets, Prose
from reslab.exhibits.windows import published_table
from reslab.exhibits.wording import dataset_name, network_name, percent, spread
from reslab.presets import preset_of
from reslab.published import in_words as figure_in_words
from reslab.studies.against_published import ONE_MORE, against_paper, figures_of, papers_figure
from reslab.studies.verdicts import ALMOST, epochs_words, in_words, schedule_share, why_not_comparable, with_published


def as_published(done: Sequence[Group]) -> list[Block]:
    """Return how groups of a preset as it stands, at about the length of the paper's training, compare with it.

    Nothing where there are none of which the paper has a figure.
    """
    own = _at_full_length(done)
    tables = []
    for dataset in datasets_of(own):
        alike = on_dataset(own, dataset)
        known = [one for group in alike for one in figures_of(group)]
        tables.append(published_table(f"published-{dataset}", alike, known))
    return [*(table for table in tables if table is not None), *against_paper(own)] if own else []


def as_published_in_short(done: Sequence[Group]) -> list[str]:
    """Return in a sentence each how such groups stand to the paper's figures."""
    return [
        f"On {dataset_name(group.recipe.dataset)} the {preset.name} recipe at its full length ({epochs_words(group)}) "
        f"brings {network_name(group.recipe)} to a test error of {_stands(group)}."
        for group in _at_full_length(done)
        if (preset := preset_of(group.recipe)) is not None
    ]


def _at_full_length(done: Sequence[Group]) -> list[Group]:
    return [
        group
        for group in done
        if preset_of(group.recipe) is not None
        and papers_figure(group) is not None
        and why_not_comparable(group) is None
    ]


def another_recipe(done: Sequence[Group]) -> list[Block]:
    """Return how groups of a preset that is shorter than the paper's training stand beside the published figures.

    Only those that are the preset as it stands, at its own length: it is meant to be measured by these figures, as
    another recipe.  Nothing where there are none.
    """
    blocks: list[Block] = []
    for dataset in datasets_of(done):
        for name in dict.fromkeys(_own_length(group) for group in on_dataset(done, dataset)):
            own = [group for group in on_dataset(done, dataset) if name is not None and _own_length(group) == name]
            if own:
                blocks += _beside(name or "", own)
    return blocks


def another_in_short(done: Sequence[Group]) -> list[str]:
    """Return in a sentence each how such groups stand to the paper's figures."""
    return [
        f"On {dataset_name(group.recipe.dataset)} the {name} recipe brings {network_name(group.recipe)} in "
        f"{epochs_words(group)} to a test error of {_stands(group)}; it is another recipe of another length."
        for group in done
        if (name := _own_length(group)) is not None
    ]


def _own_length(group: Group) -> str | None:
    """Return the preset that a group is as it stands, where that is a shorter training with published figures."""
    share, preset = schedule_share(group), preset_of(group.recipe)
    if preset is None or share is None or share >= ALMOST or group.fact("data_official") is False:
        return None
    return preset.name if papers_figure(group) is not None else None


def _stands(group: Group) -> str:
    """Return a group's error and how it stands to the paper's, which there must be."""
    one = papers_figure(group)
    assert one is not None
    found = with_published(group, one)
    assert found is not None
    apart = in_words(found, f"the paper's {figure_in_words(one)}")
    measured = group.last_epoch("test_error")
    return f"{spread(measured)}% (n = {measured.n}), {apart}"


def _beside(name: str, own: Sequence[Group]) -> list[Block]:
    """Return the groups of one preset and data set beside the published figures."""
    dataset = own[0].recipe.dataset
    length, share = epochs_words(own[0]), percent(schedule_share(own[0]) or 0.0)
    known = [one for group in own for one in figures_of(group)]
    table = published_table(f"published-{dataset}-{name}", own, known, f"{name} recipe, {length}, last epoch")
    lead = f"On {dataset_name(dataset)}, test error of the last epoch ([[published-{dataset}-{name}]]):"
    text = (
        f"This is another recipe of another length: {name} as it stands, {length}, with {share} of the images of the "
        "paper's training.  The figures say how near it comes with the same networks, and not whether the paper's "
        "own training gives its figures again; what part recipe and length have in a difference, these runs do not say."
    )
    single = any(
        one.standard_deviation is None and group.num_finished > 1
        for group in own
        if (one := papers_figure(group)) is not None
    )
    items = Bullets(tuple(f"{network_name(group.recipe)}: {_stands(group)}." for group in own))
    return [Prose(lead), items, *([Prose(ONE_MORE)] if single else []), Prose(text), *([table] if table else [])]
