"""The folders of a run's checkpoints: their names, files and order; does not import torch.

Each checkpoint is a folder named by its iteration.  Two can have the same iteration (saved during an epoch's evaluation
and after it): the later one's name then ends in .1.
"""

import re
from pathlib import Path

WEIGHTS, MOMENTUM, AVERAGES, STATE, MANIFEST = (
    "weights.safetensors",
    "optimiser.safetensors",
    "averages.safetensors",
    "state.json",
    "manifest.json",
)

FILES = (WEIGHTS, MOMENTUM, AVERAGES, STATE, MANIFEST)

NAME = re.compile(r"\d{1,18}(\.\d{1,9})?", re.ASCII)


def folders(folder: Path) -> list[Path]:
    """Return the folders of checkpoints, oldest first."""
    there = folder.iterdir() if folder.exists() else ()
    return sorted((path for path in there if NAME.fullmatch(path.name)), key=order)


def order(path: Path) -> tuple[int, int]:
    """Return the iteration of a checkpoint, and its number among those of this iteration."""
    iteration, _, again = path.name.partition(".")
    return int(iteration), int(again or 0)


def reached(path: Path | None) -> int:
    """Return the iteration of a checkpoint, 0 if there is none."""
    return 0 if path is None else order(path)[0]


def newest(folder: Path) -> Path | None:
    """Return the folder of the newest completed checkpoint, None if there is none."""
    return next((path for path in reversed(folders(folder)) if (path / MANIFEST).exists()), None)
