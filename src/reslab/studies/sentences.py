"""Words that chapters share: naming and listing groups, progress of runs, what diverged, what is missing."""

from collections.abc import Sequence
from typing import Any

from reslab.analysis.comparable import epochs_of
from reslab.analysis.comparisons import Compared, same_weights, wholly_apart
from reslab.analysis.groups import Group, datasets_of, on_dataset
from reslab.datasets import SHORT
from reslab.exhibits.blocks import Block, Bullets, Note, Prose
from reslab.exhibits.wording import Label, dataset_name, listing, number, of_length, of_seeds, opened, points
from reslab.studies.words import Words

FAR = 2.0
"""Gap in points between all seeds of two groups above which it is reported even if not resolved."""


def placed(groups: Sequence[Group], label: Label) -> Label:
    """Return a label that is unique in one table of these groups: with the data set, where there are several."""
    if len(datasets_of(groups)) == 1:
        return label

    def name(group: Group) -> str:
        text, dataset = label(group), dataset_name(group.recipe.dataset)
        return text if dataset in text else f"{text}, {dataset}"

    return name


def epochs_words(*groups: Group) -> str:
    """Return the lengths of the groups' schedules in epochs, shortest first; in their own unit if unknown."""
    lengths = sorted({length for group in groups if (length := epochs_of(group)) is not None})
    if not lengths:
        return of_length(groups[0].recipe.length, groups[0].recipe.schedule_unit)
    return f"{listing(map(number, lengths))} {'epoch' if lengths == [1] else 'epochs'}"


def by_dataset(groups: Sequence[Group], label: Label, among: Sequence[Group]) -> str:
    """Return a list of groups, as in "on CIFAR-10 a and b; on CIFAR-100 c".

    It is by data set where the groups that they are `among` are on several.
    """
    if len(datasets_of(among)) < 2:
        return listing(map(label, groups))
    parts = {name: listing(map(label, on_dataset(groups, name))) for name in datasets_of(groups)}
    return "; ".join(f"on {dataset_name(name)} {listed}" for name, listed in parts.items())


def compared_name(one: Compared, groups: Sequence[Group], label: Label) -> str:
    """Return the name of a comparison, for a table of those between all of these groups.

    A common beginning is not repeated, as in "ResNet-8, 2 epochs against 4 epochs".
    """
    what, other = label(one.second), label(one.first).split(", ")
    for part in what.split(", "):
        if len(other) < 2 or other[0] != part:
            break
        other = other[1:]
    text = f"{what} against {', '.join(other)}"
    return f"{text}, {dataset_name(one.second.recipe.dataset)}" if len(datasets_of(groups)) > 1 else text


def same_weights_words(groups: Sequence[Group], label: Label, words: Words) -> str:
    """Return which settings trained the very same networks, though their recipes differ; "" where none did."""
    pairs = [f"{label(first)} and {label(second)}" for first, second in same_weights(groups)]
    return words("same-weights", pairs=listing(pairs), several=len(pairs) > 1) if pairs else ""


def far_apart_words(compared: Sequence[Compared], label: Label, words: Words) -> str:
    """Return which differences are open though all seeds of one are far from all of the other: they vary too much."""
    return "  ".join(
        words(
            "far-apart",
            second=label(one.second),
            first=label(one.first),
            errors=listing(f"{error:.2f}%" for error in errors),
            by=points(abs(gap)),
            above=gap > 0,
            n=len(errors),
        )
        for one in compared
        if one.kind == "open" and abs(gap := wholly_apart(one)) > FAR
        for errors in (sorted(one.second.finished["test_error"].drop_nulls().to_list()),)
    )


def diverged_words(groups: Sequence[Group], words: Words) -> str:
    """Return which runs diverged, stated as a result; "" where none did."""
    lost = [group for group in groups if group.num_diverged]
    listed = listing(f"{group.label} diverged in {of_seeds(group.num_diverged, group)}" for group in lost)
    survivors = [group.label for group in lost if group.num_finished]
    several = len(lost) > 1 and len(survivors) == len(lost)
    which = "these variants" if several else listing(survivors)
    return words("diverged", listed=opened(listed), which=which) if lost else ""


def muon_words(groups: Sequence[Group], words: Words) -> str:
    """Return how Muon's rate changes while the learning rate, which is SGD's, is varied; "" without both."""
    trained = [group.recipe for group in groups if group.recipe.optimiser == "muon"]
    if len({recipe.learning_rate for recipe in trained}) < 2:
        return ""
    rates = [number(rate) for rate in sorted({recipe.muon_rate for recipe in trained})]
    proportional = len({f"{recipe.muon_rate / recipe.learning_rate:.6g}" for recipe in trained}) == 1
    ends = f"{rates[0]} to {rates[-1]}"
    return words("muon", rates=listing(rates), ends=ends, throughout=len(rates) == 1, proportional=proportional)


def missing_words(groups: Sequence[Group], words: Words) -> str:
    """Return which variants have fewer finished seeds than requested, not counting those that diverged."""
    short = [group for group in groups if group.num_finished + group.num_diverged < len(group.seeds)]
    some = [(group, listing(map(str, _to_come(group)))) for group in short if group.num_finished]
    listed = listing(f"{group.label} ({of_seeds(group.num_finished, group)}, missing {seeds})" for group, seeds in some)
    return words("missing", some=listed, without=listing(group.label for group in short if not group.num_finished))


def _to_come(group: Group) -> list[int]:
    """Return the seeds that have neither finished nor diverged."""
    return [seed for seed, row in group.unfinished().items() if row["status"] != "diverged"]


def progress(groups: Sequence[Group], words: Words, *, resumes: bool = True) -> list[Block]:
    """Return how many runs have finished, and a list of those that have not; [] where all have.

    `resumes` says whether repeating the command that requested them resumes them.
    """
    unfinished: dict[str, list[str]] = {}
    for group in groups:
        for seed, row in group.unfinished().items():
            how_far = _how_far(group, row, words)
            name = f"{group.label} seed {seed}{f' ({how_far})' if how_far else ''}"
            unfinished.setdefault(str(row["status"]), []).append(name)
    if not unfinished:
        return []
    left = unfinished.keys() - {"diverged"}
    text = words(
        "progress",
        done=sum(group.num_finished for group in groups),
        asked=sum(len(group.seeds) for group in groups),
        left=bool(left),
        again=resumes and "running" not in left and bool(left - {"unreadable", "apart"}),
        apart="apart" in left,
        unreadable="unreadable" in left,
    )
    states = words.under("states")
    items = tuple(f"{states[status]}: {'; '.join(unfinished[status])}." for status in states if status in unfinished)
    return [Note(text) if left else Prose(text), Bullets(items)]


def _how_far(group: Group, row: dict[str, Any], words: Words) -> str:
    """Return how far a run has come; "" for one that has not begun or cannot be read."""
    length, status = epochs_of(group), str(row["status"])
    if status in ("pending", "unreadable"):
        return ""
    return words(
        "how-far",
        status=status,
        epochs=row["epochs"],
        length=number(length) if length else "",
        iterations=row["failure_iteration"],
        message=str(row["failure_message"] or "").rstrip("."),
        fingerprint=str(row["data_fingerprint"])[:SHORT],
    )
