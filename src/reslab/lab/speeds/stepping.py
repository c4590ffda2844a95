"""Training steps on noise, from uint8 pixels to updated weights: what every measurement of speed times.

python -m reslab.lab.speeds.stepping DEVICE PRECISION THREADS [RUNS]   prints ready, waits for a line, prints its speed

Several runs train side by side in this process, as they do on a GPU.
"""

import os
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import torch

from reslab.data.images import ImageSet
from reslab.data.normalisation import fit
from reslab.data.serving import train_batches
from reslab.lab.assembly import training_network
from reslab.lab.planner import work_per_image
from reslab.lab.threads import computing_with
from reslab.recipe import Recipe, Run, vary
from reslab.training import hardware, process_settings
from reslab.training.loop import make_step, start
from reslab.training.recorded import Draw

NUM_IMAGES = 12_800
SECONDS = 2.0
"""How long a process trains for the measurement, after `WARM_UP` steps."""
WARM_UP = 3


def trainer(recipe: Recipe, images: ImageSet, device: torch.device) -> Callable[[int], None]:
    """Return a function that trains a network of the recipe for a number of steps, and waits for the device."""
    stream = hardware.stream_of_its_own(device)
    with hardware.on_stream(stream):
        batches = train_batches(Run(recipe), images, fit(recipe.normalisation, images), device, 10)
        module = training_network(recipe, 10, 0, device).train()
        state = start(module, recipe, batches.num_batches, device)
        step = make_step(state, recipe, batches.render, device)

    def endless() -> Iterator[Draw]:
        epoch = 0
        while True:
            yield from batches.draws(epoch)
            epoch += 1

    source = endless()

    def train(num_steps: int) -> None:
        with hardware.on_stream(stream):
            for _ in range(num_steps):
                step(next(source), 0.01, state.totals)
            state.totals.loss.item()  # waits for the device

    return train


def noise() -> ImageSet:
    """Return random images to measure on."""
    pixels = np.random.Generator(np.random.Philox(0)).integers(0, 256, (NUM_IMAGES, 3, 32, 32), dtype=np.uint8)
    return ImageSet(pixels, np.arange(NUM_IMAGES) % 10)


def main(device_name: str, precision: str, threads: str, runs: str = "1") -> None:
    """Print that it is ready, train when told to, and print the speed."""
    with process_settings.deterministic(), process_settings.keeping_freed_memory(), computing_with(int(threads)):
        device = hardware.pick_device(device_name)
        recipe = vary(Recipe(), precision=precision)
        trainers = [trainer(recipe, noise(), device) for _ in range(int(runs))]
        for train in trainers:
            train(WARM_UP)
        print("ready", flush=True)
        if not sys.stdin.readline():
            return
        with ThreadPoolExecutor(len(trainers)) as pool:
            # Each call waits for the GPU, which training does once per epoch: so take many steps per call there.
            steps_each = 50 if device.type == "cuda" else 2
            rates = list(pool.map(partial(_steps_per_second, steps_each=steps_each), trainers))
    print(sum(rates) * recipe.batch_size * work_per_image(recipe), flush=True)


def _steps_per_second(train: Callable[[int], None], steps_each: int) -> float:
    begun, steps = time.perf_counter(), 0
    while time.perf_counter() - begun < SECONDS:
        train(steps_each)
        steps += steps_each
    return steps / (time.perf_counter() - begun)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except (BrokenPipeError, KeyboardInterrupt):  # the caller is gone, or stops this
        os._exit(1)  # without an error about unwritten output
