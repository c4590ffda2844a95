"""What a user says about external weights; does not import torch, so that a command reads its flags first."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Given:
    """What the user says about the weights; None where unspecified."""

    preset: str | None = None
    dataset: str | None = None
    depth: int | None = None
    family: str | None = None
    shortcut: str | None = None
    normalisation: str | None = None
    precision: str | None = None
    entry: str | None = None
    """Which of several sets of weights in the file."""
