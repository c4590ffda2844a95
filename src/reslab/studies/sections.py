"""Sections that every study's part of the report has: how far it has come, what was run, on what."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from reslab.analysis.groups import Group
from reslab.analysis.summary import schedule_epochs
from reslab.datasets import SHORT
from reslab.exhibits.blocks import Block, Bullets, Heading, Note, Prose
from reslab.exhibits.recipes import recipe_table
from reslab.exhibits.tables import data_table, speed_table
from reslab.exhibits.wording import counted, number, opened
from reslab.studies.study import Study

_STATUS_WORDS = {
    "running": "running",
    "interrupted": "interrupted",
    "pending": "not started",
    "failed": "failed",
    "diverged": "diverged",
    "unreadable": "not readable",
    "apart": "trained on other images than the rest, and counted nowhere",
}


def opening(study: Study) -> list[Block]:
    """Return the question and what was expected before it was asked."""
    blocks: list[Block] = [Prose(study.question)] if study.question else []
    return blocks + ([Prose(f"Expected: {study.expectation}")] if study.expectation else [])


def progress(groups: Sequence[Group]) -> list[Block]:
    """Return how many runs have finished, and each that has not, by name."""
    asked = sum(len(group.seeds) for group in groups)
    done = sum(group.num_finished for group in groups)
    if done == asked:
        return [Prose(opened(f"{_all(asked)} finished."))]
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
        return [Prose(f"{text}  The others diverged, so that nothing is left to train."), Bullets(tuple(items))]
    if set(unfinished) - {"diverged", "unreadable", "apart"}:
        text += "  The command that asked this, given again, goes on where it stopped."
    if "apart" in unfinished:
        text += "  Where a run is on other images, its folder must be removed; then the command trains it anew."
    if "unreadable" in unfinished:
        text += "  Where a run is not readable, its folder must be removed first; then the command trains it anew."
    return [Note(text), Bullets(tuple(items))]


def what_was_run(
    groups: Sequence[Group], label: Callable[[Group], str], base: Callable[[Group], bool] | None = None
) -> list[Block]:
    """Return the recipe, that of the base alone where the results tell how others differ, the images, the machines."""
    recipe = recipe_table("recipe", groups)
    if base is not None:
        told = recipe_table("recipe", [group for group in groups if base(group)])
        caption = (
            "All that is meant to change a number in the runs of the base, and the seeds; the results give changes."
        )
        recipe = replace(told, title="The recipe of the base", caption=caption)
    blocks: list[Block] = [Heading("What was run"), recipe]
    tables = (data_table("images", groups), speed_table("machines", groups, label))
    return blocks + [table for table in tables if table is not None]


def _all(asked: int) -> str:
    return {1: "the one run", 2: "both runs"}.get(asked, f"all {counted(asked, 'run')}")


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
