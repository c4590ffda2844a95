"""Comparisons with their verdicts, put into sentences that the verdicts choose."""

from collections.abc import Callable, Sequence

from reslab.analysis.comparisons import Compared
from reslab.analysis.groups import Group, datasets_of, on_dataset
from reslab.analysis.verdicts import MARGIN, Verdict
from reslab.exhibits.blocks import Block, Bullets, Prose
from reslab.exhibits.wording import dataset_name, listing, network_name, number, opened, spread
from reslab.studies.reasons import nothing_beside, on_what_scale, untested
from reslab.studies.verdicts import both_words

Label = Callable[[Group], str]


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


def told(compared: Sequence[Compared], what: Callable[[Compared], str]) -> list[Block]:
    """Return comparisons as a list, each a sentence on test and training error; `what` names what is compared."""
    if not compared:
        return []
    alone = untested(compared)
    items = tuple(compared_words(one, what(one), caution=not alone) for one in compared)
    return [Bullets(items), *([Prose(on_what_scale(compared))] if alone else [])]


def compared_words(one: Compared, what: str, *, caution: bool = True) -> str:
    """Return a comparison as a sentence on test and training error; `what` names what is compared with what."""
    lost = _lost([one.first, one.second])
    if one.test is None or one.train is None:
        return f"{what}: not all of it has finished{lost}."
    return f"{what}: {both_words(one.test, one.train, caution=caution)}{lost}."


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


def in_sentences(
    done: Sequence[Group],
    compared: Sequence[Compared],
    reference: Label,
    label: Label | None = None,
) -> list[str]:
    """Return a sentence for each group that others are compared with: how their test errors stand to its own.

    `reference` names that group and `label` the others, by default alike; a sentence names the network where the label
    does not.
    """
    sentences = []
    for first in done:
        own = [one for one in compared if one.first.label == first.label]
        if any(one.test is not None or one.second.num_diverged for one in own):
            network = network_name(first.recipe)
            on = f"On {dataset_name(first.recipe.dataset)}{'' if network in reference(first) else f' with {network}'}"
            sentences.append(f"{on}{_standing(own, reference_words(first, reference), label or reference)}.")
    return sentences


def _standing(own: Sequence[Compared], reference: str, label: Label) -> str:
    if nothing_beside(own):
        return f", compared with {reference}, {_diverged(own, label)}"
    if not untested(own):
        return f", compared with {reference}, the test error is {_sorted(own, label)}"
    listed = listing(
        f"{spread(one.second.last_epoch('test_error'))}% with {label(one.second)}"
        for one in own
        if one.test is not None
    )
    diverged = _diverged(own, label)
    figures = f" the test error of {reference} stands beside {listed}; of one seed, no difference can be tested"
    return f"{figures}{f'; {diverged}' if diverged else ''}"


def _sorted(compared: Sequence[Compared], label: Label) -> str:
    """Return which variants are lower, higher, equal or not told apart, in one clause each; the first is the same."""
    clauses = []
    for kind, words in _KINDS:
        own = [one for one in compared if one.test is not None and one.test.kind == kind]
        if own:
            clauses.append(f"{words} with {listing(_with_size(one, label) for one in own)}")
    diverged = _diverged(compared, label)
    return "; ".join([*clauses, *([diverged] if diverged else [])])


def _diverged(compared: Sequence[Compared], label: Label) -> str:
    groups = list({one.second.label: one.second for one in compared if one.second.num_diverged}.values())
    listed = listing(f"{label(group)} ({group.num_diverged} of {len(group.seeds)} seeds)" for group in groups)
    return f"training diverged with {listed}" if groups else ""


def reference_words(group: Group, label: Label) -> str:
    """Return the variant that others are compared with, and its error."""
    summary = group.last_epoch("test_error")
    return f"{label(group)} ({spread(summary)}%, n = {summary.n})"


def diverged_words(groups: Sequence[Group]) -> list[Block]:
    """Return which runs diverged, as the result that it is; nothing where none did."""
    lost = [group for group in groups if group.num_diverged]
    if not lost:
        return []
    listed = listing(f"{group.label} diverged in {group.num_diverged} of {len(group.seeds)} seeds" for group in lost)
    survivors = [group.label for group in lost if group.num_finished]
    which = "these variants" if len(survivors) == len(lost) else listing(survivors)
    note = f"  Means are of the seeds that finished, which flatters {which}." if survivors else ""
    return [Prose(f"{opened(listed)}.{note}")]


def missing_words(groups: Sequence[Group]) -> list[Block]:
    """Return which variants have fewer finished seeds than were asked for, not counting those that diverged."""
    short = [group for group in groups if group.num_finished + group.num_diverged < len(group.seeds)]
    listed = listing(
        f"{group.label} ({group.num_finished} of {len(group.seeds)} seeds, missing {_missing(group)})"
        for group in short
        if group.num_finished
    )
    none = listing(group.label for group in short if not group.num_finished)
    texts = [f"Not all seeds have finished: {listed}.  Their figures are of those that have."] if listed else []
    texts += [f"No run has finished of {none}: what follows is without it."] if none else []
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


_KINDS = (
    ("lower", "lower"),
    ("higher", "higher"),
    ("equal", f"equal within {number(MARGIN)} points"),
    ("open", "not told apart"),
    ("unknown", "of one seed, so that nothing can be tested,"),
)


def _with_size(one: Compared, label: Label) -> str:
    assert one.test is not None
    size = abs(one.test.difference.value)
    return f"{label(one.second)} (by {size:.2f})" if one.test.resolved else label(one.second)


def _missing(group: Group) -> str:
    there = set(group.finished["seed"].to_list())
    return listing(str(seed) for seed in group.seeds if seed not in there)


def _lost(groups: Sequence[Group]) -> str:
    lost = [group for group in groups if group.num_diverged]
    listed = listing(f"{group.label} diverged in {group.num_diverged} of {len(group.seeds)} seeds" for group in lost)
    return f" ({listed})" if lost else ""
