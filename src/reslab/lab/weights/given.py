"""What a user says of weights from elsewhere; imports no torch, so that a command reads its flags first."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Given:
    """What the user says of the weights; None is nothing."""

    preset: str | None = None
    dataset: str | None = None
    depth: int | None = None
    family: str | None = None
    shortcut: str | None = None
    normalisation: str | None = None
    precision: str | None = None
    entry: str | None = None
    """Which of several weights in the file."""
