"""The 3x3 convolutions of ResNet-20 one by one, ours and torch's in turn: time and deviation from float64.

python bench/convolutions.py [THREADS]
"""

import statistics
import sys
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from reslab import host
from reslab.kernels.build import kernels
from reslab.kernels.convolution import convolve
from reslab.training.process_settings import keep_freed_memory

IMAGES, ROUNDS = 128, 15
LAYERS = ((16, 16, 32), (32, 32, 16), (64, 64, 8))
"""Channels in and out, and pixels per side."""

Way = Callable[[Tensor], Tensor]


def timed(call: Callable[[], object]) -> float:
    """Return the milliseconds that a call takes."""
    begun = time.perf_counter()
    call()
    return 1e3 * (time.perf_counter() - begun)


def measure(ways: dict[str, Way], maps: Tensor, gradient: Tensor) -> dict[str, tuple[float, float]]:
    """Return each way's median times of forward and backward, in milliseconds; the ways take turns."""
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for _ in range(ROUNDS + 2):
        for name, way in ways.items():
            leaf = maps.clone(memory_format=torch.channels_last).requires_grad_()
            outs: list[Tensor] = []
            forward = timed(lambda way=way, leaf=leaf, outs=outs: outs.append(way(leaf)))  # type: ignore[misc]
            backward = timed(lambda outs=outs: outs[0].backward(gradient))  # type: ignore[misc]
            times[name].append((forward, backward))
    return {
        name: (statistics.median(one for one, _ in pairs[2:]), statistics.median(two for _, two in pairs[2:]))
        for name, pairs in times.items()
    }


def far(way: Way, convolution: nn.Conv2d, maps: Tensor, gradient: Tensor) -> tuple[float, float, float]:
    """Return the relative deviations of the output and of the gradients of maps and weights from float64."""
    results: list[list[Tensor]] = []
    for wide in (False, True):
        leaf = (maps.double() if wide else maps.clone()).requires_grad_()
        weight = convolution.weight.detach().double().requires_grad_() if wide else convolution.weight
        weight.grad = None
        out = F.conv2d(leaf, weight, padding=1) if wide else way(leaf)
        out.backward(gradient.double() if wide else gradient)  # type: ignore[no-untyped-call]
        assert leaf.grad is not None
        assert weight.grad is not None
        results.append([tensor.detach().double() for tensor in (out, leaf.grad, weight.grad)])
    one, two, three = (float((found - truth).norm() / truth.norm()) for found, truth in zip(*results, strict=True))
    return one, two, three


def main() -> None:
    """Print a table and the machine."""
    torch.set_num_threads(int(sys.argv[1]) if len(sys.argv) > 1 else host.usable_cores())
    keep_freed_memory()
    print(
        f"{host.cpu_name()}, {torch.get_num_threads()} threads, torch {torch.__version__}; kernels: {kernels().words}"
    )
    print(f"{IMAGES} images; medians of {ROUNDS} rounds in turn, ms; distance from float64 as a share of it\n")
    print("precision  channels  pixels  way    forward  backward  off: output   maps    weights")
    for precision in ("fp32", "bf16"):
        half = precision == "bf16"
        for inputs, outputs, side in LAYERS:
            generator = torch.Generator().manual_seed(0)
            convolution = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
            shape = (IMAGES, inputs, side, side)
            dtype = torch.bfloat16 if half else torch.float32
            maps, gradient = (
                torch.randn(size, generator=generator).to(dtype, memory_format=torch.channels_last)
                for size in (shape, (IMAGES, outputs, side, side))
            )

            def ours(x: Tensor, convolution: nn.Conv2d = convolution, half: bool = half) -> Tensor:
                with torch.autocast("cpu", torch.bfloat16, enabled=half):
                    return convolve(convolution, x)

            def torchs(x: Tensor, convolution: nn.Conv2d = convolution, half: bool = half) -> Tensor:
                with torch.autocast("cpu", torch.bfloat16, enabled=half):
                    return convolution(x)  # type: ignore[no-any-return]

            ways: dict[str, Way] = {"ours": ours, "torch": torchs}
            times = measure(ways, maps, gradient)
            for name, way in ways.items():
                off = "  ".join(f"{share:.1e}" for share in far(way, convolution, maps, gradient))
                forward, backward = times[name]
                print(f"{precision:9}  {inputs:8}  {side:6}  {name:5}  {forward:7.2f}  {backward:8.2f}      {off}")


if __name__ == "__main__":
    main()
