"""What can be recognised in curves, in words: steps at changes of rate, unrest, the gap at the end."""

from collections.abc import Sequence

from reslab.analysis.features import RateChange, at_chance_until, phases, rate_changes, stands_out
from reslab.analysis.groups import Group, by_dataset
from reslab.exhibits.blocks import Block, Prose
from reslab.exhibits.wording import Label, dataset_name, listing, points, span
from reslab.studies.sentences import placed
from reslab.studies.words import Words


def curve_features(done: Sequence[Group], label: Label, words: Words) -> list[Block]:
    """Return in a paragraph what the curves of groups with finished runs show ([[appendix-steps]] has the steps)."""
    curves = [(group.finished_curve("rate"), group.finished_curve("test_error")) for group in done]
    parts = [phases(*pair) for pair in curves]
    steps = [
        [(change, stands_out(change, among)) for change in rate_changes(*pair)]
        for group, pair, among in zip(done, curves, parts, strict=True)
        if group.recipe.schedule == "step"
    ]
    ways = {_way(group) for group in done}
    moves = [[phase.unrest for phase in among if phase.unrest is not None] for among in parts]
    unrest = [(own[0], own[-1]) for own in moves if len(own) > 1]
    text = words(
        "curves.text",
        how=ways.pop() if not any(steps) and len(ways) == 1 else "",
        drops=[
            _drop(found, place)
            for place in range(max(map(len, steps), default=0))
            for found in [[own[place] for own in steps if len(own) > place]]
            if min(change.epoch for change, _ in found) > 1  # after a single epoch all falls are those of learning
        ],
        at_chance="; ".join(_at_chance(done, label, words)),
        moved=[_range([pair[place] for pair in unrest]) for place in (0, 1)] if unrest else [],
        measured=len(unrest),
        curves=len(done),
        quieter=all(last < first for first, last in unrest),
        gaps=_gaps(done, label),
        below=any(group.gap < 0 for group in done),
    )
    return [Prose(text)]


def _way(group: Group) -> str:
    """Return what a rate does whose drops do not show in the curve: nothing, steady change, or drops within epochs."""
    recipe = group.recipe
    if recipe.schedule != "step":
        return "changes steadily"
    return "is constant" if recipe.drop_factor == 1 or recipe.first_drop >= recipe.length else "within"


def _drop(found: Sequence[tuple[RateChange, bool]], place: int) -> dict[str, object]:
    """Return what a text has of one drop of the rate: when it is, and how the curves step there."""
    drops = [change.drop for change, _ in found]
    falling = sum(drop > 0 for drop in drops)
    return {
        "ordinal": ("first", "second", "third")[place] if place < 3 else f"{place + 1}th",
        "after": [f"{epoch:,}" for epoch in sorted({change.epoch for change, _ in found})],
        "falling": falling,
        "curves": len(drops),
        "size": _range(drops if falling == len(drops) else [-drop for drop in drops]),
        "sharp": all(sharp for _, sharp in found),
    }


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
        if max(counts, default=(0, 0))[0]:
            ends = [
                f"{count:,}" if count < length else words("curves.last") for count, length in (min(counts), max(counts))
            ]
            parts.append(words("curves.until", runs=name(group), epoch=span(*ends)))
    return parts


def _gaps(done: Sequence[Group], label: Label) -> str:
    """Return by how much test and training errors differ at the end, at the extremes of each data set."""
    parts, several = [], len(by_dataset(done)) > 1
    for dataset, own in by_dataset(done):
        least, most = (end(own, key=lambda group: group.gap) for end in (min, max))
        ends = " to ".join(f"{points(group.gap)} ({label(group)})" for group in (least, most))
        where = f" on {dataset_name(dataset)}" if several else ""
        parts.append(f"{points(least.gap) if least is most else ends} points{where}")
    return listing(parts)


def _range(values: Sequence[float]) -> str:
    return span(points(min(values)), points(max(values)))
