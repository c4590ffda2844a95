"""Training steps on a graphics card: with our kernels and with PyTorch's, runs side by side, and kernel by kernel.

python bench/gpu.py [--depths 20,56,110] [--side-by-side 1,2,4,6] [--kernels 20]

It times `reslab.lab.speeds.stepping`, from bytes on the card to updated weights, batch 128, on noise; median of five.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor

import torch

from reslab.lab.folder.provenance import kernel_words
from reslab.lab.speeds.stepping import noise, trainer
from reslab.presets import preset_recipe
from reslab.recipe import Recipe, vary
from reslab.training.hardware import device_name
from reslab.training.process_settings import make_deterministic

REPEATS = 5


def recipe(depth: int, precision: str) -> Recipe:
    """Return the assignment's recipe."""
    return vary(preset_recipe("assignment", depth=depth), precision=precision)


def milliseconds(depth: int, precision: str, runs: int, device: torch.device) -> float:
    """Return the time of a step of each of `runs` side by side, divided by their number."""
    trainers = [trainer(recipe(depth, precision), noise(), device) for _ in range(runs)]
    for train in trainers:
        train(4)  # the first runs directly, the second is recorded
    steps, taken = max(10, 1200 // depth), []
    with ThreadPoolExecutor(runs) as pool:
        for _ in range(REPEATS):
            begun = time.perf_counter()
            list(pool.map(lambda train: train(steps), trainers))
            taken.append(1e3 * (time.perf_counter() - begun) / steps / runs)
    return statistics.median(taken)


def show_kernels(depth: int, device: torch.device, number: int) -> None:
    """Print the kernels of a step that take the most time."""
    from torch.profiler import ProfilerActivity, profile

    train, steps = trainer(recipe(depth, "bf16"), noise(), device), 10
    train(4)
    with profile(activities=[ProfilerActivity.CUDA]) as measured:
        train(steps)
    times: dict[str, list[float]] = defaultdict(list)
    for event in measured.events() or ():
        if event.device_type.name == "CUDA":
            times[event.name].append(event.device_time)
    total = sum(map(sum, times.values())) / steps
    print(f"\nResNet-{depth}, bf16: {sum(map(len, times.values())) / steps:.0f} kernels a step, {total:,.0f} us in all")
    for name, each in sorted(times.items(), key=lambda item: -sum(item[1]))[:number]:
        number_of, one = len(each) / steps, statistics.median(each)
        print(f"{sum(each) / steps:8.1f} us a step: {number_of:5.1f} of {one:6.2f} us  {name[:100]}")


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--depths", default="20,56,110")
    parser.add_argument("--side-by-side", default="1,2,4,6")
    parser.add_argument("--kernels", type=int, default=20, help="how many to list")
    parser.add_argument("--steps-only", action="store_true", help="no runs side by side and no list of kernels")
    arguments = parser.parse_args()
    if not torch.cuda.is_available():
        print("this needs an NVIDIA card", file=sys.stderr)
        return 1
    device = torch.device("cuda")
    make_deterministic()
    print(f"{device_name(device)}, torch {torch.__version__}; {kernel_words(device)}")
    for depth in map(int, arguments.depths.split(",")):
        for precision in ("bf16", "fp32"):
            taken = milliseconds(depth, precision, 1, device)
            print(f"ResNet-{depth} {precision}: {taken:.3f} ms a step, {128e3 / taken:,.0f} images/s", flush=True)
    if arguments.steps_only:
        return 0
    subprocess.run(
        [sys.executable, __file__, "--depths", arguments.depths, "--steps-only"],
        env={**os.environ, "RESLAB_KERNELS": "0"},
        check=True,
    )
    for runs in map(int, arguments.side_by_side.split(",")):
        taken = milliseconds(20, "bf16", runs, device)
        print(f"ResNet-20 bf16, {runs} at a time: {128e3 / taken:,.0f} images/s in all", flush=True)
    show_kernels(20, device, arguments.kernels)
    return 0


if __name__ == "__main__":
    sys.exit(main())
