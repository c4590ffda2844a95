"""A CIFAR network on a GPU as a single autograd operation, from the images to the mean of the last maps.

Forward, a layer is two kernels: the convolution, which also computes statistics of its output, and what follows it.
Backward, it is three: for the gradients of the convolution's output, of its weight, and of the layer's input, where the
last one also goes back through the preceding ReLU.  The weights' gradients are computed concurrently with the others.
"""

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any, cast

import torch
from torch import Tensor, nn

from reslab.kernels.derivative import first_only
from reslab.kernels.gpu_device import on_device, stream_of_thread
from reslab.kernels.gpu_layer import Done, Layer, Passed, WeightGradients
from reslab.kernels.gpu_layer import cast as cast_weights
from reslab.models.blocks import Block, ZeroPadding
from reslab.models.networks import ResNet


class GPUNetwork:
    """A network prepared for the kernels: its layers in order, and what is kept from step to step."""

    def __init__(self, network: ResNet, device: torch.device) -> None:
        stages = (network.layer1, network.layer2, network.layer3)
        self.device = device
        self.blocks = [cast(Block, block) for stage in stages for block in stage]
        self.stem = network.conv1
        self.pairs = [(network.conv1, network.bn1)]
        for block in self.blocks:
            self.pairs += [(block.conv1, block.bn1), (block.conv2, block.bn2)]
            if (projection := _projection(block)) is not None:
                self.pairs.append((projection, cast(nn.BatchNorm2d, cast(nn.Sequential, block.downsample)[1])))
        self.beside = _Beside(device)
        self._weight_gradients: dict[tuple[int, ...], WeightGradients] = {}

    def __call__(self, images: Tensor, dtype: torch.dtype, *, training: bool) -> Tensor:
        """Return the mean of the last maps of images N x C x H x W, N x 64, multiplied in `dtype`."""
        with on_device(self.device):
            return self._pooled(images, dtype, training)

    def _pooled(self, images: Tensor, dtype: torch.dtype, training: bool) -> Tensor:
        weights = cast_weights([convolution.weight for convolution, _ in self.pairs], dtype)
        layers = {pair[0]: Layer(*pair, weight) for pair, weight in zip(self.pairs, weights, strict=True)}
        images = images.to(dtype).contiguous(memory_format=torch.channels_last)
        if training:
            parameters = [
                part for convolution, norm in self.pairs for part in (convolution.weight, norm.weight, norm.bias)
            ]
            pooled: Tensor = _Network.apply(self, layers, images, *parameters)  # type: ignore[no-untyped-call]
            return pooled
        x = layers[self.stem].evaluate(images)
        for block in self.blocks:
            projection = _projection(block)
            shortcut = _identity(block, x) if projection is None else layers[projection].evaluate(x, relu=False)
            x = layers[block.conv2].evaluate(layers[block.conv1].evaluate(x), shortcut)
        return x.mean(dim=(2, 3))

    def weight_gradients(self, done: Mapping[nn.Conv2d, Done]) -> WeightGradients:
        """Return what computes the weights' gradients, in the order of `pairs`; made once for each size of maps."""
        key = tuple(done[self.stem].maps.shape)
        if key not in self._weight_gradients:
            all_sizes = [done[convolution].sizes for convolution, _ in self.pairs]
            self._weight_gradients[key] = WeightGradients(all_sizes, self.device)
        return self._weight_gradients[key]


