"""The status of a run."""

from collections.abc import Callable
from typing import Final, Literal, get_args

from reslab.files import Json

Ended = Literal["finished", "diverged"]
Status = Literal["finished", "diverged", "failed", "running", "interrupted", "pending"]

ENDED: tuple[Ended, ...] = get_args(Ended)
"""Statuses of runs with nothing left to train."""

UNREADABLE: Final = "unreadable"
"""The status shown for a run whose files cannot be used."""


def standing(
    ended: Ended | None,
    is_held: Callable[[], bool],
    has_failed: Callable[[], bool],
    has_begun: Callable[[], bool],
) -> Status:
    """Return a run's status, calling the functions in this order, and only as far as needed."""
    if ended is not None:
        return ended
    if is_held():
        return "running"
    if has_failed():
        return "failed"
    return "interrupted" if has_begun() else "pending"


def how_ended(has_result: bool, failure: Json | None) -> Ended | None:
    """Return how a run ended by its records; None while there is something left to train."""
    if has_result:
        return "finished"
    return "diverged" if failure is not None and failure.get("kind") == "diverged" else None


def share_done(status: str, epochs_done: int, epochs: float) -> float:
    """Return the fraction of its training that a run has completed."""
    return 1.0 if status in ENDED else min(1.0, epochs_done / epochs)
