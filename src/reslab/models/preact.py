"""Pre-activation residual networks, and wide ones, for 32x32 images.

He et al. 2016, "Identity Mappings in Deep Residual Networks", figure 1 (b); Zagoruyko and Komodakis 2016, "Wide
Residual Networks", table 1.  Batch norm and ReLU come before each convolution, so that nothing follows the addition.
"""

from collections.abc import Callable
from functools import partial

from torch import Tensor, nn
from torch.nn import functional as F

from reslab.models.blocks import Checkpointed, ZeroPadding, make_stage, relu_after
from reslab.recipe import unhandled


class PreActBlock(nn.Module):
    """Two 3x3 convolutions, each after batch norm and ReLU, and a shortcut around them.

    In training, each value after the second ReLU is zeroed with probability `dropout`, and the others are scaled by
    1 / (1 - dropout) (Zagoruyko and Komodakis 2016, figure 1 (d) and section 2.4).  An identity shortcut takes the
    block's input; any other takes the output of the first ReLU, as the convolutions do.  Projections have no batch
    norm.
    """

    def __init__(self, in_channels: int, channels: int, stride: int, shortcut: str, *, dropout: float = 0.0) -> None:
        super().__init__()
        self.dropout = dropout
        self.bn1 = nn.BatchNorm2d(in_channels)
        self.conv1 = nn.Conv2d(in_channels, channels, 3, stride=stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.downsample = _shortcut(in_channels, channels, stride, shortcut)

    def forward(self, x: Tensor) -> Tensor:
        activated = relu_after(self.bn1, self.bn1(x))
        y = relu_after(self.bn2, self.bn2(self.conv1(activated)))
        if self.dropout:
            y = F.dropout(y, self.dropout, self.training)
        total: Tensor = self.conv2(y) + (x if self.downsample is None else self.downsample(activated))
        return total


class PreActBottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions, each after batch norm and ReLU, a quarter of the filters in the first two.

    The stride is in the first 1x1, as in KaimingHe/resnet-1k-layers.
    """

    def __init__(self, in_channels: int, channels: int, stride: int, shortcut: str) -> None:
        super().__init__()
        narrow = channels // 4
        self.bn1 = nn.BatchNorm2d(in_channels)
        self.conv1 = nn.Conv2d(in_channels, narrow, 1, stride=stride, bias=False)
        self.bn2 = nn.BatchNorm2d(narrow)
        self.conv2 = nn.Conv2d(narrow, narrow, 3, padding=1, bias=False)
        self.bn3 = nn.BatchNorm2d(narrow)
        self.conv3 = nn.Conv2d(narrow, channels, 1, bias=False)
        self.downsample = _shortcut(in_channels, channels, stride, shortcut)

    def forward(self, x: Tensor) -> Tensor:
        activated = relu_after(self.bn1, self.bn1(x))
        y = relu_after(self.bn2, self.bn2(self.conv1(activated)))
        y = relu_after(self.bn3, self.bn3(self.conv2(y)))
        total: Tensor = self.conv3(y) + (x if self.downsample is None else self.downsample(activated))
        return total


class CheckpointedPreActBlock(Checkpointed, PreActBlock):
    """A block that keeps only its input for the backward pass and recomputes the rest."""


class CheckpointedPreActBottleneck(Checkpointed, PreActBottleneck):
    """A bottleneck that keeps only its input for the backward pass and recomputes the rest."""


class PreActResNet(nn.Module):
    """A 3x3 convolution of 16 filters, three stages of blocks, batch norm, ReLU, average pooling and a linear layer.

    `channels` are the filters of the three stages.  The parameters are called conv1, layer1.0.bn1, layer1.0.conv1, ...,
    layer3.N.conv2, norm, fc.
    """

    def __init__(
        self,
        *,
        num_blocks: int,
        channels: tuple[int, int, int],
        shortcut: str,
        num_classes: int,
        in_channels: int,
        bottlenecks: bool = False,
        dropout: float = 0.0,
        checkpoint_activations: bool = False,
    ) -> None:
        super().__init__()
        block: Callable[[int, int, int, str], nn.Module]
        if bottlenecks:
            block = CheckpointedPreActBottleneck if checkpoint_activations else PreActBottleneck
        else:
            block = partial(CheckpointedPreActBlock if checkpoint_activations else PreActBlock, dropout=dropout)
        narrow, middle, wide = channels
        self.conv1 = nn.Conv2d(in_channels, FIRST_CHANNELS, 3, padding=1, bias=False)
        self.layer1 = make_stage(block, num_blocks, FIRST_CHANNELS, narrow, 1, shortcut)
        self.layer2 = make_stage(block, num_blocks, narrow, middle, 2, shortcut)
        self.layer3 = make_stage(block, num_blocks, middle, wide, 2, shortcut)
        self.norm = nn.BatchNorm2d(wide)
        self.fc = nn.Linear(wide, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        x = self.conv1(images)
        for stage in (self.layer1, self.layer2, self.layer3):
            x = stage(x)
        x = relu_after(self.norm, self.norm(x))
        logits: Tensor = self.fc(x.mean(dim=(2, 3)))
        return logits


FIRST_CHANNELS = 16
"""Filters of the first convolution, whatever the width."""


def _shortcut(in_channels: int, channels: int, stride: int, shortcut: str) -> nn.Module | None:
    """Return the shortcut's module, for the output of the first ReLU; None if it is the identity, of the input."""
    same_size = stride == 1 and in_channels == channels
    if same_size and shortcut != "C":
        return None
    if shortcut in ("B", "C"):
        return nn.Conv2d(in_channels, channels, 1, stride=stride, bias=False)
    if shortcut not in ("A", "A-centred"):
        raise unhandled("shortcut", shortcut)
    return ZeroPadding(in_channels, channels, stride, centred=shortcut == "A-centred")