class _Network(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, network: GPUNetwork, layers: Mapping[nn.Conv2d, Layer], images: Tensor, *_: Tensor) -> Tensor:
        done: dict[nn.Conv2d, Done] = {}

        def train(convolution: nn.Conv2d, x: Tensor, shortcut: Tensor | None = None, *, relu: bool = True) -> Tensor:
            done[convolution] = layers[convolution].train(x, shortcut, relu=relu)
            return done[convolution].out

        x = train(network.stem, images)
        for block in network.blocks:
            projection = _projection(block)
            first = train(block.conv1, x)
            shortcut = _identity(block, x) if projection is None else train(projection, x, relu=False)
            x = train(block.conv2, first, shortcut)
        network.weight_gradients(done)  # sets them up: impossible while recording
        ctx.kept = network, done
        return x.mean(dim=(2, 3))

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        first_only()
        if ctx.kept is None:
            raise RuntimeError("tensors for this gradient are freed by the first backward; run the forward pass again")
        network, done = ctx.kept
        ctx.kept = None
        backward = _Backward(network, done)
        outputs = [done[network.stem], *(done[block.conv2] for block in network.blocks)]
        last = outputs[-1]
        passed = last.of_norm(gradient.to(last.out.dtype).contiguous(), pool=last.out.shape[2] * last.out.shape[3])
        for block, before in zip(reversed(network.blocks), reversed(outputs[:-1]), strict=True):
            first, second = done[block.conv1], done[block.conv2]
            of_second = backward.layer(second, passed)
            more = backward.shortcut(block, passed.gradient)
            of_first = backward.layer(first, second.of_norm_before(of_second, None, first))
            passed = first.of_norm_before(of_first, more, before)
        backward.layer(done[network.stem], passed)
        return None, None, None, *backward.gradients()


class _Backward:
    """A backward pass: collects the gradients of the parameters."""

    def __init__(self, network: GPUNetwork, done: Mapping[nn.Conv2d, Done]) -> None:
        self._beside = network.beside
        self._done = done
        self._way = network.weight_gradients(done)
        self._pieces = self._way.room()
        self._room = dict(zip((convolution for convolution, _ in network.pairs), self._pieces, strict=True))
        self._of_norms: dict[nn.Conv2d, tuple[Tensor, Tensor]] = {}
        self._in_use: list[Tensor] = []
        """Tensors that the second stream reads: kept until it has finished."""

    def layer(self, done: Done, passed: Passed) -> Tensor:
        """Return the gradient of a layer's convolution output; also compute those of its parameters."""
        convolution = done.layer.convolution
        of_convolved, of_gamma, of_beta = done.of_convolved(passed)
        self._of_norms[convolution] = of_gamma, of_beta
        self._in_use.append(of_convolved)
        with self._beside.started():
            done.of_weight(of_convolved, self._room[convolution])
        return of_convolved

    def shortcut(self, block: Block, gradient: Tensor) -> Tensor | None:
        """Return the contribution of a block's shortcut to the gradient of its input."""
        if (projection := _projection(block)) is not None:
            done = self._done[projection]
            return done.of_maps(self.layer(done, done.of_norm(gradient)))
        if isinstance(block.downsample, ZeroPadding):
            padding, maps = block.downsample, self._done[block.conv1].maps
            more = torch.zeros_like(maps)
            real = slice(padding.before, padding.before + maps.shape[1])
            more[:, :, :: padding.stride, :: padding.stride] = gradient[:, real]
            return more
        return None if block.plain else gradient

    def gradients(self) -> list[Tensor]:
        """Return the gradients of all parameters: each layer's weight, gamma and beta."""
        self._beside.ended()
        self._in_use.clear()
        weights = zip(self._room, self._way.add(self._pieces), strict=True)
        return [part for convolution, weight in weights for part in (weight, *self._of_norms[convolution])]


class _Beside:
    """A thread's second stream, for work whose results are not needed until the end; none on the CPU."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream = stream_of_thread(device, "second")

    @contextlib.contextmanager
    def started(self) -> Iterator[None]:
        """Within this, queue work on the second stream, after all work queued so far."""
        if self._stream is None:
            yield
            return
        self._stream.wait_stream(torch.cuda.current_stream(self._device))
        with torch.cuda.stream(self._stream):
            yield

    def ended(self) -> None:
        """Make all later work wait for the second stream."""
        if self._stream is not None:
            torch.cuda.current_stream(self._device).wait_stream(self._stream)


def _projection(block: Block) -> nn.Conv2d | None:
    """Return the convolution of a block's shortcut, if it has one."""
    return cast(nn.Conv2d, block.downsample[0]) if isinstance(block.downsample, nn.Sequential) else None


def _identity(block: Block, x: Tensor) -> Tensor | None:
    """Return the output of a block's shortcut without projection; None for a plain block."""
    if isinstance(block.downsample, ZeroPadding):
        padded: Tensor = block.downsample(x)
        return padded.contiguous(memory_format=torch.channels_last)
    return None if block.plain else x
