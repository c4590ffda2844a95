"""Features of the curves in words: steps where the rate changes, unrest, the gap at the end."""

from collections.abc import Sequence

from reslab.analysis.features import Drop, drops_of, leaving_chance, rises_of, unrest_of, way_of
from reslab.analysis.groups import Group, by_dataset
from reslab.exhibits.wording import Label, dataset_name, listing, points, span
from reslab.studies.sentences import placed
from reslab.studies.words import Words

_ORDINALS = ("first", "second", "third")


def curve_features(done: Sequence[Group], label: Label, words: Words) -> str:
    """Return what the curves of groups with finished runs show (the steps are in [[appendix-steps]])."""
    drops, unrest = drops_of(done), [ends for group in done if (ends := unrest_of(group)) is not None]
    ways = {way_of(group) for group in done}
    return words(
        "curves.text",
        how=ways.pop() if not drops and len(ways) == 1 else "",
        drops=[_drop(drop) for drop in drops],
        at_chance=_at_chance(done, label, words),
        rises=_rises(done, label),
        moved=[_range(ends) for ends in zip(*unrest, strict=True)],
        curves=len(done),
        quieter=all(last < first for first, last in unrest),
        gaps=_gaps(done, label),
        below=any(group.gap < 0 for group in done),
    )


def _drop(drop: Drop) -> dict[str, object]:
    """Return a text's values for one drop of the rate: when it occurs, and how the curves step there."""
    falling = sum(fall > 0 for fall in drop.falls)
    return {
        "ordinal": _ORDINALS[drop.place],
        "after": [f"{epoch:,}" for epoch in drop.epochs],
        "falling": falling,
        "curves": len(drop.falls),
        "size": _range(drop.falls if falling == len(drop.falls) else [-fall for fall in drop.falls]),
        "sharp": drop.sharp,
    }


def _rises(done: Sequence[Group], label: Label) -> list[dict[str, object]]:
    """Return a text's values for curves that rise again after a drop of the rate."""
    name = placed(done, label)
    return [
        {
            "runs": name(group),
            "ordinal": _ORDINALS[rise.place],
            "test": [points(error) for error in rise.test],
            "train": [points(error) for error in rise.train],
        }
        for group in done
        for rise in rises_of(group)
    ]


def _at_chance(done: Sequence[Group], label: Label, words: Words) -> str:
    """Return which groups begin by guessing in training, and for how many epochs in the slowest seed."""
    name, parts = placed(done, label), []
    for group in done:
        if (ends := leaving_chance(group)) is not None:
            last = words("curves.throughout") if ends[1] is None else words("curves.epochs", number=ends[1])
            parts.append(words("curves.until", runs=name(group), last=last, spread=ends[0] != ends[1]))
    return "; ".join(parts)


def _gaps(done: Sequence[Group], label: Label) -> str:
    """Return the smallest and the largest gap between test and training error at the end, by data set."""
    parts, several = [], len(by_dataset(done)) > 1
    for dataset, own in by_dataset(done):
        least, most = (end(own, key=lambda group: group.gap) for end in (min, max))
        ends = " to ".join(f"{points(group.gap)} ({label(group)})" for group in (least, most))
        where = f" on {dataset_name(dataset)}" if several else ""
        parts.append(f"{points(least.gap) if points(least.gap) == points(most.gap) else ends} points{where}")
    return listing(parts)


def _range(values: Sequence[float]) -> str:
    return span(points(min(values)), points(max(values)))
