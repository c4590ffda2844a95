"""A small network with what ours have, noise images, and everything about a network that a measurement could change."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

NUM_CLASSES = 3


class Network(nn.Module):
    """Two 3x3 convolutions with batch norm, and a linear layer."""

    def __init__(self, width: int, *, smooth: bool) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(2, width, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride=2, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.fc = nn.Linear(width, NUM_CLASSES)
        self.bend: nn.Module = nn.Tanh() if smooth else nn.ReLU()

    def forward(self, images: Tensor) -> Tensor:
        x = self.bend(self.bn1(self.conv1(images)))
        x = self.bend(self.bn2(self.conv2(x)))
        logits: Tensor = self.fc(x.mean(dim=(2, 3)))
        return logits


def network(seed: int = 0, width: int = 4, *, smooth: bool = False) -> Network:
    """Return the network in training mode, its weights random and its batch norms no identity."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = Network(width, smooth=smooth)
        with torch.no_grad():
            for name, tensor in [*module.named_parameters(), *module.named_buffers()]:
                if name.startswith("bn") and tensor.is_floating_point():
                    tensor.uniform_(0.5, 1.5)
    return module


def gradients_by_name(module: nn.Module, images: Tensor, labels: Tensor) -> dict[str, Tensor]:
    """Return what the textbook's backward pass leaves in `grad`, with the module as it is."""
    loss = F.cross_entropy(module(images), labels)
    loss.backward()  # type: ignore[no-untyped-call]
    return {name: parameter.grad for name, parameter in module.named_parameters() if parameter.grad is not None}


def batches(
    sizes: tuple[int, ...] = (6, 6, 4), seed: int = 0, dtype: torch.dtype = torch.float32
) -> list[tuple[Tensor, Tensor]]:
    """Return noise images of 2 x 5 x 5 with labels, in batches of these sizes."""
    generator = torch.Generator().manual_seed(seed)
    return [
        (
            torch.randn(size, 2, 5, 5, generator=generator, dtype=torch.float64).to(dtype),
            torch.randint(NUM_CLASSES, (size,), generator=generator),
        )
        for size in sizes
    ]


def everything(module: nn.Module) -> dict[str, Any]:
    """Return all that a measurement must leave as it was, to be compared exactly."""
    return {
        **{f"value of {name}": value.flatten().tolist() for name, value in module.state_dict().items()},
        **{f"mode of {name}": part.training for name, part in module.named_modules()},
        **{f"hooks of {name}": len(part._forward_hooks) for name, part in module.named_modules()},
        **{f"flag of {name}": parameter.requires_grad for name, parameter in module.named_parameters()},
        **{
            f"gradient of {name}": None if parameter.grad is None else parameter.grad.flatten().tolist()
            for name, parameter in module.named_parameters()
        },
    }
