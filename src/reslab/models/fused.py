"""The forward pass of a CIFAR network with each batch norm fused with what follows it.

The mathematics and the parameters are those of `reslab.models.networks`; only where roundings fall differs.
"""

from collections.abc import Iterator
from typing import cast
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from reslab.kernels import gpu_device
from reslab.kernels.build import kernels
from reslab.kernels.convolution import MOST_FIRST_CHANNELS, convolve
from reslab.kernels.linear import linear
from reslab.kernels.norm import norm_add_relu_twice, norm_only, norm_relu, norm_relu_twice
from reslab.models.blocks import Block, Checkpointed, CheckpointedBlock, ZeroPadding, is_watched
from reslab.models.gpu_network import GPUNetwork
from reslab.models.imagenet import ImageNetResNet
from reslab.models.networks import STAGE_CHANNELS, ResNet
from reslab.models.preact import PreActResNet


def fused(network: nn.Module) -> nn.Module:
    """Make a network use the kernels from now on, if they support it; return it.

    Networks that checkpoint their activations are left unchanged.
    """
    checkpoints = any(isinstance(module, CheckpointedBlock) for module in network.modules())
    if type(network) is ResNet and not checkpoints:
        network.__class__ = FusedResNet  # the same modules, another way through them
    return network


def thread_invariant(module: nn.Module) -> bool:
    """Say whether training and evaluating a network on the CPU gives the same bits with any number of threads.

    If so, `torch.set_num_threads` may be called between any two steps.  It holds if all sums of a step are computed by
    the kernels, or by torch in a fixed order: for the networks for 32 x 32 images with at most four channels, on a CPU
    with AVX-512 or AVX2.
    """
    return (
        kernels().convolves
        and isinstance(module, FusedResNet)
        and module.conv1.in_channels <= MOST_FIRST_CHANNELS
        and module.is_as_built()
    )


def why_plain(network: nn.Module) -> str:
    """Say why a network returned by `fused` does not use the kernels; "" if it does."""
    if isinstance(network, FusedResNet) and network.is_as_built():
        return ""
    if any(isinstance(module, Checkpointed) for module in network.modules()):
        return "its activations are checkpointed"
    if isinstance(network, PreActResNet):
        return "they are for networks in which batch norm follows each convolution"
    if isinstance(network, ImageNetResNet):
        return "they are for networks for images of 32 x 32"
    return "they do not support its layers"


class FusedResNet(ResNet):
    """A network that uses the kernels wherever possible, and torch's operations otherwise.

    The kernels are for training, and for evaluation without gradients: with gradients in evaluation mode, hooks or
    changed modules, the plain network computes.
    """

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor
        if type(images) is not Tensor or torch.compiler.is_compiling() or not self.is_as_built():
            return super().forward(images)
        on_gpu = self._gpu_network(images)
        if on_gpu is not None:
            network, dtype = on_gpu
            logits = self.fc(network(images, dtype, training=self.training))
            return logits
        differentiates = torch.is_grad_enabled() and not self.training
        if images.device.type != "cpu" or kernels().library is None or differentiates:
            return super().forward(images)
        return self._on_cpu(images)

    def is_as_built(self) -> bool:
        """Say whether the modules are free of changes that the kernels would ignore.

        They must have their original types and `forward`, all be in the same mode, and have no hooks.
        """
        mode = self.training
        for module, kind in self._parts():
            if (
                type(module) is not kind
                or module.training is not mode
                or is_watched(module)
                or "forward" in module.__dict__
            ):
                return False
        return True

    def _parts(self) -> Iterator[tuple[nn.Module | None, type[nn.Module]]]:
        """Yield the modules and the types they should have; do not continue after a wrong one."""
        parts = self._modules
        yield parts["conv1"], nn.Conv2d
        yield parts["bn1"], nn.BatchNorm2d
        yield parts["fc"], nn.Linear
        for name in ("layer1", "layer2", "layer3"):
            stage = parts[name]
            yield stage, nn.Sequential
            for block in cast(nn.Sequential, stage)._modules.values():
                yield block, Block
                of_block = cast(Block, block)._modules
                yield of_block["conv1"], nn.Conv2d
                yield of_block["bn1"], nn.BatchNorm2d
                yield of_block["conv2"], nn.Conv2d
                yield of_block["bn2"], nn.BatchNorm2d
                downsample = of_block.get("downsample")
                if isinstance(downsample, nn.Sequential):
                    yield downsample, nn.Sequential
                    of_downsample = list(downsample._modules.values())
                    yield of_downsample[0] if len(of_downsample) == 2 else None, nn.Conv2d
                    yield of_downsample[1], nn.BatchNorm2d
                elif downsample is not None:
                    yield downsample, ZeroPadding

    def _on_cpu(self, images: Tensor) -> Tensor:
        """Return the logits, computed by the CPU kernels."""
        x, shortcut = norm_relu_twice(self.bn1, convolve(self.conv1, images))
        for stage in (self.layer1, self.layer2, self.layer3):
            for block in stage:
                x, shortcut = _forward(cast(Block, block), x, shortcut)
        return linear(self.fc, x.mean(dim=(2, 3)))

    def _gpu_network(self, images: Tensor) -> tuple[GPUNetwork, torch.dtype] | None:
        """Return the network for the GPU kernels, and the dtype they multiply in; None if they cannot be used."""
        device = images.device
        if not gpu_device.available(device) or not images.dtype == self.fc.weight.dtype == torch.float32:
            return None
        is_usual = not images.requires_grad if self.training else torch.is_inference_mode_enabled()
        if not (is_usual and _fits(images)):
            return None
        dtype = gpu_device.multiplied(device)
        if dtype is None:
            return None
        known = _ON_GPU.get(self)
        if known is None or known.device != device:
            known = _ON_GPU[self] = GPUNetwork(self, device)
        return known, dtype


_ON_GPU: WeakKeyDictionary[FusedResNet, GPUNetwork] = WeakKeyDictionary()
"""GPU state of live networks: not in the modules, which are copied and saved."""


def _fits(images: Tensor) -> bool:
    """Say whether the GPU kernels can process the images: few channels, and indices that fit 32 bits."""
    rows = len(images) * images.shape[2] * images.shape[3]
    return images.shape[1] <= MOST_FIRST_CHANNELS and rows * STAGE_CHANNELS[0] < 2**31


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
    return norm_only(cast(nn.BatchNorm2d, norm), convolve(cast(nn.Conv2d, convolution), x))
