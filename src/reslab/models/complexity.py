"""What a network costs: its parameters and its multiply-adds, counted exactly."""

import copy
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from reslab.models import networks

PAPER_DEPTHS = (20, 32, 44, 56, 110, 1202)
"""Depths of He et al. 2016, table 6."""


def parameters(module: nn.Module) -> int:
    """Return the number of parameters: weights, biases and batch norm's scales and shifts."""
    return sum(parameter.numel() for parameter in module.parameters())


def multiply_adds(module: nn.Module, image_shape: tuple[int, int, int] = (3, 32, 32)) -> int:
    """Return the multiply-adds of the convolutions and linear layers for one image of C x H x W.

    This is what He et al. 2016, table 1, call FLOPs.  Biases, batch norm, activations, additions and pooling
    are not counted.  The module is not run and not changed: a copy without memory is.
    """
    total = 0

    def count(layer: nn.Module, _: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal total
        if isinstance(layer, nn.Conv2d):
            area = layer.kernel_size[0] * layer.kernel_size[1]
            total += output.numel() * area * layer.in_channels // layer.groups
        elif isinstance(layer, nn.Linear):
            total += output.numel() * layer.in_features

    outline = copy.deepcopy(module).to(device="meta").eval()
    for layer in outline.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            layer.register_forward_hook(count)
    with torch.no_grad():
        outline(torch.empty(1, *image_shape, device="meta"))
    return total


def catalogue(
    *,
    depths: Iterable[int] = PAPER_DEPTHS,
    shortcuts: Iterable[str] = ("A", "B", "C", "none"),
    num_classes: Iterable[int] = (10, 100),
) -> list[dict[str, str | int]]:
    """Return a row for each network: family, depth, shortcut, num_classes, parameters, multiply_adds.

    The shortcut none stands for the plain network.  An impossible depth raises `ResLabError`.
    """
    rows: list[dict[str, str | int]] = []
    for classes in num_classes:
        for shortcut in shortcuts:
            family = "plain" if shortcut == "none" else "residual"
            two, three = (_cost(family, depth, shortcut, classes) for depth in (14, 20))
            for depth in depths:
                networks.require_depth(depth)
                # All blocks but the first of a stage are alike, so that the costs are linear in the depth;
                # a network of depth 1202 would take seconds to count.
                steps = (depth - 14) // 6
                num_parameters, num_multiply_adds = (a + steps * (b - a) for a, b in zip(two, three, strict=True))
                rows.append(
                    {
                        "family": family,
                        "depth": depth,
                        "shortcut": shortcut,
                        "num_classes": classes,
                        "parameters": num_parameters,
                        "multiply_adds": num_multiply_adds,
                    }
                )
    return rows


def _cost(family: str, depth: int, shortcut: str, num_classes: int) -> tuple[int, int]:
    network = networks.skeleton(family, depth, shortcut, num_classes)
    return parameters(network), multiply_adds(network)
