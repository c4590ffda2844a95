"""What a list of runs still needs: which would train, and how much time (from measured speeds) and disk they take."""

import heapq
import math
import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from reslab.data import own_images
from reslab.data.folder_files import folder_root
from reslab.data.folders import count
from reslab.datasets import DATASETS, Size, images_used, is_brought
from reslab.errors import DataError, ResLabError
from reslab.families import num_blocks
from reslab.files import Json, is_there
from reslab.lab.folder import metrics
from reslab.lab.folder.finding import find_runs
from reslab.lab.folder.status import ENDED, Status, share_done
from reslab.lab.folder.store import run_files
from reslab.naming import recipe_name
from reslab.recipe import IMAGENET_FAMILIES, Recipe, Run
from reslab.training.schedule import make_schedule

EVALUATION_COST = 1 / 3
"""Cost of evaluating an image relative to training on it: the forward pass without the backward."""


@dataclass(frozen=True, slots=True)
class Planned:
    """A run and what it still needs; the unit of `work` is training a network of one weighted layer on one image."""

    run: Run
    status: Status
    epochs_done: int
    work: float
    work_left: float
    disk_bytes: int
    num_kept: int = 0
    """Number of epochs before the last whose weights are kept."""


def plan(
    root: Path, runs: Iterable[Run], data_root: Path | None = None, keep_epochs: tuple[int, ...] | None = None
) -> list[Planned]:
    """Return what each run still needs, from the files below `root`.

    The images of imagefolder are counted in `data_root`; raises `DataError` if they are not there.  `keep_epochs` is
    that of `reslab.lab.settings.Settings`: it adds weights to the disk.
    """
    sizes = {name: known.size for name, known in DATASETS.items() if known.size is not None}
    return [_plan(root, run, sizes, data_root, keep_epochs) for run in runs]


def in_order(planned: Sequence[Planned]) -> list[Run]:
    """Return the runs to train: the first seed of every recipe before the second of any, the longest first."""
    todo = [item for item in planned if item.status not in ENDED]
    return [item.run for item in sorted(todo, key=lambda item: (item.run.seed, -item.work_left))]


def known_speeds(root: Path, machine: tuple[str, str], data_root: Path | None = None) -> dict[str, float]:
    """Return the work per second of the runs below `root`, by precision: the median of their medians.

    Only runs last trained on `machine` count: its device (cpu, cuda ...) and the device's name.
    """
    speeds: dict[str, list[float]] = {}
    for files in find_runs(root):
        try:
            recipe, rows, last = files.check().recipe, files.metrics(), files.last_attempt()
        except ResLabError:
            continue  # a damaged run is reported when it is requested; the others give the speed
        sides = sides_of(recipe, data_root)
        if recipe.network or (sides is None and is_brought(recipe.dataset)):
            continue  # its work is not known
        speed = metrics.speed(rows)
        if speed is not None and (last.get("device"), last.get("device_name")) == machine:
            speeds.setdefault(recipe.precision, []).append(speed * work_per_image(recipe, sides))
    return {precision: statistics.median(values) for precision, values in speeds.items()}


def estimate_seconds(planned: Sequence[Planned], speeds: Mapping[str, float], jobs: int) -> float:
    """Return the time that the runs still take, `jobs` at a time, given the work per second of each precision."""
    return math.fsum(seconds_by_run(planned, speeds, jobs).values())


def seconds_by_run(planned: Sequence[Planned], speeds: Mapping[str, float], jobs: int) -> dict[Run, float]:
    """Return each run's part of the time of `estimate_seconds`: runs that train at the same time share it equally.

    The parts sum to the whole, even at the end, when fewer than `jobs` runs are left.
    """
    work = {item.run: item.work_left for item in planned}
    waiting = in_order(planned)[::-1]
    training: list[tuple[float, int, Run]] = []
    now, found = 0.0, dict.fromkeys(waiting, 0.0)
    while waiting or training:
        while waiting and len(training) < jobs:
            run = waiting.pop()
            heapq.heappush(training, (now + work[run] / speeds[run.recipe.precision], len(waiting), run))
        end = training[0][0]
        for _, _, run in training:
            found[run] += (end - now) / len(training)
        heapq.heappop(training)
        now = end
    return found


def work_per_image(recipe: Recipe, sides: tuple[int, int] | None = None) -> float:
    """Return the work of training on an image: all inner layers of a CIFAR network cost the same.

    `sides` are the image's height and width where the recipe does not give them: for the user's own arrays.
    """
    height, width = sides or (recipe.image_size, recipe.image_size)
    pixels = height * width / 32**2
    if recipe.network:
        return _OWN_DEPTH * pixels
    if recipe.family in IMAGENET_FAMILIES:
        return _IMAGENET_COSTS[recipe.depth][0] * 1e9 * (32 / 224) ** 2 * pixels / _LAYER_MULTIPLY_ADDS
    if recipe.family in ("residual", "plain", "preact"):
        return (recipe.depth - 1) * pixels
    return sum(weights * places for weights, places in _convolutions(recipe)) * pixels / _LAYER_MULTIPLY_ADDS


def sides_of(recipe: Recipe, data_root: Path | None) -> tuple[int, int] | None:
    """Return the height and width of the user's own arrays; None for other images, or if they are not kept."""
    return own_images.sides(recipe.images, data_root) if is_brought(recipe.dataset) else None


