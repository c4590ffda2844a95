"""Six runs on the digits for a cluster, and what of them must be the same as on one machine."""

import time
from collections.abc import Callable

from reslab.lab.folder.store import RunFiles
from reslab.presets import preset_recipe
from reslab.recipe import Run, stretch, vary

RECIPE = vary(stretch(preset_recipe("assignment", dataset="digits", depth=8), 60), train_share=0.5)
RUNS = [Run(RECIPE, seed) for seed in range(6)]


def wait_for(holds: Callable[[], object], seconds: float = 120.0) -> None:
    """Wait until something holds; fail where it does not in time."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.1)


def bits(files: RunFiles) -> tuple[bytes, list[float]]:
    """Return a finished run's weights and test losses, to be compared bit for bit."""
    assert files.status() == "finished", files.failure()
    return files.weights.read_bytes(), [row["test_loss"] for row in files.metrics()]
