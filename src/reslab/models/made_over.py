"""Networks that were transformed before they were saved: what was done to their arrays, and how to undo it."""

import re
from collections.abc import Mapping

from reslab.errors import CheckpointError
from reslab.models.entries import Entry
from reslab.models.fitting import Shaped

_KINDS: tuple[tuple[str, str, str], ...] = (
    (r"(.*\.)?weight_mask", "pruned", "call torch.nn.utils.prune.remove(layer, 'weight')"),
    (r"(.*\.)?weight_u", "with spectral norm", "call torch.nn.utils.remove_spectral_norm(layer)"),
    (r"(.*\.)?weight_[gv]", "with weight norm", "call torch.nn.utils.remove_weight_norm(layer)"),
    (
        r"(.*\.)?parametrizations\..+",
        "parametrised (torch.nn.utils.parametrize)",
        "call torch.nn.utils.parametrize.remove_parametrizations(layer, 'weight')",
    ),
)
"""Patterns of names that show what was done, what that is, and what undoes it."""


def check_made_over(entry: Entry) -> None:
    """Raise `CheckpointError`, with a clause about "it", if the arrays are not those that a network computes with."""
    for pattern, what, todo in _KINDS:
        if found := [name for name in entry.unknown if re.fullmatch(pattern, name)]:
            raise CheckpointError(
                f"it is of a network {what}: {found[0]}; {todo} for each layer, and save the weights again"
            )
    _check_numbers(entry.arrays)
    weight, bias = entry.arrays.get("fc.weight"), entry.arrays.get("fc.bias")
    if weight is None or bias is None or len(weight.shape) != 2 or weight.shape[0] == weight.shape[1]:
        return
    if bias.shape == weight.shape[1:]:
        raise CheckpointError(
            f"its linear layer is transposed: fc.weight is {weight.shape[0]} x {weight.shape[1]}, and must be classes "
            "x inputs; save it as fc.weight.T"
        )


def _check_numbers(arrays: Mapping[str, Shaped]) -> None:
    """Raise `CheckpointError` if none of the weights are real floating-point numbers."""
    weights = [one for name, one in arrays.items() if not name.endswith("num_batches_tracked")]
    kinds = {one.dtype for one in weights}
    if len(weights) < 2 or any(kind.is_floating_point for kind in kinds):
        return
    words = " and ".join(sorted(str(kind).removeprefix("torch.") for kind in kinds))
    is_complex = any(kind.is_complex for kind in kinds)
    todo = "save their real part as float32" if is_complex else "dequantise the network to float32 and save it again"
    raise CheckpointError(f"its numbers are {words}, but weights must be floats; {todo}")
