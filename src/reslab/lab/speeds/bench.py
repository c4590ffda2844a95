"""How fast this machine trains, compared with the textbook's training loop and the machine's peak rate."""

import os
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import torch

from reslab import host
from reslab.lab.assembly import build_network
from reslab.lab.folder.provenance import kernel_words
from reslab.lab.speeds.stepping import noise, trainer
from reslab.lab.speeds.textbook import TextbookProcess
from reslab.models.complexity import multiply_adds
from reslab.presets import preset_recipe
from reslab.recipe import Recipe, vary
from reslab.training import hardware, process_settings

EPOCH_IMAGES = 50_000
WAITING_BATCHES, PAUSE_SECONDS = 4, 1.0
"""Batches that two loader workers keep ready, and the time they take to make them."""
PASSES = 3
"""Work of a training step in forward passes: the backward pass multiplies twice as much."""
STEPS = {"cpu": 1, "cuda": 16, "mps": 1}
"""Our steps per timing, as a multiple of the textbook's: on a GPU, too few of ours would be too short to time."""
MATRIX = {"cpu": 2048, "cuda": 8192, "mps": 4096}
"""Size of the square matrices whose product measures the ceiling."""


@dataclass(frozen=True, slots=True)
class Speed:
    """One network's speed in images per second, from uint8 pixels to updated weights; medians over the rounds.

    `ratio` is the median over the rounds of the ratio to the textbook's speed, `share` the arithmetic rate as a share
    of the measured rate of matrix products in that precision.
    """

    depth: int
    batch_size: int
    precision: str
    images_per_second: float
    textbook_images_per_second: float
    ratio: float
    share: float
    epoch_seconds: float


def machine(device: torch.device) -> dict[str, Any]:
    """Describe the machine that is measured."""
    return {
        "device": device.type,
        "device_name": hardware.device_name(device),
        "cores": host.usable_cores(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "kernels": kernel_words(device),
        "load": os.getloadavg()[0],
    }


def bench(
    *,
    depths: Sequence[int],
    batch_sizes: Sequence[int],
    precisions: Sequence[str],
    device: torch.device,
    rounds: int = 5,
    num_steps: int = 16,
    on_progress: Callable[[str], object] = lambda _: None,
) -> Iterator[Speed]:
    """Measure each combination: each round times our steps, then `num_steps` of the textbook's.

    Ours run in this process, set up like a worker; the textbook's in a separate one, as its users run it.
    """
    with process_settings.deterministic(), process_settings.keeping_freed_memory():
        images = noise()
        workers = min(2, host.usable_cores())
        ceilings = {precision: matrix_rate(device, precision) for precision in precisions}
        for depth, batch_size in product(depths, batch_sizes):
            recipe = vary(preset_recipe("assignment", depth=depth), batch_size=batch_size)
            with TextbookProcess(recipe, images, device, workers) as textbook:
                for precision in precisions:
                    chosen = vary(recipe, precision=precision)
                    ours = trainer(chosen, images, device)
                    speed = _compare(chosen, ours, textbook, ceilings, device, rounds, num_steps)
                    on_progress(
                        f"ResNet-{depth}, batch {batch_size}, {precision}: {speed.images_per_second:,.0f} images/s"
                    )
                    yield speed


def matrix_rate(device: torch.device, precision: str) -> float:
    """Return the rate of a large matrix product in floating-point operations per second; the best of five."""
    size = MATRIX[device.type]
    dtype = torch.bfloat16 if hardware.evaluating_precision(device, precision) == "bf16" else torch.float32
    one, two = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))

    def product(num: int) -> None:
        for _ in range(num):
            torch.mm(one, two)

    product(2)
    return 2 * size**3 / min(_timed(product, 1, device) for _ in range(5))


def _compare(
    recipe: Recipe,
    ours: Callable[[int], None],
    textbook: Callable[[int], float],
    ceilings: dict[str, float],
    device: torch.device,
    rounds: int,
    num_steps: int,
) -> Speed:
    ours(2)
    textbook(2)
    our_steps = num_steps * STEPS[device.type]
    pairs = []
    for _ in range(rounds):
        mine = _timed(ours, our_steps, device) / our_steps
        textbook(WAITING_BATCHES)  # uses up what its workers have made in the meantime
        pairs.append((mine, textbook(num_steps) / num_steps))
        time.sleep(PAUSE_SECONDS)  # lets them refill, so that they do not slow down our steps
        # The ceiling is the best product of all rounds: the machine may have been busy during any one of them.
        ceilings[recipe.precision] = max(ceilings[recipe.precision], matrix_rate(device, recipe.precision))
    rate = recipe.batch_size / statistics.median(mine for mine, _ in pairs)
    network = build_network(recipe, 10, 0)
    return Speed(
        depth=recipe.depth,
        batch_size=recipe.batch_size,
        precision=recipe.precision,
        images_per_second=rate,
        textbook_images_per_second=recipe.batch_size / statistics.median(theirs for _, theirs in pairs),
        ratio=statistics.median(theirs / mine for mine, theirs in pairs),
        share=rate * 2 * PASSES * multiply_adds(network) / ceilings[recipe.precision],
        epoch_seconds=EPOCH_IMAGES / rate,
    )


def _timed(train: Callable[[int], None], num_steps: int, device: torch.device) -> float:
    _wait(device)
    begun = time.perf_counter()
    train(num_steps)
    _wait(device)
    return time.perf_counter() - begun


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()
