"""The residual and plain networks for 32x32 images of He et al. 2016, section 4.2."""

import math
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from reslab.errors import ResLabError
from reslab.recipe import CHOICES, random_stream

STAGE_CHANNELS = (16, 32, 64)
"""Filters of the three stages, on maps of 32x32, 16x16 and 8x8."""


def build(
    family: str,
    depth: int,
    shortcut: str,
    num_classes: int,
    *,
    initialisation: str,
    seed: int,
    in_channels: int = 3,
    checkpoint_activations: bool = False,
) -> nn.Module:
    """Return the network on the CPU, its weights drawn from the seed and not from global state.

    The arguments are those of `Recipe`; a plain network has no shortcuts, whatever `shortcut` says.
    The network takes images N x in_channels x H x W and gives logits N x num_classes.  With
    `checkpoint_activations` each block keeps only its input and is computed again in the backward pass:
    less memory, the same numbers.  An impossible value raises `ResLabError`.
    """
    network = skeleton(
        family,
        depth,
        shortcut,
        num_classes,
        in_channels=in_channels,
        checkpoint_activations=checkpoint_activations,
    ).to_empty(device="cpu")
    initialise(network, initialisation, seed)
    return network


def skeleton(
    family: str,
    depth: int,
    shortcut: str,
    num_classes: int,
    *,
    in_channels: int = 3,
    checkpoint_activations: bool = False,
) -> "ResNet":
    """Return the network on torch's meta device: shapes without memory, for counting."""
    _require_choice("family", family)
    _require_choice("shortcut", shortcut)
    require_depth(depth)
    if num_classes < 1 or in_channels < 1:
        raise ResLabError(
            f"a network needs at least one class and one input channel, not {num_classes} and {in_channels}"
        )
    if family == "residual" and shortcut == "none":
        raise ResLabError("a residual network needs a shortcut: A, A-centred, B or C")
    with torch.device("meta"):
        return ResNet(
            num_blocks=(depth - 2) // 6,
            shortcut="none" if family == "plain" else shortcut,
            num_classes=num_classes,
            in_channels=in_channels,
            block=CheckpointedBlock if checkpoint_activations else Block,
        )


def require_depth(depth: int) -> None:
    """Raise `ResLabError` unless the depth is 6n+2."""
    if depth < 8 or depth % 6 != 2:
        raise ResLabError(f"depth must be 6n+2, as in 8, 14, 20, 32, 44, 56, 110 or 1202; not {depth}")


@torch.no_grad()
def initialise(network: nn.Module, initialisation: str, seed: int) -> None:
    """Draw all weights anew from `random_stream(seed, "initialisation")`.

    he-fan-in (He et al. 2015, section 2.2): every convolution and the linear layer normal with standard
    deviation sqrt(2 / inputs of a unit), the linear layer's bias zero.  he-fan-out: convolutions normal with
    sqrt(2 / (kernel area x filters)), the linear layer and its bias uniform within 1 / sqrt(inputs).
    Batch norm starts as the identity.  Projection shortcuts are drawn last, so that networks of one depth
    and seed start with the same weights on their main path whatever their shortcuts.
    """
    _require_choice("initialisation", initialisation)
    generator = torch.Generator().manual_seed(random_stream(seed, "initialisation"))
    modules = sorted(network.named_modules(), key=lambda item: "downsample" in item[0])
    for _, module in modules:
        if isinstance(module, nn.Conv2d):
            area = module.kernel_size[0] * module.kernel_size[1]
            channels = module.in_channels if initialisation == "he-fan-in" else module.out_channels
            module.weight.normal_(0, math.sqrt(2 / (area * channels)), generator=generator)
        elif isinstance(module, nn.Linear):
            if initialisation == "he-fan-in":
                module.weight.normal_(0, math.sqrt(2 / module.in_features), generator=generator)
                module.bias.zero_()
            else:
                bound = 1 / math.sqrt(module.in_features)
                module.weight.uniform_(-bound, bound, generator=generator)
                module.bias.uniform_(-bound, bound, generator=generator)
        elif isinstance(module, nn.BatchNorm2d):
            module.reset_parameters()


