"""How fast this machine trains: steps on noise, from uint8 pixels to updated weights, in processes side by side.

One measurement serves whoever asks: the estimates before anything has run, the choice of how many runs train at a
time, and `reslab bench`.  It is kept in the user's cache until the machine, torch or ResLab changes.
"""

import contextlib
import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch

import reslab
from reslab.data.batches import TrainBatches
from reslab.data.images import ImageSet
from reslab.data.normalisation import fit
from reslab.errors import ResLabError
from reslab.files import read_json, user_cache, write_json
from reslab.kernels.build import kernels
from reslab.lab.assembly import training_network
from reslab.lab.planner import work_per_image
from reslab.recipe import Recipe, vary
from reslab.training import hardware
from reslab.training.loop import start
from reslab.training.step import TrainingStep

NUM_IMAGES = 12_800
SECONDS = 2.0
"""How long each process trains for the measurement, after `WARM_UP` steps."""
WARM_UP = 3


def trainer(recipe: Recipe, images: ImageSet, device: torch.device) -> Callable[[int], None]:
    """Return a function that trains a network of the recipe for so many steps, and has ended when it returns."""
    batches = TrainBatches(
        images,
        fit(recipe.normalisation, images),
        batch_size=recipe.batch_size,
        crop_padding=recipe.crop_padding,
        padding=recipe.padding,
        mirror=recipe.mirror,
        seed=0,
        device=device,
        channels_last=True,
    )
    module = training_network(recipe, 10, 0, device).train()
    state = start(module, recipe, batches.num_batches, device)
    step = TrainingStep(module, state.optimiser, label_smoothing=0.0, precision=recipe.precision, device=device)

    def endless() -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        epoch = 0
        while True:
            yield from batches.batches(epoch)
            epoch += 1

    source = endless()

    def train(num_steps: int) -> None:
        for _ in range(num_steps):
            pixels, labels = next(source)
            step(pixels, labels, 0.01, state.totals)
        state.totals.loss.item()  # waits for the device

    return train


def noise() -> ImageSet:
    """Return images to measure on; what they show plays no part."""
    pixels = np.random.Generator(np.random.Philox(0)).integers(0, 256, (NUM_IMAGES, 3, 32, 32), dtype=np.uint8)
    return ImageSet(pixels, np.arange(NUM_IMAGES) % 10)


def work_per_second(device: str, precision: str, jobs: int, *, again: bool = False) -> float:
    """Return the speed of one of `jobs` processes that train ResNet-20 side by side, in the planner's work.

    Takes some seconds the first time, and whenever `again` is asked for.
    """
    path = _remembered(device, precision)
    known = None
    with contextlib.suppress(ResLabError):  # what is damaged is measured again
        known = read_json(path)
    speeds = known or {}
    if again or str(jobs) not in speeds:
        speeds[str(jobs)] = _side_by_side(device, precision, jobs)
        with contextlib.suppress(OSError):  # a cache that cannot be written is no reason to stop
            path.parent.mkdir(parents=True, exist_ok=True)
            write_json(path, speeds)
    return float(speeds[str(jobs)])


def best_jobs(device: str, precision: str, most: int) -> int:
    """Return how many runs at a time, at most `most`, train the most images in all; measured where not known."""
    choices = [jobs for jobs in candidates(device) if jobs <= most]
    if len(choices) < 2:
        return 1
    return max(choices, key=lambda jobs: jobs * work_per_second(device, precision, jobs))


def candidates(device: str) -> tuple[int, ...]:
    """Return the numbers of processes worth comparing: one, half the cores, each core; up to four share a card."""
    kind = hardware.pick_device(device).type
    cores = hardware.usable_cores()
    return tuple(sorted({1, max(1, cores // 2), cores})) if kind == "cpu" else (1, 2, 4) if kind == "cuda" else (1,)


def share_threads(jobs: int) -> int:
    """Return the threads of each of `jobs` processes on this machine."""
    return max(1, hardware.usable_cores() // jobs)


def _side_by_side(device: str, precision: str, jobs: int) -> float:
    command = [sys.executable, "-m", "reslab.lab.speed", device, precision, str(share_threads(jobs))]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    processes = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
        for _ in range(jobs)
    ]
    try:
        heard = [_line(process) for process in processes]  # each is ready
        for process in processes:
            print("go", file=process.stdin, flush=True)
        heard = [_line(process) for process in processes]
        return sum(map(float, heard)) / jobs
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def _line(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise ResLabError(
            f"the speed could not be measured: a process ended with exit code {process.wait()}; "
            "say how many runs train at a time with --jobs"
        )
    return line


def _remembered(device: str, precision: str) -> Path:
    place = hardware.pick_device(device)
    facts = (
        hardware.device_name(place),
        place.type,
        hardware.usable_cores(),
        torch.__version__,
        kernels().reason,
        kernels().key,
        reslab.__version__,
        precision,
    )
    return user_cache() / "speed" / f"{hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]}.json"


def _main(device_name: str, precision: str, threads: str) -> None:
    """Say that all is ready, train on a sign, and say how fast that went."""
    device = hardware.pick_device(device_name)
    hardware.keep_freed_memory()
    hardware.make_deterministic()
    torch.set_num_threads(int(threads))
    recipe = vary(Recipe(), precision=precision)
    train = trainer(recipe, noise(), device)
    train(WARM_UP)
    print("ready", flush=True)
    if not sys.stdin.readline():
        return
    begun, steps = time.perf_counter(), 0
    while time.perf_counter() - begun < SECONDS:
        train(2)
        steps += 2
    images = steps * recipe.batch_size
    print(images * work_per_image(recipe) / (time.perf_counter() - begun), flush=True)


if __name__ == "__main__":
    _main(*sys.argv[1:])
