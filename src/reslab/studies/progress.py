"""How far a study has come: how many of its runs have finished, and each that has not, by name."""

from collections.abc import Sequence
from typing import Any

from reslab.analysis.comparable import epochs_of
from reslab.analysis.groups import Group
from reslab.datasets import SHORT
from reslab.exhibits.blocks import Block, Bullets, Note, Prose
from reslab.exhibits.wording import number
from reslab.studies.words import Words


def progress(groups: Sequence[Group], words: Words) -> list[Block]:
    """Return how many runs have finished, and each that has not, by name; nothing where all have."""
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
        again="running" not in left and bool(left - {"unreadable", "apart"}),
        apart="apart" in left,
        unreadable="unreadable" in left,
    )
    states = words.under("states")
    items = tuple(f"{states[status]}: {'; '.join(unfinished[status])}." for status in states if status in unfinished)
    return [Note(text) if left else Prose(text), Bullets(items)]


def _how_far(group: Group, row: dict[str, Any], words: Words) -> str:
    """Return how far a run has come; nothing of one that has not begun or cannot be read."""
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