def work_of(
    recipe: Recipe, epochs: float, num_train: int, num_test: int, sides: tuple[int, int] | None = None
) -> float:
    """Return the work of `epochs` of training on `num_train` images, each evaluated on the test set and the hold-out.

    Its unit is that of `Planned`; `sides` are those of `work_per_image`.
    """
    measured = num_test + recipe.holdout
    return epochs * (num_train + EVALUATION_COST * measured) * work_per_image(recipe, sides)


def num_epochs(recipe: Recipe, iterations_per_epoch: int) -> float:
    """Return the length of a recipe in epochs."""
    return recipe.length if recipe.schedule_unit == "epochs" else recipe.length / iterations_per_epoch


_OWN_DEPTH = 19
"""Inner layers that a user's own network is assumed to have, until a run of it has measured its speed: ResNet-20's."""

_LAYER_MULTIPLY_ADDS = 16 * 16 * 9 * 32 * 32
"""Of an inner layer of a CIFAR network, for an image of 32 x 32."""

_IMAGENET_COSTS = {18: (1.81, 11.7), 34: (3.66, 21.8), 50: (4.09, 25.6), 101: (7.80, 44.5), 152: (11.51, 60.2)}
"""Multiply-adds in billions, for an image of 224 x 224, and parameters in millions, by depth."""


def _plan(
    root: Path, run: Run, sizes: dict[str, Size], data_root: Path | None, keep_epochs: tuple[int, ...] | None
) -> Planned:
    files = run_files(root, run)
    recipe = run.recipe
    known = is_there(files.path / "run.json")
    if known:
        files.check(run)
    status: Status = files.status() if known else "pending"
    rows = files.metrics() if known else []
    size = _size(recipe, files.provenance() if known else None, sizes, data_root)
    num_train = images_used(size.num_train, train_share=recipe.train_share, holdout=recipe.holdout)
    if num_train < size.num_classes:
        raise ResLabError(
            f"{recipe_name(recipe)}: a holdout of {recipe.holdout:,} and a train_share of {recipe.train_share:g} leave "
            f"{max(0, num_train):,} of {size.num_train:,} images to train on, for {size.num_classes:,} classes"
        )
    schedule = make_schedule(recipe, -(-num_train // recipe.batch_size))
    epochs = num_epochs(recipe, schedule.iterations_per_epoch)
    work = work_of(recipe, epochs, num_train, size.num_test, sides_of(recipe, data_root))
    done = share_done(status, len(rows), epochs)
    num_kept = len(schedule.milestones() if keep_epochs is None else schedule.inner(keep_epochs))
    # The weights; while training, two checkpoints of weights and optimiser state; a line of metrics per epoch.
    copies = 1 + 2 * (2 + (recipe.optimiser in ("adam", "adamw")) + (recipe.ema_decay > 0))
    disk = _num_parameters(recipe) * 4 * (copies + num_kept) + int(400 * epochs) + 10_000
    return Planned(run, status, len(rows), work, work * (1 - done), 0 if done == 1 else disk, num_kept)


def _size(recipe: Recipe, provenance: Json | None, sizes: dict[str, Size], data_root: Path | None) -> Size:
    """Return how many images there are: as a started run recorded, else as counted, once, in the folder."""
    if recipe.dataset not in sizes and provenance is not None:
        return size_in(provenance["data"], recipe)
    if is_brought(recipe.dataset):
        size = own_images.count(recipe.images, data_root)
        if size is None:
            raise DataError(own_images.missing(recipe.dataset, recipe.images, data_root))
        return size
    if recipe.dataset not in sizes:
        sizes[recipe.dataset] = count(folder_root(data_root))
    return sizes[recipe.dataset]


def size_in(data: Json, recipe: Recipe) -> Size:
    """Return how many images there are in all, from what a run of this recipe recorded of those that it uses."""
    num_train = round(data["num_train"] / recipe.train_share) + data["num_holdout"]
    return Size(num_train, data["num_test"], data["num_classes"])


def _num_parameters(recipe: Recipe) -> int:
    """Return the parameters of a network to within a few percent, without building it."""
    if recipe.network:
        recipe = Recipe(depth=_OWN_DEPTH + 1)
    if recipe.family in IMAGENET_FAMILIES:
        return int(_IMAGENET_COSTS[recipe.depth][1] * 1e6)
    return sum(weights for weights, _ in _convolutions(recipe)) + 10_000


def _convolutions(recipe: Recipe) -> Iterator[tuple[int, int]]:
    """Yield each block convolution's number of weights and of output positions, for images of 32 x 32."""
    bottlenecks = recipe.family == "preact-bottleneck"
    inputs, places = 16, 32 * 32
    for stage in range(3):
        outputs = (64 if bottlenecks else 16 * recipe.width) << stage
        places //= 4 if stage else 1
        for _ in range(num_blocks(recipe.family, recipe.depth)):
            narrow = outputs // 4 if bottlenecks else outputs
            sizes = [narrow * narrow * 9, narrow * outputs] if bottlenecks else [outputs * outputs * 9]
            first = inputs * narrow * (1 if bottlenecks else 9)
            projection = inputs * outputs if inputs != outputs and recipe.shortcut in ("B", "C") else 0
            yield from ((size, places) for size in (first, *sizes, projection))
            inputs = outputs
