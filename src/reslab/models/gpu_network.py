"""A CIFAR network on a graphics card as one operation of autograd, from the images to the mean of the last maps.

Forward, a layer is two kernels: the convolution, which leaves statistics of what it convolved, and what follows it.
Backward it is three: the gradient of what was convolved, that of the weight, and that of the layer's input, which the
same kernel takes on through the ReLU before.  The gradients of the weights are made beside the others.
"""

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from reslab.kernels.gpu_device import on_device
from reslab.kernels.gpu_layer import Done, Layer, Passed, WeightGradients
from reslab.kernels.gpu_layer import cast as cast_weights
from reslab.models.blocks import Block, ZeroPadding
from reslab.models.networks import ResNet


class GPUNetwork:
    """A network as the kernels see it: its layers in order, and what they keep from step to step."""

    def __init__(self, network: ResNet, device: torch.device) -> None:
        stages = (network.layer1, network.layer2, network.layer3)
        self.device = device
        self.blocks = [cast(Block, block) for stage in stages for block in stage]
        self.pairs = [(network.conv1, network.bn1)]
        for block in self.blocks:
            self.pairs += [(block.conv1, block.bn1), (block.conv2, block.bn2)]
            if isinstance(block.downsample, nn.Sequential):
                convolution, norm = block.downsample
                self.pairs.append((cast(nn.Conv2d, convolution), cast(nn.BatchNorm2d, norm)))
        self.beside = _Beside(device)
        self._weight_gradients: dict[tuple[int, ...], WeightGradients] = {}

    def __call__(self, images: Tensor, dtype: torch.dtype, *, training: bool) -> Tensor:
        """Return the mean of the last maps of images N x C x H x W, N x 64, multiplied in `dtype`."""
        with on_device(self.device):
            return self._pooled(images, dtype, training)

    def _pooled(self, images: Tensor, dtype: torch.dtype, training: bool) -> Tensor:
        weights = cast_weights([convolution.weight for convolution, _ in self.pairs], dtype)
        layers = [Layer(*pair, weight) for pair, weight in zip(self.pairs, weights, strict=True)]
        images = images.to(dtype).contiguous(memory_format=torch.channels_last)
        if training:
            parameters = [
                part for convolution, norm in self.pairs for part in (convolution.weight, norm.weight, norm.bias)
            ]
            pooled: Tensor = _Network.apply(self, layers, images, *parameters)  # type: ignore[no-untyped-call]
            return pooled
        ordered = iter(layers)
        x = next(ordered).evaluate(images)
        for block in self.blocks:
            first, second = next(ordered), next(ordered)
            shortcut = next(ordered).evaluate(x, relu=False) if _projects(block) else _identity(block, x)
            x = second.evaluate(first.evaluate(x), shortcut)
        return x.mean(dim=(2, 3))

    def weight_gradients(self, done: list[Done]) -> WeightGradients:
        """Return the way to make the weights' gradients, set up once for maps of these sizes."""
        key = tuple(done[0].maps.shape)
        if key not in self._weight_gradients:
            self._weight_gradients[key] = WeightGradients([one.sizes for one in done], self.device)
        return self._weight_gradients[key]


@dataclass(frozen=True, slots=True)
class _DoneBlock:
    block: Block
    first: Done
    second: Done
    projection: Done | None


