"""Words that chapters share: groups named and listed, what diverged, what is missing."""

from collections.abc import Sequence

from reslab.analysis.comparable import epochs_of
from reslab.analysis.comparisons import Compared
from reslab.analysis.groups import Group, datasets_of, on_dataset
from reslab.analysis.verdicts import Verdict
from reslab.exhibits.blocks import Block, Prose
from reslab.exhibits.wording import Label, dataset_name, listing, number, opened
from reslab.studies.words import Words


def placed(groups: Sequence[Group], label: Label) -> Label:
    """Return a label that tells these groups apart in one table: with the data set, where there are several."""
    if len(datasets_of(groups)) == 1:
        return label

    def name(group: Group) -> str:
        text, dataset = label(group), dataset_name(group.recipe.dataset)
        return text if dataset in text else f"{text}, {dataset}"

    return name


def epochs_words(*groups: Group) -> str:
    """Return the lengths of the groups' schedules in epochs, from the shortest on; in their own unit if unknown."""
    lengths = sorted({length for group in groups if (length := epochs_of(group)) is not None})
    if not lengths:
        return f"{number(groups[0].recipe.length)} {groups[0].recipe.schedule_unit}"
    return f"{listing(map(number, lengths))} {'epoch' if lengths == [1] else 'epochs'}"


def by_dataset(groups: Sequence[Group], label: Label, among: Sequence[Group]) -> str:
    """Return a list of groups in words, by data set where those that they are `among` have several.

    As in "on CIFAR-10 a and b; on CIFAR-100 c".
    """
    datasets = datasets_of(groups)
    if len(datasets_of(among)) < 2:
        return listing(label(group) for group in groups)
    parts = [(dataset_name(name), listing(label(group) for group in on_dataset(groups, name))) for name in datasets]
    return "; ".join(f"on {name} {listed}" for name, listed in parts)


def comparison_of(compared: Sequence[Compared], first: Group, second: Group) -> Compared | None:
    """Return the comparison of two groups, the second against the first, if it was made."""
    for one in compared:
        if (one.first.label, one.second.label) == (first.label, second.label):
            return one
    return None


def against(one: Compared, label: Label) -> str:
    """Return what is compared with what, in which the second need not repeat how the first begins.

    As in "ResNet-8, 2 epochs against 4 epochs".
    """
    what, other = label(one.second), label(one.first).split(", ")
    for part in what.split(", "):
        if len(other) < 2 or other[0] != part:
            break
        other = other[1:]
    return f"{what} against {', '.join(other)}"


def compared_name(one: Compared, groups: Sequence[Group], label: Label) -> str:
    """Return what is compared with what, for a table of comparisons between all of these groups."""
    full = placed(groups, label)
    if one.first.recipe.dataset != one.second.recipe.dataset:
        return f"{full(one.second)} against {full(one.first)}"
    text = against(one, label)
    return f"{text}, {dataset_name(one.first.recipe.dataset)}" if len(datasets_of(groups)) > 1 else text


def diverged_words(groups: Sequence[Group], words: Words) -> list[Block]:
    """Return which runs diverged, as the result that it is; nothing where none did."""
    lost = [group for group in groups if group.num_diverged]
    if not lost:
        return []
    listed = listing(f"{group.label} diverged in {group.num_diverged} of {len(group.seeds)} seeds" for group in lost)
    survivors = [group.label for group in lost if group.num_finished]
    which = "these variants" if len(survivors) == len(lost) else listing(survivors)
    return [Prose(words("diverged", listed=opened(listed), which=which))]


def muon_words(groups: Sequence[Group], words: Words) -> list[Block]:
    """Return what Muon's rate does while the learning rate, which is SGD's, is varied; nothing without both."""
    trained = [group.recipe for group in groups if group.recipe.optimiser == "muon"]
    if len({recipe.learning_rate for recipe in trained}) < 2:
        return []
    rates = [number(rate) for rate in sorted({recipe.muon_rate for recipe in trained})]
    proportional = len({f"{recipe.muon_rate / recipe.learning_rate:.6g}" for recipe in trained}) == 1
    ends = f"{rates[0]} to {rates[-1]}"
    return [
        Prose(words("muon", rates=listing(rates), ends=ends, throughout=len(rates) == 1, proportional=proportional))
    ]


def missing_words(groups: Sequence[Group], words: Words) -> list[Block]:
    """Return which variants have fewer finished seeds than were asked for, not counting those that diverged."""
    short = [group for group in groups if group.num_finished + group.num_diverged < len(group.seeds)]
    listed = listing(
        f"{group.label} ({group.num_finished} of {len(group.seeds)} seeds, missing {_missing(group)})"
        for group in short
        if group.num_finished
    )
    without = listing(group.label for group in short if not group.num_finished)
    return [Prose(words("missing", some=listed, without=without))]


def lower(verdict: Verdict | None) -> bool:
    """Return whether the second is shown to be lower."""
    return verdict is not None and verdict.kind == "lower"


def higher(verdict: Verdict | None) -> bool:
    """Return whether the second is shown to be higher."""
    return verdict is not None and verdict.kind == "higher"


def shown(compared: Sequence[Compared]) -> list[Compared]:
    """Return the comparisons that show a direction in the test error."""
    return [one for one in compared if one.test is not None and one.test.resolved]


def _missing(group: Group) -> str:
    there = set(group.finished["seed"].to_list())
    return listing(str(seed) for seed in group.seeds if seed not in there)
