"""What a list of runs still needs: which would train, how long it takes and how much disk, from measured speeds."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from reslab.data.sizes import SIZES
from reslab.lab.store import Status, find_runs, run_files
from reslab.recipe import Recipe, Run

EVALUATION_COST = 1 / 3
"""Work of looking at an image, as a share of that of training on it: the forward pass without the backward."""


@dataclass(frozen=True, slots=True)
class Planned:
    """A run as it stands: `work` is in images trained on a network of one weighted layer."""

    run: Run
    status: Status
    epochs_done: int
    work: float
    work_left: float
    disk_bytes: int


def plan(root: Path, runs: Iterable[Run]) -> list[Planned]:
    """Return what each run still needs, from the files below `root`."""
    return [_plan(root, run) for run in runs]


def in_order(planned: Sequence[Planned]) -> list[Run]:
    """Return the runs to train: one seed of everything before the second of anything, the longest first."""
    todo = [item for item in planned if item.status not in ("finished", "diverged")]
    return [item.run for item in sorted(todo, key=lambda item: (item.run.seed, -item.work_left))]


def known_speeds(root: Path) -> dict[str, float]:
    """Return the work per second of the runs below `root`, by precision: the median of their medians."""
    speeds: dict[str, list[float]] = {}
    for files in find_runs(root):
        recipe = files.read_run().recipe
        rows = files.metrics()
        if rows:
            speed = sorted(row["images_per_second"] for row in rows)[len(rows) // 2]
            speeds.setdefault(recipe.precision, []).append(speed * work_per_image(recipe))
    return {precision: sorted(values)[len(values) // 2] for precision, values in speeds.items()}


def estimate_seconds(planned: Sequence[Planned], speeds: Mapping[str, float], jobs: int) -> float:
    """Return the time that the runs still take, `jobs` at a time, from the work per second of each precision."""
    ends = [0.0] * jobs
    by_id = {item.run.id: item for item in planned}
    for run in in_order(planned):
        ends[ends.index(min(ends))] += by_id[run.id].work_left / speeds[run.recipe.precision]
    return max(ends)


def work_per_image(recipe: Recipe) -> float:
    """Return the work of training on an image: all inner layers of a CIFAR network cost the same."""
    return recipe.depth - 1


def num_epochs(recipe: Recipe, iterations_per_epoch: int) -> float:
    """Return the length of a recipe in epochs."""
    return recipe.length if recipe.schedule_unit == "epochs" else recipe.length / iterations_per_epoch


def _plan(root: Path, run: Run) -> Planned:
    files = run_files(root, run)
    recipe = run.recipe
    known = (files.path / "run.json").exists()
    status: Status = files.status() if known else "pending"
    rows = files.metrics() if known else []
    size = SIZES[recipe.dataset]
    num_train = math.floor((size.num_train - recipe.holdout) * recipe.train_share + 0.5)
    epochs = num_epochs(recipe, -(-num_train // recipe.batch_size))
    measured = size.num_test + recipe.holdout
    work = epochs * (num_train + EVALUATION_COST * measured) * work_per_image(recipe)
    share_done = 1.0 if status in ("finished", "diverged") else min(1.0, len(rows) / epochs)
    # Weights, and while training two checkpoints of weights and momentum; a line of metrics an epoch.
    disk = _num_parameters(recipe) * 4 * 5 + int(400 * epochs) + 10_000
    return Planned(run, status, len(rows), work, work * (1 - share_done), 0 if share_done == 1 else disk)


def _num_parameters(recipe: Recipe) -> int:
    """Return the parameters of a CIFAR network to within a few percent, without building it."""
    n = (recipe.depth - 2) // 6
    return 9 * 2 * n * (16**2 + 32**2 + 64**2) + 10_000
