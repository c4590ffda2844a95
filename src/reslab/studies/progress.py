"""How far a study has come: how many of its runs have finished, and each that has not, by name."""

from collections.abc import Sequence
from typing import Any

from reslab.analysis.groups import Group
from reslab.analysis.summary import schedule_epochs
from reslab.datasets import SHORT
from reslab.exhibits.blocks import Block, Bullets, Note, Prose
from reslab.exhibits.wording import number, opened

_STATUS_WORDS = {
    "running": "running",
    "interrupted": "interrupted",
    "pending": "not started",
    "failed": "failed",
    "diverged": "diverged",
    "unreadable": "not readable",
    "apart": "trained on other images than the rest, and counted nowhere",
}


def progress(groups: Sequence[Group]) -> list[Block]:
    """Return how many runs have finished, and each that has not, by name; nothing where all have."""
    asked = sum(len(group.seeds) for group in groups)
    done = sum(group.num_finished for group in groups)
    if done == asked:
        return []
    unfinished: dict[str, list[str]] = {}
    for group in groups:
        for status, names in _unfinished(group).items():
            unfinished.setdefault(status, []).extend(names)
    items = [
        f"{opened(_STATUS_WORDS[status])}: {'; '.join(unfinished[status])}."
        for status in _STATUS_WORDS
        if status in unfinished
    ]
    text = f"{done} of {asked} runs have finished."
    if set(unfinished) == {"diverged"}:
        return [Prose(f"{text}  The others diverged, so nothing is left to train."), Bullets(tuple(items))]
    if set(unfinished) - {"diverged", "unreadable", "apart"}:
        text += "  Give the same command again to resume."
    if "apart" in unfinished:
        text += "  If a run is on other images, remove its folder; the command then trains it again."
    if "unreadable" in unfinished:
        text += "  If a run is not readable, remove its folder first; the command then trains it again."
    return [Note(text), Bullets(tuple(items))]


def _unfinished(group: Group) -> dict[str, list[str]]:
    """Return the names of a group's unfinished runs by status, with how far each has come."""
    rows = {row["seed"]: row for row in group.runs.iter_rows(named=True)}
    rows |= {row["seed"]: {**row, "status": "apart"} for row in group.apart.iter_rows(named=True)}
    found: dict[str, list[str]] = {}
    for seed in group.seeds:
        row = rows.get(seed, {"status": "pending", "epochs": 0})
        if row["status"] != "finished":
            found.setdefault(row["status"], []).append(f"{group.label} seed {seed}{_how_far(group, row)}")
    return found


def _how_far(group: Group, row: dict[str, Any]) -> str:
    if row["status"] in ("pending", "unreadable"):
        return ""
    if row["status"] == "apart":
        return f" (fingerprint {row['data_fingerprint'][:SHORT]})"
    where = row["failure_iteration"]
    if row["status"] == "diverged":
        return "" if where is None else f" (after {_iterations(where)})"
    if row["status"] == "failed":
        message = f", {str(row['failure_message']).rstrip('.')}" if row["failure_message"] else ""
        return f" (after {row['epochs']} epochs{'' if where is None else f', {_iterations(where)}'}{message})"
    places = schedule_epochs(group.recipe, group.number("num_train"))
    of = f" of {number(round(places[2], 2))}" if places else ""
    return f" (epoch {row['epochs']}{of})"


def _iterations(count: int) -> str:
    return "1 iteration" if count == 1 else f"{count:,} iterations"
