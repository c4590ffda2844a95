"""A recipe's network with its initial weights; and the residual and plain networks for 32x32 images.

He et al. 2016, section 4.2; the other families are in `reslab.models.imagenet` and `reslab.models.preact`.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain

import torch
from torch import Tensor, nn

from reslab.errors import ResLabError
from reslab.families import FAMILIES, check_depth, num_blocks
from reslab.models.blocks import Block, CheckpointedBlock, make_stage, relu_after
from reslab.models.imagenet import ImageNetResNet
from reslab.models.preact import PreActResNet
from reslab.recipe import CHOICES, random_stream, unhandled

STAGE_CHANNELS = (16, 32, 64)
"""Filters of the three stages, on maps of 32x32, 16x16 and 8x8."""

BOTTLENECK_CHANNELS = (64, 128, 256)
"""Filters of a bottleneck network's three stages, at the end of each bottleneck."""


@dataclass(frozen=True, slots=True)
class Design:
    """The parameters that a family's network is built from; the values are those of `Recipe`."""

    family: str
    depth: int
    shortcut: str
    num_classes: int
    width: int = 1
    dropout: float = 0.0
    in_channels: int = 3
    checkpoint_activations: bool = False

    @property
    def num_blocks(self) -> int:
        """Blocks of each of the three stages."""
        return num_blocks(self.family, self.depth)


def build(
    family: str,
    depth: int,
    shortcut: str,
    num_classes: int,
    *,
    initialisation: str,
    seed: int,
    width: int = 1,
    dropout: float = 0.0,
    in_channels: int = 3,
    checkpoint_activations: bool = False,
) -> nn.Module:
    """Return the network on the CPU, its weights drawn from the seed and not from global state.

    The arguments are those of `Recipe`; a plain network has no shortcuts, whatever `shortcut` is.  The network takes
    images N x in_channels x H x W and returns logits N x num_classes.  With `checkpoint_activations`, each block keeps
    only its input and is recomputed in the backward pass: less memory, the same mathematics.  Raises `ResLabError` for
    an impossible value.
    """
    network = skeleton(
        family,
        depth,
        shortcut,
        num_classes,
        width=width,
        dropout=dropout,
        in_channels=in_channels,
        checkpoint_activations=checkpoint_activations,
    )
    initialise(with_memory(network), initialisation, seed)
    return network


def with_memory(module: nn.Module) -> nn.Module:
    """Give a module's parameters and buffers uninitialised memory on the CPU; return the module.

    Like `to_empty`, which imports a symbolic mathematics library to check the memory layout.
    """
    module._apply(lambda values: torch.empty(values.shape, dtype=values.dtype, device="cpu"))  # type: ignore[no-untyped-call]
    return module


def skeleton(
    family: str,
    depth: int,
    shortcut: str,
    num_classes: int,
    *,
    width: int = 1,
    dropout: float = 0.0,
    in_channels: int = 3,
    checkpoint_activations: bool = False,
) -> "ResNet | ImageNetResNet | PreActResNet":
    """Return the network on torch's meta device: shapes without memory, for counting."""
    _require_choice("family", family)
    _require_choice("shortcut", shortcut)
    check_depth(family, depth)
    if num_classes < 1 or in_channels < 1:
        raise ResLabError(
            f"a network needs at least one class and one input channel, not {num_classes} and {in_channels}"
        )
    if FAMILIES[family].has_shortcuts and shortcut == "none":
        raise ResLabError("a residual network needs a shortcut: A, A-centred, B or C")
    with torch.device("meta"):
        design = Design(family, depth, shortcut, num_classes, width, dropout, in_channels, checkpoint_activations)
        return BUILDERS[family](design)


def _resnet(design: Design) -> "ResNet":
    return ResNet(
        num_blocks=design.num_blocks,
        shortcut=design.shortcut if FAMILIES[design.family].has_shortcuts else "none",
        num_classes=design.num_classes,
        in_channels=design.in_channels,
        block=CheckpointedBlock if design.checkpoint_activations else Block,
    )


