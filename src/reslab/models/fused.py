"""The forward pass of a CIFAR network with each batch norm fused with what comes before or after it.

The mathematics and the parameters are those of `reslab.models.networks`; only where roundings fall differs.
"""

from typing import cast
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from reslab.kernels import gpu_device
from reslab.kernels.convolution import convolve
from reslab.kernels.norm import norm_add_relu_twice, norm_only, norm_relu, norm_relu_twice, usable
from reslab.models.blocks import Block, CheckpointedBlock, ZeroPadding
from reslab.models.gpu_network import GPUNetwork
from reslab.models.networks import STAGE_CHANNELS, ResNet
from reslab.recipe import CHOICES


def fused(network: nn.Module) -> nn.Module:
    """Let a network use the kernels from now on, if it is one they are made for; return it.

    Networks that checkpoint their activations are left as they are, as are second derivatives: the kernels
    have a first one only.
    """
    checkpoints = any(isinstance(module, CheckpointedBlock) for module in network.modules())
    if type(network) is ResNet and not checkpoints:
        network.__class__ = FusedResNet  # the same modules, another way through them
    return network


def thread_invariant(module: nn.Module, precision: str) -> bool:
    """Say whether training and evaluating a network on the CPU gives the same bits with any number of threads.

    Where it does, `torch.set_num_threads` may be called between any two steps.
    """
    assert precision in CHOICES["precision"]
    return False


def why_plain(network: nn.Module) -> str:
    """Say why a network that `fused` was given does without the kernels; "" where it uses them."""
    if isinstance(network, FusedResNet):
        return ""
    if any(isinstance(module, CheckpointedBlock) for module in network.modules()):
        return "its activations are checkpointed"
    return "they are for the networks for images of 32 x 32"


class FusedResNet(ResNet):
    """A network that uses the kernels wherever they are usable, and else computes as it always does.

    They are for training on the processor, and for training and `torch.inference_mode` on a graphics card: whoever
    differentiates a network in evaluation mode, or looks into it by hooks, gets the plain one.
    """

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor
        on_gpu = self._gpu_network(images)
        if on_gpu is not None:
            network, dtype = on_gpu
            logits = self.fc(network(images, dtype, training=self.training))
            return logits
        first = self.conv1(images)
        if not (self.training and usable(self.bn1, first) and self._is_in_one_mode()):
            return self._after_first(first)
        blocks = [cast(Block, block) for stage in (self.layer1, self.layer2, self.layer3) for block in stage]
        x, shortcut = norm_relu_twice(self.bn1, first)
        for block in blocks:
            x, shortcut = _forward(block, x, shortcut)
        logits = self.fc(x.mean(dim=(2, 3)))
        return logits

    def _gpu_network(self, images: Tensor) -> tuple[GPUNetwork, torch.dtype] | None:
        """Return the network as the graphics card's kernels see it, and what they multiply in; None without them."""
        device = images.device
        if not gpu_device.available(device) or not images.dtype == self.fc.weight.dtype == torch.float32:
            return None
        is_usual = not images.requires_grad if self.training else torch.is_inference_mode_enabled()
        if not (is_usual and self._fits(images)):
            return None
        dtype = gpu_device.multiplied(device)
        if dtype is None:
            return None
        known = _ON_GPU.get(self)
        if known is None or known.device != device:
            known = _ON_GPU[self] = GPUNetwork(self, device)
        return known, dtype

    def _fits(self, images: Tensor) -> bool:
        """Say whether the kernels can do it: few input channels, places that 32 bits hold, one mode."""
        rows = len(images) * images.shape[2] * images.shape[3]
        return images.shape[1] <= MOST_INPUT_CHANNELS and rows * STAGE_CHANNELS[0] < 2**31 and self._is_in_one_mode()

    def _is_in_one_mode(self) -> bool:
        """Say whether all norms train or evaluate as the network does."""
        return all(module.training == self.training for module in self.modules() if isinstance(module, nn.BatchNorm2d))


MOST_INPUT_CHANNELS = 4
_ON_GPU: WeakKeyDictionary[FusedResNet, GPUNetwork] = WeakKeyDictionary()
"""What the networks that live have on a card: not in the modules, which are copied and saved."""


def _forward(block: Block, x: Tensor, shortcut: Tensor) -> tuple[Tensor, Tensor]:
    """Return a block's output as two tensors, one for the next convolution and one for the next shortcut."""
    y = convolve(block.conv2, norm_relu(block.bn1, convolve(block.conv1, x)))
    if block.plain:
        out = norm_relu(block.bn2, y)
        return out, out
    return norm_add_relu_twice(block.bn2, y, _shortcut(block.downsample, shortcut))


def _shortcut(downsample: nn.Module | None, x: Tensor) -> Tensor:
    if downsample is None:
        return x
    if isinstance(downsample, ZeroPadding):
        padded: Tensor = downsample(x)
        return padded
    convolution, norm = cast(nn.Sequential, downsample)
    return norm_only(cast(nn.BatchNorm2d, norm), convolution(x))
