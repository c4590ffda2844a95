"""The structure and cost of networks: sizes, blocks, parameters and multiply-adds, counted exactly."""

import copy
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor, nn

from reslab.families import FAMILIES, IMAGENET_DEPTHS, check_depth, is_depth
from reslab.models import networks
from reslab.models.imagenet import has_bottlenecks

PAPER_DEPTHS = (20, 32, 44, 56, 110, 1202)
"""Depths of He et al. 2016, table 6."""


def parameters(module: nn.Module) -> int:
    """Return the number of parameters: weights, biases and batch norm's scales and shifts."""
    return sum(parameter.numel() for parameter in module.parameters())


def multiply_adds(module: nn.Module, image_shape: tuple[int, int, int] = (3, 32, 32)) -> int:
    """Return the multiply-adds of the convolutions and linear layers for one image of C x H x W.

    This is what He et al. 2016, table 1, call FLOPs.  Biases, batch norm, activations, additions and pooling are not
    counted.  The module must be one of ours (else see `own_multiply_adds`); it is neither run nor changed: a copy is.
    """
    total = 0

    def note(_: str, layer: nn.Module, output: Tensor) -> None:
        nonlocal total
        total += 0 if isinstance(layer, nn.BatchNorm2d) else _operations(layer, output)

    _watch(module, image_shape, note)
    return total


def own_multiply_adds(module: nn.Module, image_shape: tuple[int, int, int]) -> int:
    """Return any network's multiply-adds for one image of C x H x W: those of its matrix products and convolutions.

    Counted by torch while a copy runs, so that functional calls and attention are included; for our networks, use
    `multiply_adds`.
    """
    from torch.utils.flop_counter import FlopCounterMode  # takes 0.2 s, which other commands need not wait for

    twin = copy.deepcopy(module).float().cpu().eval()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        twin(torch.zeros(1, *image_shape))
    return int(counter.get_total_flops()) // 2


def catalogue(
    *,
    depths: Iterable[int] = PAPER_DEPTHS,
    num_classes: Iterable[int] = (10, 100),
) -> list[dict[str, str | int]]:
    """Return a row for each network: family, depth, width, shortcut, num_classes, parameters and
    multiply_adds.

    The shortcut none stands for the plain network.  An impossible depth raises `ResLabError`.
    """
    rows = []
    for classes in num_classes:
        for shortcut in ("A", "B", "C", "none"):
            family = "plain" if shortcut == "none" else "residual"
            rows += [_row(family, depth, 1, shortcut, classes) for depth in depths]
    return rows


def later_catalogue(
    *, depths: Iterable[int] | None = None, num_classes: Iterable[int] = (10, 100)
) -> list[dict[str, str | int]]:
    """Return rows like those of `catalogue` for pre-activation and wide networks.

    They are those of `LATER` or, with `depths`, those of `LATER` of these depths and every wide one in `WIDTHS`.
    """
    asked: tuple[tuple[str, int, int], ...] = LATER
    if depths is not None:
        depths = list(depths)
        usual = [("wide", depth, width) for depth in depths if is_depth("wide", depth) for width in WIDTHS]
        asked = (*(one for one in LATER if one[1] in depths and one[0] != "wide"), *usual)
    return [
        _row(family, depth, width, "A" if family == "preact" else "B", classes)
        for classes in num_classes
        for family, depth, width in asked
    ]


LATER = (
    ("preact", 110, 1),
    ("preact-bottleneck", 164, 1),
    ("preact-bottleneck", 1001, 1),
    ("wide", 16, 8),
    ("wide", 22, 8),
    ("wide", 28, 10),
    ("wide", 40, 4),
)
"""Family, depth and width of networks in He et al. 2016, Identity Mappings, and in Zagoruyko and Komodakis 2016."""

WIDTHS = (1, 2, 4, 8, 10, 12)
"""Widths of the latter's tables."""


@dataclass(frozen=True, slots=True)
class Architecture:
    """A column of He et al. 2016, table 1, for images of 224 x 224 and 1000 classes."""

    family: str
    depth: int
    sizes: dict[str, int]
    """Height of the output of each stage: conv1, conv2_x to conv5_x and the classifier."""
    blocks: dict[str, str]
    """Layers of each stage, as in [1x1, 64; 3x3, 64; 1x1, 256] x 3."""
    parameters: int
    multiply_adds: int
    multiply_adds_and_batch_norm: int
    """With two operations for each normalised value; truncated to one decimal, these are the paper's figures."""


