"""How fast this machine trains, measured on a few steps, for estimates made before anything has run."""

import time

import torch

from reslab.lab.assembly import training_network
from reslab.lab.planner import work_per_image
from reslab.recipe import Recipe, vary
from reslab.training.hardware import keep_freed_memory, pick_device
from reslab.training.loop import start
from reslab.training.step import TrainingStep

NUM_STEPS = 4


def measure(device_name: str, precision: str, *, threads: int | None, jobs: int) -> float:
    """Return the work per second (see `reslab.lab.planner`) of one of `jobs` processes that train side by side.

    Trains ResNet-20 on noise for a few steps of 128 images, after one to warm up: a few seconds.
    """
    device = pick_device(device_name)
    keep_freed_memory()
    before = torch.get_num_threads()
    if threads:
        torch.set_num_threads(threads)
    recipe = vary(Recipe(), precision=precision)
    module = training_network(recipe, 10, 0, device)
    state = start(module, recipe, 1, device)
    step = TrainingStep(module, state.optimiser, label_smoothing=0.0, precision=precision, device=device)
    images = torch.randn(recipe.batch_size, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    images = images.to(device=device, memory_format=torch.channels_last)
    labels = torch.arange(recipe.batch_size, device=device) % 10
    step(images, labels, 1e-3, state.totals)
    state.totals.loss.item()  # wait for the device
    begun = time.perf_counter()
    for _ in range(NUM_STEPS):
        step(images, labels, 1e-3, state.totals)
    state.totals.loss.item()
    seconds = time.perf_counter() - begun
    torch.set_num_threads(before)
    sharing = jobs if device.type != "cpu" else 1  # processes on one card share it
    return NUM_STEPS * recipe.batch_size * work_per_image(recipe) / seconds / sharing
