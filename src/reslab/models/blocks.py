"""Building blocks of the residual and plain networks: blocks, shortcuts, stages of blocks."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules import module as of_all
from torch.utils.checkpoint import checkpoint

from reslab.recipe import unhandled


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
        y = relu_after(self.bn1, self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        if not self.plain:
            y = y + (x if self.downsample is None else self.downsample(x))
        return relu_after(self.bn2, y)


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions, a quarter of the filters in the first two, and a shortcut (figure 5).

    The stride is in the 3x3 convolution, or in the first 1x1 (`stride_first`), as the paper has it.
    """

    def __init__(
        self, in_channels: int, channels: int, stride: int, shortcut: str, *, stride_first: bool = False
    ) -> None:
        super().__init__()
        narrow = channels // 4
        first, second = (stride, 1) if stride_first else (1, stride)
        self.conv1 = nn.Conv2d(in_channels, narrow, 1, stride=first, bias=False)
        self.bn1 = nn.BatchNorm2d(narrow)
        self.conv2 = nn.Conv2d(narrow, narrow, 3, stride=second, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(narrow)
        self.conv3 = nn.Conv2d(narrow, channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(channels)
        self.plain = shortcut == "none"
        self.downsample = _shortcut(in_channels, channels, stride, shortcut)

    def forward(self, x: Tensor) -> Tensor:
        y = relu_after(self.bn1, self.bn1(self.conv1(x)))
        y = relu_after(self.bn2, self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        if not self.plain:
            y = y + (x if self.downsample is None else self.downsample(x))
        return relu_after(self.bn3, y)


class Checkpointed(nn.Module):
    """Keeps only the input of a block for the backward pass and recomputes the rest."""

    @torch._disable_dynamo  # type: ignore[attr-defined]  # torch.compiler.disable imports the compiler at once
    def forward(self, x: Tensor) -> Tensor:
        if not torch.is_grad_enabled():
            return super().forward(x)  # type: ignore[no-any-return]
        y: Tensor = checkpoint(
            super().forward,
            x,
            use_reentrant=False,
            preserve_rng_state=bool(getattr(self, "dropout", 0.0)),  # to drop the same values again
            context_fn=self._contexts,
        )
        return y

    def _contexts(self) -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
        return nullcontext(), _keeping_statistics(self)


class CheckpointedBlock(Checkpointed, Block):
    """A block that keeps only its input for the backward pass and recomputes the rest."""


class CheckpointedBottleneck(Checkpointed, Bottleneck):
    """A bottleneck that keeps only its input for the backward pass and recomputes the rest."""


class ZeroPadding(nn.Module):
    """Shortcut A: the identity, at every second pixel if the stride is 2, with zeros for the new channels.

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


def make_stage(
    block: Callable[[int, int, int, str], nn.Module],
    num_blocks: int,
    in_channels: int,
    channels: int,
    stride: int,
    shortcut: str,
) -> nn.Sequential:
    """Return a sequence of blocks; the first has the stride and changes the number of channels."""
    first = block(in_channels, channels, stride, shortcut)
    return nn.Sequential(first, *(block(channels, channels, 1, shortcut) for _ in range(num_blocks - 1)))


def _shortcut(in_channels: int, channels: int, stride: int, shortcut: str) -> nn.Module | None:
    """Return the shortcut's module; None if it is the identity, or there is no shortcut."""
    same_size = stride == 1 and in_channels == channels
    if shortcut == "none" or (same_size and shortcut != "C"):
        return None
    if shortcut in ("B", "C"):
        projection = nn.Conv2d(in_channels, channels, 1, stride=stride, bias=False)
        return nn.Sequential(projection, nn.BatchNorm2d(channels))
    if shortcut not in ("A", "A-centred"):
        raise unhandled("shortcut", shortcut)
    return ZeroPadding(in_channels, channels, stride, centred=shortcut == "A-centred")


def relu_after(norm: nn.Module, x: Tensor) -> Tensor:
    """Return relu(x), in place unless a hook may still look at the norm's output."""
    return F.relu(x, inplace=not is_watched(norm))


def is_watched(module: nn.Module) -> bool:
    """Say whether a module has hooks, or there are global ones."""
    return bool(
        module._forward_hooks
        or module._forward_pre_hooks
        or module._backward_hooks
        or module._backward_pre_hooks
        or of_all._global_forward_hooks
        or of_all._global_forward_pre_hooks
        or of_all._global_backward_hooks
        or of_all._global_backward_pre_hooks
    )


@contextmanager
def _keeping_statistics(block: nn.Module) -> Iterator[None]:
    """Undo what a second forward pass does to batch norm's running statistics, even if it stops early."""
    kept = [(buffer, buffer.clone()) for buffer in block.buffers()]
    try:
        yield
    finally:
        with torch.no_grad():
            for buffer, value in kept:
                buffer.copy_(value)
