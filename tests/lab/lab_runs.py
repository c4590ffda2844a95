"""Small runs on the digits, and what of their files must be the same however often they were stopped."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from reslab.lab.folder.store import RunFiles, run_files
from reslab.lab.settings import Settings
from reslab.presets import preset_recipe
from reslab.recipe import Recipe, Run, Scalar, stretch, vary

QUICK = Settings(device="cpu", threads=1)

TIMED = ("seconds", "images_per_second", "peak_memory_bytes")


def small(epochs: float = 2, **changes: Scalar) -> Recipe:
    """Return a recipe of 5 iterations an epoch: ResNet-8 on a tenth of the digits."""
    recipe = stretch(preset_recipe("assignment", dataset="digits", depth=8), epochs)
    return vary(recipe, **{"train_share": 0.1, **changes})


def make(root: Path, recipe: Recipe, seed: int = 0) -> RunFiles:
    """Return the files of a new run below `root`."""
    run = Run(recipe, seed)
    files = run_files(root, run)
    files.create(run)
    return files


def timeless(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return lines of metrics without what depends on the clock and the machine."""
    return [{key: value for key, value in row.items() if key not in TIMED} for row in rows]


def outcome(files: RunFiles) -> tuple[bytes, list[str], dict[int, bytes]]:
    """Return a finished run's weights, metrics and kept weights by epoch, to be compared bit for bit."""
    assert files.status() == "finished", files.failure()
    kept = {epoch: files.epoch_weights(epoch).read_bytes() for epoch in files.kept_epochs()}
    return files.weights.read_bytes(), [json.dumps(row) for row in timeless(files.metrics())], kept


def wait_for(holds: Callable[[], object], seconds: float = 60.0) -> None:
    """Wait until something holds; fail where it does not in time."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.005)


def stopping_after(count: int) -> Callable[[], bool]:
    """Return a stop that is asked for when it is looked at for the n-th time."""
    left = iter(range(count))
    return lambda: next(left, None) is None
