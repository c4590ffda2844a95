"""The residual networks for ImageNet of He et al. 2016, table 1: 18, 34, 50, 101 and 152 layers."""

from functools import partial

from torch import Tensor, nn
from torch.nn import functional as F

from reslab.models.blocks import Block, Bottleneck, CheckpointedBlock, CheckpointedBottleneck, make_stage, relu_after

NUM_BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}
"""Blocks of the four stages, conv2_x to conv5_x, by depth."""

STAGE_CHANNELS = (64, 128, 256, 512)
"""Filters of the 3x3 convolutions of the four stages, on maps of 56, 28, 14 and 7 for images of 224."""

EXPANSION = 4
"""Filters of a bottleneck's last convolution, as a multiple of those of its 3x3."""


def has_bottlenecks(depth: int) -> bool:
    """Say whether the network of this depth has bottlenecks; else it has blocks of two layers."""
    return depth >= 50


class ImageNetResNet(nn.Module):
    """A 7x7 convolution and max pooling, four stages of blocks, global average pooling and a linear layer.

    Takes images of any size; 224 x 224 in the paper.  A bottleneck's stride is in its 3x3 convolution, or in its first
    1x1 (`stride_first`).  The parameters have torchvision's names: conv1, bn1, layer1.0.conv1, ..., layer4.2.bn3, fc.
    """

    def __init__(
        self,
        *,
        depth: int,
        stride_first: bool,
        shortcut: str,
        num_classes: int,
        in_channels: int,
        checkpoint_activations: bool,
    ) -> None:
        super().__init__()
        expansion = 1
        block = CheckpointedBlock if checkpoint_activations else Block
        if has_bottlenecks(depth):
            expansion = EXPANSION
            kind = CheckpointedBottleneck if checkpoint_activations else Bottleneck
            block = partial(kind, stride_first=stride_first)  # type: ignore[assignment]
        first = STAGE_CHANNELS[0]
        self.conv1 = nn.Conv2d(in_channels, first, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(first)
        widths = (first, *(expansion * channels for channels in STAGE_CHANNELS))
        self.layer1, self.layer2, self.layer3, self.layer4 = (
            make_stage(block, num_blocks, widths[place], widths[place + 1], 2 if place else 1, shortcut)
            for place, num_blocks in enumerate(NUM_BLOCKS[depth])
        )
        self.fc = nn.Linear(widths[-1], num_classes)

    def forward(self, images: Tensor) -> Tensor:
        x = relu_after(self.bn1, self.bn1(self.conv1(images)))
        x = F.max_pool2d(x, 3, stride=2, padding=1)
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = stage(x)
        logits: Tensor = self.fc(x.mean(dim=(2, 3)))
        return logits
