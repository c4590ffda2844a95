"""Peak memory of one training step of ResNet-1202 at batch 128 with checkpointed activations."""

import platform
import resource
import sys
import time

import torch
from torch.nn import functional as F

from reslab.models.networks import build


def main() -> None:
    """Run one step in the precision named on the command line (fp32 or bf16) and print a line."""
    precision = sys.argv[1] if len(sys.argv) > 1 else "fp32"
    network = build("residual", 1202, "A", 10, initialisation="he-fan-in", seed=0, checkpoint_activations=True).to(
        memory_format=torch.channels_last
    )  # type: ignore[call-overload]
    optimiser = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4)
    images = torch.randn(128, 3, 32, 32).to(memory_format=torch.channels_last)
    labels = torch.arange(128) % 10
    before = time.perf_counter()
    with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
        loss = F.cross_entropy(network(images).float(), labels)
    loss.backward()  # type: ignore[no-untyped-call]
    optimiser.step()
    seconds = time.perf_counter() - before
    unit = 1 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    print(f"ResNet-1202, batch 128, {precision}: loss {loss.item():.3f}, {seconds:.0f} s, {peak / 2**30:.2f} GiB")
    print(f"torch {torch.__version__}, {platform.machine()}, {torch.get_num_threads()} threads")


if __name__ == "__main__":
    main()