class _Network(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, network: GPUNetwork, layers: list[Layer], images: Tensor, *_: Tensor) -> Tensor:
        ordered = iter(layers)
        stem = next(ordered).train(images)
        x, blocks, all_done = stem.out, [], [stem]
        for block in network.blocks:
            layer, second_layer = next(ordered), next(ordered)
            first = layer.train(x)
            projection = next(ordered).train(x, relu=False) if _projects(block) else None
            second = second_layer.train(first.out, _identity(block, x) if projection is None else projection.out)
            blocks.append(_DoneBlock(block, first, second, projection))
            all_done += [first, second, *([] if projection is None else [projection])]
            x = second.out
        network.weight_gradients(all_done)  # sets them up: during a recording, nothing can
        ctx.kept = network, stem, blocks, all_done
        return x.mean(dim=(2, 3))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        if ctx.kept is None:
            raise RuntimeError("what this gradient needs is gone after the first time; do the forward pass again")
        network, stem, blocks, all_done = ctx.kept
        ctx.kept = None
        backward = _Backward(network, all_done)
        last = blocks[-1].second
        passed = last.of_norm(gradient.to(last.out.dtype).contiguous(), pool=last.out.shape[2] * last.out.shape[3])
        before = [stem, *(block.second for block in blocks[:-1])]
        for done, input_layer in zip(reversed(blocks), reversed(before), strict=True):
            of_second = backward.layer(done.second, passed)
            more = backward.shortcut(done, passed.gradient)
            of_first = backward.layer(done.first, done.second.of_norm_before(of_second, None, done.first))
            passed = done.first.of_norm_before(of_first, more, input_layer)
        backward.layer(stem, passed)
        return None, None, None, *backward.gradients()


class _Backward:
    """A backward pass: the gradients of parameters as they come."""

    def __init__(self, network: GPUNetwork, all_done: list[Done]) -> None:
        self._beside = network.beside
        self._way = network.weight_gradients(all_done)
        self._room = self._way.room()
        self._place = {id(done): place for place, done in enumerate(all_done)}
        self._of_norms: list[tuple[Tensor, Tensor]] = [()] * len(all_done)  # type: ignore[list-item]
        self._in_use: list[Tensor] = []
        """What is read beside: kept until that has come to an end."""

    def layer(self, done: Done, passed: Passed) -> Tensor:
        """Return the gradient of what a layer convolved; its parameters' are made."""
        of_convolved, *of_norm = done.of_convolved(passed)
        place = self._place[id(done)]
        self._of_norms[place] = (of_norm[0], of_norm[1])
        self._in_use.append(of_convolved)
        with self._beside.started():
            done.of_weight(of_convolved, self._room[place])
        return of_convolved

    def shortcut(self, done: _DoneBlock, gradient: Tensor) -> Tensor | None:
        """Return what a block's shortcut gives to the gradient of its input."""
        block = done.block
        if done.projection is not None:
            return done.projection.of_maps(self.layer(done.projection, done.projection.of_norm(gradient)))
        if isinstance(block.downsample, ZeroPadding):
            padding, maps = block.downsample, done.first.maps
            more = torch.zeros_like(maps)
            real = slice(padding.before, padding.before + maps.shape[1])
            more[:, :, :: padding.stride, :: padding.stride] = gradient[:, real]
            return more
        return None if block.plain else gradient

    def gradients(self) -> list[Tensor]:
        """Return all parameters' gradients: of each layer's weight, gamma and beta."""
        self._beside.ended()
        self._in_use.clear()
        weights = self._way.add(self._room)
        return [part for weight, of_norm in zip(weights, self._of_norms, strict=True) for part in (weight, *of_norm)]


class _Beside:
    """A second stream of a thread, for work that nothing waits for until the end; on the CPU there is none."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream = None
        if device.type == "cuda":
            streams: dict[str, torch.cuda.Stream] = vars(_OF_THREAD)
            if str(device) not in streams:  # PyTorch has a few dozen and deals them out in turn
                streams[str(device)] = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
            self._stream = streams[str(device)]

    @contextlib.contextmanager
    def started(self) -> Iterator[None]:
        """Let work begin there, after all that was asked for before."""
        if self._stream is None:
            yield
            return
        self._stream.wait_stream(torch.cuda.current_stream(self._device))
        with torch.cuda.stream(self._stream):
            yield

    def ended(self) -> None:
        """Let all later work wait for it."""
        if self._stream is not None:
            torch.cuda.current_stream(self._device).wait_stream(self._stream)


_OF_THREAD = threading.local()


def _projects(block: Block) -> bool:
    return isinstance(block.downsample, nn.Sequential)


def _identity(block: Block, x: Tensor) -> Tensor | None:
    """Return the shortcut of a block that has no projection; None of a plain one."""
    if isinstance(block.downsample, ZeroPadding):
        padded: Tensor = block.downsample(x)
        return padded.contiguous(memory_format=torch.channels_last)
    return None if block.plain else x
