"""Networks evaluated by our kernels and by torch's operations, in turn: images a second, and deviation from float64.

python bench/evaluation.py [THREADS]
"""

import copy
import statistics
import sys
import time

import torch
from torch import Tensor, nn

from reslab import host
from reslab.kernels.build import kernels
from reslab.kernels.layers import use_kernels
from reslab.models.fused import FusedResNet, fused
from reslab.models.networks import build
from reslab.training.hardware import arithmetic, evaluating_precision
from reslab.training.process_settings import keep_freed_memory

IMAGES, ROUNDS = 500, 5
NETWORKS = (("residual", 20, 1), ("residual", 56, 1), ("preact", 20, 1), ("wide", 16, 4))
"""Family, depth, width."""


def outputs(network: nn.Module, images: Tensor, precision: str) -> Tensor:
    """Return the logits, in evaluation mode and without gradients."""
    device = images.device
    with torch.inference_mode(), arithmetic(device, evaluating_precision(device, precision)):
        logits: Tensor = network(images)
    return logits.double()


def by_kernels(network: nn.Module, precision: str) -> nn.Module:
    """Return a copy that uses the kernels, as a run's network does."""
    ours = fused(copy.deepcopy(network))
    if not isinstance(ours, FusedResNet):
        use_kernels(ours, precision)
    return ours


def measure(network: nn.Module, images: Tensor, precision: str) -> str:
    """Return a line of medians and deviations; the ways take turns."""
    ways = {"ours": by_kernels(network, precision), "torch": network}
    exact = outputs(copy.deepcopy(network).double(), images[:100].double(), "fp32")
    speeds: dict[str, list[float]] = {name: [] for name in ways}
    for round_ in range(ROUNDS + 1):
        for name, way in ways.items():
            begun = time.perf_counter()
            outputs(way, images, precision)
            if round_:
                speeds[name].append(IMAGES / (time.perf_counter() - begun))
    ours, torchs = (statistics.median(speeds[name]) for name in ways)
    far = {
        name: float((outputs(way, images[:100], precision) - exact).norm() / exact.norm()) for name, way in ways.items()
    }
    return (
        f"ours {ours:5.0f} images a second, torch {torchs:5.0f}: {ours / torchs:.2f} times;"
        f" from float64 ours {far['ours']:.1e}, torch {far['torch']:.1e}"
    )


def main() -> None:
    """Print a line for each network and precision."""
    threads = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    torch.set_num_threads(threads)
    keep_freed_memory()
    print(f"{host.cpu_name()}, {threads} threads, {IMAGES} images; kernels: {kernels().words}")
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(IMAGES, 3, 32, 32, generator=generator).contiguous(memory_format=torch.channels_last)
    for family, depth, width in NETWORKS:
        network = build(family, depth, "B", 10, initialisation="he-fan-out", seed=0, width=width)
        network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        network(images[:100])  # statistics of real maps, not the initial ones
        network.eval()
        for precision in ("bf16", "fp32"):
            print(f"{family} {depth} x {width}, {precision}: {measure(network, images, precision)}", flush=True)


if __name__ == "__main__":
    main()
