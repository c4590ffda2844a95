"""What can be recognised in curves, found by computation: steps at changes of rate, unrest, the gap at the end."""

from collections.abc import Sequence

from reslab.analysis.features import RateChange, phases, rate_changes
from reslab.analysis.groups import Group, datasets_of, on_dataset
from reslab.exhibits.blocks import Block, Column, Prose, Table
from reslab.exhibits.curve_rows import telling
from reslab.exhibits.windows import network
from reslab.exhibits.wording import counted, dataset_name, listing, points, settings, whole
from reslab.studies.comparing import Label, by_dataset, placed

MOST_LISTED = 8
"""Groups of a data set whose figures are listed one by one in a sentence."""


def curve_features(done: Sequence[Group], label: Label = network) -> list[Block]:
    """Return what the curves of groups with finished runs show: a table of steps, and sentences on it."""
    changes = [(group, _changes(group)) for group in done]
    drawn = telling(done, label)
    listed = [(group, found) for group, found in changes if any(group is one for one in drawn)]
    table = _steps_table(listed, placed(done, label), len(listed) < len(changes))
    if table is None:
        gradual = any(group.recipe.schedule == "linear" for group in done)
        how = "The rate falls steadily" if gradual else "The rate was constant"
        return [Prose(f"{how}, so that no change of it can show in the curves."), *_gaps(done, label)]
    blocks: list[Block] = [table]
    for place in range(max(len(found) for _, found in changes)):
        here = [(group, found[place]) for group, found in changes if len(found) > place]
        stands_out = all(_stands_out(group, change) for group, change in here)
        blocks.append(Prose(_steps_words(place, [change for _, change in here], stands_out)))
    return [*blocks, *_unrest(done, label), *_gaps(done, label)]


def _changes(group: Group) -> list[RateChange]:
    return rate_changes(group.finished_curve("rate"), group.finished_curve("test_error"))


def _steps_table(changes: Sequence[tuple[Group, Sequence[RateChange]]], label: Label, chosen: bool) -> Table | None:
    """Return the steps of each curve, a row a change; `chosen` says that not all curves are among these."""
    flat = [(group, change) for group, found in changes for change in found]
    if not flat:
        return None
    rates = settings([float(f"{change.rate_after:.4g}") for _, change in flat])
    rows = tuple(
        (
            label(group),
            whole(change.epoch),
            rate,
            points(change.error_before),
            points(change.error_after),
            points(change.error_after - change.error_before),
        )
        for (group, change), rate in zip(flat, rates, strict=True)
    )
    columns = (
        Column("Runs", "left"),
        *map(Column, ("After epoch", "Rate becomes", "Error before (%)", "Error after (%)", "Step (points)")),
    )
    reach = max(change.reach for _, found in changes for change in found)
    caption = (
        "What the test error does where the rate changes, found in the mean curves: mean errors of the "
        f"{counted(reach, 'epoch')} before and after the change, or of fewer where a phase is shorter; steps are of "
        "errors before rounding."
        f"{'  Of the curves that [[test]] shows; the text is of all.' if chosen else ''}"
    )
    return Table("steps", "Steps at the changes of rate", caption, columns, rows)


def _steps_words(place: int, found: Sequence[RateChange], stands_out: bool) -> str:
    ordinal = ("first", "second", "third")[place] if place < 3 else f"{place + 1}th"
    drops = [change.drop for change in found]
    epochs = sorted({change.epoch for change in found})
    after = f"epoch{'s' if len(epochs) > 1 else ''} {listing(f'{epoch:,}' for epoch in epochs)}"
    where = f"At the {ordinal} change of rate (after {after}; [[steps]], [[test]])"
    falling = sum(drop > 0 for drop in drops)
    changed = _range([-drop for drop in drops])
    if falling == len(drops):
        sharp = (
            ", each time more than three times its usual move from one epoch to the next before" if stands_out else ""
        )
        which = "every test curve falls" if len(drops) > 1 else "the test curve falls"
        return f"{where} {which}, by {_range(drops)} points{sharp}."
    if falling == 0:
        which = "no test curve falls" if len(drops) > 1 else "the test curve does not fall"
        return f"{where} {which}: the step is {changed} points."
    return f"{where} {falling} of {len(drops)} test curves fall: the steps are {changed} points."


def _stands_out(group: Group, change: RateChange) -> bool:
    """Return whether a step is more than three times the unrest of the phase before it."""
    for phase in phases(group.finished_curve("rate"), group.finished_curve("test_error")):
        if phase.last == change.epoch:
            return phase.unrest is not None and change.drop > 3 * phase.unrest
    return False


def _unrest(done: Sequence[Group], label: Label) -> list[Block]:
    """Return how much the test error moves from epoch to epoch at the first rate and at the last."""
    pairs = []
    for group in done:
        found = phases(group.finished_curve("rate"), group.finished_curve("test_error"))
        moves = [phase.unrest for phase in found if phase.unrest is not None]
        if len(moves) > 1:
            pairs.append((group, moves[0], moves[-1]))
    if not pairs:
        return []
    first, last = [before for _, before, _ in pairs], [after for _, _, after in pairs]
    text = (
        f"From one epoch to the next the mean test error moves by {_range(first)} points in the second half of the "
        f"first phase, and by {_range(last)} in that of the last"
    )
    quieter = all(after < before for _, before, after in pairs)
    reason = ": at the lower rate it is quieter" if quieter else ""
    whose = ""
    if len(pairs) < len(done):
        known = by_dataset([group for group, _, _ in pairs], label, done)
        whose = f"  Told of are those whose phases are long enough: {known}."
    return [Prose(f"{text}{reason}.{whose}")]


def _gaps(done: Sequence[Group], label: Label) -> list[Block]:
    """Return by how much the errors differ at the end, of each group or where there are many of the extremes."""
    parts = []
    for dataset in datasets_of(done):
        own = on_dataset(done, dataset)
        if len(own) > MOST_LISTED:
            ends = min(own, key=gap), max(own, key=gap)
            listed = "from " + " to ".join(f"{points(gap(group))} ({label(group)})" for group in ends)
        else:
            listed = listing(f"{points(gap(group))} for {label(group)}" for group in own)
        parts.append(f"on {dataset_name(dataset)} {listed}")
    text = f"Test error less training error at the last epoch, in points: {'; '.join(parts)} ([[together]])."
    if any(gap(group) < 0 for group in done):
        text += (
            "  It is below zero where training errors, measured on augmented images while the weights were still "
            "changing, are the higher ones."
        )
    return [Prose(text)]


def gap(group: Group) -> float:
    """Return by how many points the mean test error of the last epoch exceeds the training error."""
    train, test = group.last_epoch("train_error").mean, group.last_epoch("test_error").mean
    assert train is not None
    assert test is not None
    return test - train


def _range(values: Sequence[float]) -> str:
    low, high = points(min(values)), points(max(values))
    return str(low) if low == high else f"{low} to {high}"
