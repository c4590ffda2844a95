"""Words that chapters share: groups named and listed, what diverged, what is missing."""

from collections.abc import Sequence

from reslab.analysis.comparisons import Compared
from reslab.analysis.groups import Group, datasets_of, on_dataset
from reslab.analysis.verdicts import Verdict
from reslab.exhibits.blocks import Block, Prose
from reslab.exhibits.wording import Label, dataset_name, listing, opened
from reslab.studies.words import Words


def placed(groups: Sequence[Group], label: Label) -> Label:
    """Return a label that tells these groups apart in one table: with the data set, where there are several."""
    if len(datasets_of(groups)) == 1:
        return label

    def name(group: Group) -> str:
        text, dataset = label(group), dataset_name(group.recipe.dataset)
        return text if dataset in text else f"{text}, {dataset}"

    return name


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
    note = [words("diverged-note", which=which)] if survivors else []
    return [Prose("  ".join([words("diverged", listed=opened(listed)), *note]))]


def missing_words(groups: Sequence[Group], words: Words) -> list[Block]:
    """Return which variants have fewer finished seeds than were asked for, not counting those that diverged."""
    short = [group for group in groups if group.num_finished + group.num_diverged < len(group.seeds)]
    listed = listing(
        f"{group.label} ({group.num_finished} of {len(group.seeds)} seeds, missing {_missing(group)})"
        for group in short
        if group.num_finished
    )
    none = listing(group.label for group in short if not group.num_finished)
    texts = [words("missing", listed=listed)] if listed else []
    texts += [words("none-finished", listed=none)] if none else []
    return [Prose("  ".join(texts))] if texts else []


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