@cache
def architecture(family: str, depth: int) -> Architecture:
    """Return the architecture of a network for ImageNet, derived from the network itself."""
    network = networks.skeleton(family, depth, "B", 1000)
    stages = {"conv1": "conv1", **{f"layer{place}": f"conv{place + 1}_x" for place in (1, 2, 3, 4)}, "fc": "classifier"}
    sizes: dict[str, int] = {}
    plain, norms = 0, 0

    def note(name: str, layer: nn.Module, output: Tensor) -> None:
        nonlocal plain, norms
        if isinstance(layer, nn.BatchNorm2d):
            norms += _operations(layer, output)
        else:
            plain += _operations(layer, output)
        if name in stages:
            sizes[stages[name]] = output.shape[2] if output.ndim == 4 else 1

    _watch(network, (3, 224, 224), note)
    blocks = {"conv1": _in_words(network.conv1)}
    for place in (1, 2, 3, 4):
        stage = network.get_submodule(f"layer{place}")
        assert isinstance(stage, nn.Sequential)
        layers = [layer for name, layer in stage[-1].named_children() if name.startswith("conv")]
        blocks[f"conv{place + 1}_x"] = f"[{'; '.join(_in_words(layer) for layer in layers)}] x {len(stage)}"
    blocks["conv2_x"] = f"3x3 max pool, stride 2; {blocks['conv2_x']}"
    blocks["classifier"] = f"average pool, {network.fc.out_features}-d linear"
    return Architecture(family, depth, sizes, blocks, parameters(network), plain, plain + norms)


def imagenet_catalogue(
    *, depths: Iterable[int] = IMAGENET_DEPTHS, num_classes: Iterable[int] = (1000,)
) -> list[dict[str, str | int]]:
    """Return rows like those of `catalogue` for the networks of table 1, shortcut B, and images of 224 x 224.

    Networks without bottlenecks have no row in the family imagenet-1x1: it would be the same network.
    """
    rows: list[dict[str, str | int]] = []
    for classes in num_classes:
        for depth in depths:
            for family in ("imagenet", "imagenet-1x1") if has_bottlenecks(depth) else ("imagenet",):
                num_parameters, num_multiply_adds = _cost(family, depth, 1, "B", classes, 224)
                rows.append(
                    {
                        "family": family,
                        "depth": depth,
                        "width": 1,
                        "shortcut": "B",
                        "num_classes": classes,
                        "parameters": num_parameters,
                        "multiply_adds": num_multiply_adds,
                    }
                )
    return rows


def _row(family: str, depth: int, width: int, shortcut: str, num_classes: int) -> dict[str, str | int]:
    check_depth(family, depth)
    layers = FAMILIES[family].layers
    assert layers is not None
    step, rest = layers
    # All blocks but the first of a stage are alike, so costs are linear in the depth; counting depth 1202 directly
    # would take seconds.
    two, three = (_cost(family, n * step + rest, width, shortcut, num_classes) for n in (2, 3))
    further = (depth - rest) // step - 2
    num_parameters, num_multiply_adds = (a + further * (b - a) for a, b in zip(two, three, strict=True))
    return {
        "family": family,
        "depth": depth,
        "width": width,
        "shortcut": shortcut,
        "num_classes": num_classes,
        "parameters": num_parameters,
        "multiply_adds": num_multiply_adds,
    }


@cache
def _cost(
    family: str, depth: int, width: int, shortcut: str, num_classes: int, image_size: int = 32
) -> tuple[int, int]:
    network = networks.skeleton(family, depth, shortcut, num_classes, width=width)
    return parameters(network), multiply_adds(network, (3, image_size, image_size))


def _operations(layer: nn.Module, output: Tensor) -> int:
    """Return a convolution's or linear layer's multiply-adds for one image; for batch norm, two per value."""
    values = math.prod(output.shape[1:])
    if isinstance(layer, nn.Conv2d):
        area = layer.kernel_size[0] * layer.kernel_size[1]
        return values * area * layer.in_channels // layer.groups
    if isinstance(layer, nn.Linear):
        return values * layer.in_features
    return 2 * values if isinstance(layer, nn.BatchNorm2d) else 0


def _watch(
    module: nn.Module, image_shape: tuple[int, int, int], note: Callable[[str, nn.Module, Tensor], None]
) -> None:
    """Run a copy on an empty batch and call `note` with the name, module and output of every part.

    The outputs have all shapes but the batch size, and nothing is computed.
    """
    twin = networks.with_memory(copy.deepcopy(module).float()).eval()
    for name, layer in twin.named_modules():
        layer.register_forward_hook(lambda part, _, output, name=name: note(name, part, output))
    with torch.no_grad():
        twin(torch.zeros(0, *image_shape))


def _in_words(layer: nn.Module) -> str:
    assert isinstance(layer, nn.Conv2d)
    height, width = layer.kernel_size
    return f"{height}x{width}, {layer.out_channels}" + (f", stride {layer.stride[0]}" if layer.stride[0] > 1 else "")
