"""What can be recognised in curves, found by computation: steps at changes of rate, unrest, the gap at the end."""

from collections.abc import Sequence

from reslab.analysis.features import RateChange, at_chance_until, phases, rate_changes
from reslab.analysis.groups import Group, datasets_of, on_dataset
from reslab.exhibits.blocks import Block, Prose
from reslab.exhibits.wording import Label, dataset_name, listing, points
from reslab.studies.sentences import placed
from reslab.studies.words import Words


def curve_features(done: Sequence[Group], label: Label, words: Words) -> list[Block]:
    """Return in a paragraph what the curves of groups with finished runs show ([[appendix-steps]] has the steps)."""
    changes = [(group, _changes(group)) for group in done]
    sentences = []
    if not any(found for _, found in changes):
        gradual = any(group.recipe.schedule != "step" for group in done)
        sentences.append(words("curves.no-drop" if gradual else "curves.constant"))
    for place in range(max(len(found) for _, found in changes)):
        here = [(group, found[place]) for group, found in changes if len(found) > place]
        stands_out = all(_stands_out(group, change) for group, change in here)
        sentences.append(_step_words(place, [change for _, change in here], stands_out, words))
    rest = [*_at_chance(done, label, words), *_unrest(done, words), *_gaps(done, label, words)]
    return [Prose("  ".join([*sentences, *rest]))]


def gap(group: Group) -> float:
    """Return by how many points the mean test error of the last epoch exceeds the training error."""
    train, test = group.last_epoch("train_error").mean, group.last_epoch("test_error").mean
    assert train is not None
    assert test is not None
    return test - train


def _changes(group: Group) -> list[RateChange]:
    return rate_changes(group.finished_curve("rate"), group.finished_curve("test_error"))


def _step_words(place: int, found: Sequence[RateChange], stands_out: bool, words: Words) -> str:
    drops = [change.drop for change in found]
    epochs = sorted({change.epoch for change in found})
    falling = sum(drop > 0 for drop in drops)
    case = "fall" if falling == len(drops) else "some" if falling else "none"
    several = "several" if len(drops) > 1 else "one"
    return words(
        "drops.some" if case == "some" else f"drops.{case}-{several}",
        ordinal=("first", "second", "third")[place] if place < 3 else f"{place + 1}th",
        after=f"epoch{'s' if len(epochs) > 1 else ''} {listing(f'{epoch:,}' for epoch in epochs)}",
        size=_range(drops) if case == "fall" else _range([-drop for drop in drops]),
        sharp=words(f"drops.sharp-{several}") if stands_out else "",
        falling=falling,
        curves=len(drops),
    )


def _stands_out(group: Group, change: RateChange) -> bool:
    """Return whether a step is more than three times the unrest of the phase before it."""
    for phase in phases(group.finished_curve("rate"), group.finished_curve("test_error")):
        if phase.last == change.epoch:
            return phase.unrest is not None and change.drop > 3 * phase.unrest
    return False


def _at_chance(done: Sequence[Group], label: Label, words: Words) -> list[str]:
    """Return which groups began with epochs of guessing in training, and how many, from the first seed to leave it."""
    name, parts = placed(done, label), []
    for group in done:
        classes, images = group.number("num_classes"), group.number("num_train")
        if not classes or not images:
            continue
        counts = [
            (at_chance_until(own, "train_error", classes, images), own.height)
            for own in group.finished_epochs.partition_by("run_id")
        ]
        longest = max(counts, default=(0, 0))
        if not longest[0]:
            continue
        last = words("curves.last")
        ends = [f"{count:,}" if count < length else last for count, length in (min(counts), longest)]
        parts.append(words("curves.until", runs=name(group), epoch=" to ".join(dict.fromkeys(ends))))
    return [words("curves.at-chance", listed="; ".join(parts))] if parts else []


def _unrest(done: Sequence[Group], words: Words) -> list[str]:
    """Return how much the test error moves from epoch to epoch at the first rate and at the last."""
    pairs = []
    for group in done:
        found = phases(group.finished_curve("rate"), group.finished_curve("test_error"))
        moves = [phase.unrest for phase in found if phase.unrest is not None]
        if len(moves) > 1:
            pairs.append((moves[0], moves[-1]))
    if not pairs:
        return []
    first, last = [before for before, _ in pairs], [after for _, after in pairs]
    some = "" if len(pairs) == len(done) else f" {words('curves.unrest-of-some', some=len(pairs), all=len(done))}"
    quieter = words("curves.quieter") if all(after < before for before, after in pairs) else ""
    return [words("curves.unrest", first=_range(first), last=_range(last), some=some, quieter=quieter)]


def _gaps(done: Sequence[Group], label: Label, words: Words) -> list[str]:
    """Return by how much test and training errors differ at the end, at the extremes of each data set."""
    parts = []
    for dataset in datasets_of(done):
        own = on_dataset(done, dataset)
        least, most = min(own, key=gap), max(own, key=gap)
        ends = " to ".join(f"{points(gap(group))} ({label(group)})" for group in (least, most))
        where = f" on {dataset_name(dataset)}" if len(datasets_of(done)) > 1 else ""
        parts.append(f"{points(gap(least)) if least is most else ends} points{where}")
    below = [words("curves.below-zero")] if any(gap(group) < 0 for group in done) else []
    return [words("curves.gaps", listed=listing(parts)), *below]


def _range(values: Sequence[float]) -> str:
    low, high = points(min(values)), points(max(values))
    return str(low) if low == high else f"{low} to {high}"
