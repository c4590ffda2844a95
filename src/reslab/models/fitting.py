"""Which of our networks named arrays belong to, by their names and shapes alone, and why they do not fit one."""

import re
from collections.abc import Mapping
from typing import Any, Protocol

import torch

from reslab.families import FAMILIES, IMAGENET_DEPTHS
from reslab.models.preact import FIRST_CHANNELS
from reslab.recipe import IMAGENET_FAMILIES, Recipe

MAX_BLOCKS = 500
"""Maximum blocks per stage; nobody trains larger networks: depth 1202 has 200."""


class Shaped(Protocol):
    """Anything with a shape and a dtype: a tensor, or one in a file."""

    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def dtype(self) -> torch.dtype: ...


def infer_shortcut(state: Mapping[str, Shaped]) -> str:
    """Return the shortcut of the weights: C, B, or A if no shortcut has parameters.

    A, A-centred and plain networks have the same weights and cannot be distinguished.
    """
    if infer_width(state) > 1:
        return "B"
    # Bottlenecks widen in layer1.0.
    everywhere = "layer1.1.downsample." if _is_imagenet(state) or _has_bottlenecks(state) else "layer1."
    if any(name.startswith(everywhere) and ".downsample." in name for name in state):
        return "C"
    return "B" if any(".downsample." in name for name in state) else "A"


def infer_depth(state: Mapping[str, Shaped], family: str | None = None) -> int | None:
    """Return the depth from the numbers of blocks in the stages, or None if none of our networks has these.

    `family` says how layers are counted: a wide network of width 1 is a pre-activation one with two layers fewer.
    """
    stages = [
        len({match[1] for name in state if (match := re.match(rf"layer{stage}\.(\d+)\.conv1\.weight$", name))})
        for stage in (1, 2, 3, 4)
    ]
    if _is_imagenet(state):
        depth = (3 if _has_bottlenecks(state) else 2) * sum(stages) + 2
        return depth if depth in IMAGENET_DEPTHS else None
    step, rest = FAMILIES[family or infer_families(state)[0]].layers or (6, 2)
    return step * stages[0] + rest if 0 < stages[0] <= MAX_BLOCKS else None


def infer_width(state: Mapping[str, Shaped]) -> int:
    """Return the width factor of a wide network; 1 for any other."""
    if not has_norm_first(state) or _has_bottlenecks(state):
        return 1
    shape = state["layer1.0.conv1.weight"].shape
    width, rest = divmod(shape[0] if shape else 0, FIRST_CHANNELS)
    return width if width and not rest else 1


def infer_classes(state: Mapping[str, Shaped]) -> int | None:
    """Return the number of classes from the linear layer, or None if there is none."""
    shape = state["fc.weight"].shape if "fc.weight" in state else ()
    return shape[0] if len(shape) == 2 and shape[0] else None


def infer_families(state: Mapping[str, Shaped]) -> tuple[str, ...]:
    """Return the families that the weights may be of, as some look alike; the usual one first."""
    if _is_imagenet(state):
        return IMAGENET_FAMILIES if _has_bottlenecks(state) else IMAGENET_FAMILIES[:1]
    if has_norm_first(state):
        return ("preact-bottleneck",) if _has_bottlenecks(state) else ("wide" if infer_width(state) > 1 else "preact",)
    return ("residual", "plain") if infer_shortcut(state) == "A" else ("residual",)


def fits_recipe(recipe: Recipe, state: Mapping[str, Shaped]) -> bool:
    """Say whether weights look like those of a recipe's network."""
    families = infer_families(state)
    looks = "A" if recipe.family == "plain" or recipe.shortcut.startswith("A") else recipe.shortcut
    return (recipe.family in families or (recipe.family, families) == ("wide", ("preact",))) and (
        (recipe.depth, recipe.width, looks)
        == (infer_depth(state, recipe.family), infer_width(state), infer_shortcut(state))
    )


def has_norm_first(state: Mapping[str, Any]) -> bool:
    """Say whether the weights are of our pre-activation or wide networks, with a batch norm after the last block."""
    return {"norm.weight", "norm.running_mean", "layer1.0.conv1.weight", "layer3.0.bn1.weight"} <= set(state)


def _has_bottlenecks(state: Mapping[str, Any]) -> bool:
    return any(name.endswith(".conv3.weight") for name in state)


def misfits(own: Mapping[str, Shaped], state: Mapping[str, Shaped]) -> list[tuple[str, list[str]]]:
    """Return what is missing, unexpected or of another shape or type, as words and names; empty if all fits."""
    missing = [name for name in own if name not in state and not name.endswith("num_batches_tracked")]
    unexpected = [name for name in state if name not in own]
    misshapen = [
        f"{name} is {_shape(state[name])}, should be {_shape(value)}"
        for name, value in own.items()
        if name in state and (state[name].shape != value.shape or _kind(state[name]) != _kind(value))
    ]
    found = (("missing", missing), ("unexpected", unexpected), ("other shape or type", misshapen))
    return [(words, names) for words, names in found if names]


def _shape(value: Shaped) -> str:
    shape = "x".join(map(str, value.shape)) or "a single number"
    return f"{shape} of {str(value.dtype).removeprefix('torch.')}"


def _kind(value: Shaped) -> tuple[bool, bool]:
    return value.dtype.is_floating_point, value.dtype.is_complex


def _is_imagenet(state: Mapping[str, Any]) -> bool:
    return any(name.startswith("layer4.") for name in state)
