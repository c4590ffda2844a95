"""What network of ours named arrays are of, by their names and shapes alone, and what keeps them from being one."""

import re
from collections.abc import Mapping
from typing import Any, Protocol

import torch

from reslab.families import IMAGENET_DEPTHS
from reslab.recipe import IMAGENET_FAMILIES

MAX_BLOCKS = 500
"""Blocks of a stage from which on a file is of no network that anyone trains; depth 1202 has 200."""


class Shaped(Protocol):
    """What has a shape and a type of numbers: a tensor, or one in a file."""

    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def dtype(self) -> torch.dtype: ...


def infer_shortcut(state: Mapping[str, Any]) -> str:
    """Return which shortcut the weights are of: C, B, or A where none has parameters.

    A and A-centred, and a plain network, have the same weights and cannot be told apart.
    """
    everywhere = "layer1.1.downsample." if _is_imagenet(state) else "layer1."  # bottlenecks widen in layer1.0
    if any(name.startswith(everywhere) and ".downsample." in name for name in state):
        return "C"
    return "B" if any(".downsample." in name for name in state) else "A"


def infer_depth(state: Mapping[str, Any]) -> int | None:
    """Return the depth by the numbers of blocks in the stages, or None where no network of ours has these."""
    stages = [
        len({match[1] for name in state if (match := re.match(rf"layer{stage}\.(\d+)\.conv1\.weight$", name))})
        for stage in (1, 2, 3, 4)
    ]
    if _is_imagenet(state):
        layers = 3 if any(name.endswith(".conv3.weight") for name in state) else 2
        depth = layers * sum(stages) + 2
        return depth if depth in IMAGENET_DEPTHS else None
    return 6 * stages[0] + 2 if 0 < stages[0] <= MAX_BLOCKS else None


def infer_classes(state: Mapping[str, Shaped]) -> int | None:
    """Return the number of classes by the linear layer, or None where there is none."""
    shape = state["fc.weight"].shape if "fc.weight" in state else ()
    return shape[0] if len(shape) == 2 and shape[0] else None


def infer_families(state: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the families that the weights may be of, for they look alike; the usual one first."""
    if _is_imagenet(state):
        has_bottlenecks = any(name.endswith(".conv3.weight") for name in state)
        return IMAGENET_FAMILIES if has_bottlenecks else IMAGENET_FAMILIES[:1]
    return ("residual", "plain") if infer_shortcut(state) == "A" else ("residual",)


def has_norm_first(state: Mapping[str, Any]) -> bool:
    """Say whether the weights are of a pre-activation or wide network of ours: a batch norm after the last block."""
    return {"norm.weight", "norm.running_mean", "layer3.0.bn1.weight"} <= set(state)


def misfits(own: Mapping[str, Shaped], state: Mapping[str, Shaped]) -> list[tuple[str, list[str]]]:
    """Return what is missing, unexpected and of another shape, each as words and names; nothing where all fits."""
    missing = [name for name in own if name not in state and not name.endswith("num_batches_tracked")]
    unexpected = [name for name in state if name not in own]
    misshapen = [
        f"{name} is {_shape(state[name])}, should be {_shape(value)}"
        for name, value in own.items()
        if name in state and (state[name].shape != value.shape or _kind(state[name]) != _kind(value))
    ]
    found = (("missing", missing), ("unexpected", unexpected), ("other shape", misshapen))
    return [(words, names) for words, names in found if names]


def _shape(value: Shaped) -> str:
    shape = "x".join(map(str, value.shape)) or "a single number"
    return f"{shape} of {str(value.dtype).removeprefix('torch.')}"


def _kind(value: Shaped) -> tuple[bool, bool]:
    return value.dtype.is_floating_point, value.dtype.is_complex


def _is_imagenet(state: Mapping[str, Any]) -> bool:
    return any(name.startswith("layer4.") for name in state)