def _imagenet(design: Design) -> ImageNetResNet:
    return ImageNetResNet(
        depth=design.depth,
        stride_first=design.family == "imagenet-1x1",
        shortcut=design.shortcut,
        num_classes=design.num_classes,
        in_channels=design.in_channels,
        checkpoint_activations=design.checkpoint_activations,
    )


def _preact(design: Design) -> PreActResNet:
    bottlenecks = design.family == "preact-bottleneck"
    narrow, middle, wide = BOTTLENECK_CHANNELS if bottlenecks else STAGE_CHANNELS
    return PreActResNet(
        num_blocks=design.num_blocks,
        channels=(narrow * design.width, middle * design.width, wide * design.width),
        shortcut="B" if FAMILIES[design.family].projects else design.shortcut,
        num_classes=design.num_classes,
        in_channels=design.in_channels,
        bottlenecks=bottlenecks,
        dropout=design.dropout if FAMILIES[design.family].has_dropout else 0.0,
        checkpoint_activations=design.checkpoint_activations,
    )


BUILDERS: "dict[str, Callable[[Design], ResNet | ImageNetResNet | PreActResNet]]" = {
    "residual": _resnet,
    "plain": _resnet,
    "imagenet": _imagenet,
    "imagenet-1x1": _imagenet,
    "preact": _preact,
    "preact-bottleneck": _preact,
    "wide": _preact,
}
"""How the network of each family is built, by the names in `reslab.families`."""


@torch.no_grad()
def initialise(network: nn.Module, initialisation: str, seed: int) -> None:
    """Draw all weights from `random_stream(seed, "initialisation")`.

    he-fan-in (He et al. 2015, section 2.2): every convolution and the linear layer normal with standard
    deviation sqrt(2 / inputs of a unit), the linear layer's bias zero.  he-fan-out: convolutions normal with
    sqrt(2 / (kernel area x filters)), the linear layer and its bias uniform within 1 / sqrt(inputs).
    Batch norm starts as the identity.  Projection shortcuts are drawn last, so that networks of one depth
    and seed start with the same weights on their main path whatever their shortcuts.

    Any other module with weights raises `TypeError`: it would keep uninitialised memory.
    """
    _require_choice("initialisation", initialisation)
    if initialisation not in ("he-fan-in", "he-fan-out"):
        raise unhandled("initialisation", initialisation)
    generator = torch.Generator().manual_seed(random_stream(seed, "initialisation"))
    modules = sorted(network.named_modules(), key=lambda item: "downsample" in item[0])
    for name, module in modules:
        if isinstance(module, nn.Conv2d) and module.bias is None:
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
        elif next(chain(module.parameters(recurse=False), module.buffers(recurse=False)), None) is not None:
            raise TypeError(f"initialise does not support {name or 'the network'}, a {type(module).__name__}")


class ResNet(nn.Module):
    """A 3x3 convolution, three stages of blocks, global average pooling and a linear layer.

    Each block has two weighted layers, so the depth is 6 x num_blocks + 2.  The parameters have torchvision's names:
    conv1, bn1, layer1.0.conv1, ..., layer3.2.bn2, fc.
    """

    def __init__(
        self, *, num_blocks: int, shortcut: str, num_classes: int, in_channels: int, block: type[Block]
    ) -> None:
        super().__init__()
        narrow, middle, wide = STAGE_CHANNELS
        self.conv1 = nn.Conv2d(in_channels, narrow, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(narrow)
        self.layer1 = make_stage(block, num_blocks, narrow, narrow, 1, shortcut)
        self.layer2 = make_stage(block, num_blocks, narrow, middle, 2, shortcut)
        self.layer3 = make_stage(block, num_blocks, middle, wide, 2, shortcut)
        self.fc = nn.Linear(wide, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.fc(self._pooled(images))
        return logits

    def _pooled(self, images: Tensor) -> Tensor:
        """Return the mean of the last maps, N x 64."""
        x = relu_after(self.bn1, self.bn1(self.conv1(images)))
        x = self.layer1(x)
        x = self.layer2(x)
        x = self.layer3(x)
        pooled: Tensor = x.mean(dim=(2, 3))
        return pooled


def _require_choice(field: str, value: str) -> None:
    if value not in CHOICES[field]:
        raise ResLabError(f"{field} must be one of {', '.join(CHOICES[field])}; not {value!r}")
