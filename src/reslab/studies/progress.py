"""How far a study has come: how many of its runs have finished, and each that has not, by name."""

from collections.abc import Sequence
from typing import Any

from reslab.analysis.groups import Group
from reslab.analysis.summary import schedule_epochs
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
        for status, names in _unfinished(group).items():
            unfinished.setdefault(status, []).extend(names)
    states = words.under("states")
    items = tuple(f"{states[status]}: {'; '.join(unfinished[status])}." for status in states if status in unfinished)
    texts = [words("progress.done", done=done, asked=asked)]
    if set(unfinished) == {"diverged"}:
        return [Prose("  ".join([*texts, words("progress.all-diverged")])), Bullets(items)]
    if "running" not in unfinished and set(unfinished) - {"diverged", "unreadable", "apart"}:
        texts.append(words("progress.again"))
    texts += [words(f"progress.{status}") for status in ("apart", "unreadable") if status in unfinished]
    return [Note("  ".join(texts)), Bullets(items)]


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