class ResNet(nn.Module):
    """A 3x3 convolution, three stages of blocks, global average pooling and a linear layer.

    Each block has two weighted layers, so the depth is 6 x num_blocks + 2.  The names of the parameters are
    torchvision's: conv1, bn1, layer1.0.conv1, ..., layer3.2.bn2, fc.
    """

    def __init__(
        self, *, num_blocks: int, shortcut: str, num_classes: int, in_channels: int, block: type["Block"]
    ) -> None:
        super().__init__()
        narrow, middle, wide = STAGE_CHANNELS
        self.conv1 = nn.Conv2d(in_channels, narrow, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(narrow)
        self.layer1 = _stage(block, num_blocks, narrow, narrow, shortcut)
        self.layer2 = _stage(block, num_blocks, narrow, middle, shortcut)
        self.layer3 = _stage(block, num_blocks, middle, wide, shortcut)
        self.fc = nn.Linear(wide, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        x = F.relu(self.bn1(self.conv1(images)), inplace=True)
        x = self.layer1(x)
        x = self.layer2(x)
        x = self.layer3(x)
        logits: Tensor = self.fc(x.mean(dim=(2, 3)))
        return logits


class Block(nn.Module):
    """Two 3x3 convolutions, each with batch norm, and a shortcut around them (figure 2 of the paper)."""

    def __init__(self, in_channels: int, channels: int, stride: int, shortcut: str) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, channels, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.plain = shortcut == "none"
        self.downsample = _shortcut(in_channels, channels, stride, shortcut)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        y = self.bn2(self.conv2(y))
        if not self.plain:
            y = y + (x if self.downsample is None else self.downsample(x))
        return F.relu(y, inplace=True)


class CheckpointedBlock(Block):
    """A block that keeps only its input for the backward pass and computes the rest again."""

    @torch.compiler.disable  # type: ignore[untyped-decorator]
    def forward(self, x: Tensor) -> Tensor:
        if not torch.is_grad_enabled():
            return super().forward(x)
        y: Tensor = checkpoint(
            super().forward, x, use_reentrant=False, preserve_rng_state=False, context_fn=self._contexts
        )
        return y

    def _contexts(self) -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
        return nullcontext(), _keeping_statistics(self)


class ZeroPadding(nn.Module):
    """Shortcut A: every second pixel of the identity, and zero channels for those that are new.

    The zeros come after the old channels, or half before and half after them (`centred`).  No parameters.
    """

    def __init__(self, in_channels: int, channels: int, stride: int, *, centred: bool) -> None:
        super().__init__()
        new = channels - in_channels
        self.before = new // 2 if centred else 0
        self.after = new - self.before
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        x = x[:, :, :: self.stride, :: self.stride]
        return F.pad(x, (0, 0, 0, 0, self.before, self.after))


def _stage(block: type[Block], num_blocks: int, in_channels: int, channels: int, shortcut: str) -> nn.Sequential:
    first = block(in_channels, channels, 1 if in_channels == channels else 2, shortcut)
    return nn.Sequential(first, *(block(channels, channels, 1, shortcut) for _ in range(num_blocks - 1)))


def _shortcut(in_channels: int, channels: int, stride: int, shortcut: str) -> nn.Module | None:
    """Return what the shortcut does to its input; None where that is nothing, or where there is none."""
    same_size = stride == 1 and in_channels == channels
    if shortcut == "none" or (same_size and shortcut != "C"):
        return None
    if shortcut in ("B", "C"):
        projection = nn.Conv2d(in_channels, channels, 1, stride=stride, bias=False)
        return nn.Sequential(projection, nn.BatchNorm2d(channels))
    return ZeroPadding(in_channels, channels, stride, centred=shortcut == "A-centred")


@contextmanager
def _keeping_statistics(block: nn.Module) -> Iterator[None]:
    """Undo what a second forward pass does to batch norm's running statistics, also where it stops early."""
    kept = [(buffer, buffer.clone()) for buffer in block.buffers()]
    try:
        yield
    finally:
        with torch.no_grad():
            for buffer, value in kept:
                buffer.copy_(value)


def _require_choice(field: str, value: str) -> None:
    if value not in CHOICES[field]:
        raise ResLabError(f"{field} must be one of {', '.join(CHOICES[field])}; not {value!r}")
