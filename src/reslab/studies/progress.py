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
    asked = sum(len(group.seeds) for group in groups)
    done = sum(group.num_finished for group in groups)
    if done == asked:
        return []
    unfinished: dict[str, list[str]] = {}
    for group in groups:
        for seed, row in group.unfinished().items():
            name = f"{group.label} seed {seed}{_how_far(group, row, words)}"
            unfinished.setdefault(str(row["status"]), []).append(name)
    states = words.under("states")
    items = tuple(f"{states[status]}: {'; '.join(unfinished[status])}." for status in states if status in unfinished)
    left = bool(set(unfinished) - {"diverged"})
    text = words(
        "progress",
        done=done,
        asked=asked,
        left=left,
        again="running" not in unfinished and bool(set(unfinished) - {"diverged", "unreadable", "apart"}),
        apart="apart" in unfinished,
        unreadable="unreadable" in unfinished,
    )
    return [Note(text) if left else Prose(text), Bullets(items)]


def _how_far(group: Group, row: dict[str, Any], words: Words) -> str:
    """Return how far a run has come, in brackets."""
    length, status = epochs_of(group), str(row["status"])
    if status in ("pending", "unreadable"):
        return ""
    where = words(
        "how-far",
        status=status,
        epochs=row["epochs"],
        length=number(length) if length else "",
        iterations=row["failure_iteration"],
        message=str(row["failure_message"] or "").rstrip("."),
        fingerprint=str(row["data_fingerprint"])[:SHORT],
    )
    return f" ({where})" if where else ""
