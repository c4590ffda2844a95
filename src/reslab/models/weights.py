"""Weights in and out: safetensors and torch files, read without executing anything in them."""

import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from reslab.errors import CheckpointError
from reslab.files import write_whole
from reslab.recipe import IMAGENET_DEPTHS

Weights = dict[str, Tensor]

NESTS = ("state_dict", "model_state_dict", "model", "net")
"""Entries under which the checkpoints in circulation keep their weights."""


def read_weights(path: Path) -> Weights:
    """Return the weights in a file by the names that our networks use, on the CPU.

    Read are safetensors and torch files, also with the weights in an entry such as state_dict, with module.
    before the names (nn.DataParallel), linear for fc, or shortcut for downsample.  Torch files are read with
    `weights_only`, so that nothing in them runs.  Anything else raises `CheckpointError`.
    """
    if not path.is_file():
        found = "it is a folder" if path.is_dir() else "there is no such file"
        raise CheckpointError(f"cannot read weights from {path}: {found}")
    content = _read_safetensors(path) if _is_safetensors(path) else _read_torch(path)
    weights: Weights = {}
    for name, value in _unnested(content, path).items():
        ours = _our_name(name)
        if ours in weights:
            raise CheckpointError(f"{path} holds {ours} twice, under two names")
        weights[ours] = value
    return weights


def load_into(module: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Copy the weights into the module; raise `CheckpointError`, changing nothing, where they do not fit.

    The message lists what is missing, what is unexpected and what has another shape.  Batch norm's
    `num_batches_tracked`, which older files lack and nothing here uses, may be missing.
    """
    own = module.state_dict()
    missing = [name for name in own if name not in state and not name.endswith("num_batches_tracked")]
    unexpected = [name for name in state if name not in own]
    misshapen = [
        f"{name} is {_shape(state[name])}, should be {_shape(value)}"
        for name, value in own.items()
        if name in state and (state[name].shape != value.shape or _kind(state[name]) != _kind(value))
    ]
    if missing or unexpected or misshapen:
        lines = ["the weights do not fit this network"]
        theirs, ours = infer_depth(state), infer_depth(own)
        if theirs != ours and theirs is not None and ours is not None:
            lines[0] += f": they are of depth {theirs}, it is of depth {ours}"
        for words, names in (("missing", missing), ("unexpected", unexpected), ("other shape", misshapen)):
            if names:
                lines.append(f"  {words} ({len(names)}): {_some(names)}")
        raise CheckpointError("\n".join(lines))
    with torch.no_grad():
        for name, value in own.items():
            if name in state:
                value.copy_(state[name])


def infer_shortcut(state: Mapping[str, Tensor]) -> str:
    """Return which shortcut the weights are of: C, B, or A where none has parameters.

    A and A-centred, and a plain network, have the same weights and cannot be told apart.
    """
    everywhere = "layer1.1.downsample." if _is_imagenet(state) else "layer1."  # bottlenecks widen in layer1.0
    if any(name.startswith(everywhere) and ".downsample." in name for name in state):
        return "C"
    return "B" if any(".downsample." in name for name in state) else "A"


def infer_depth(state: Mapping[str, Tensor]) -> int | None:
    """Return the depth by the numbers of blocks in the stages, or None where no network of ours has these."""
    stages = [
        len({match[1] for name in state if (match := re.match(rf"layer{stage}\.(\d+)\.conv1\.weight$", name))})
        for stage in (1, 2, 3, 4)
    ]
    if _is_imagenet(state):
        layers = 3 if any(name.endswith(".conv3.weight") for name in state) else 2
        depth = layers * sum(stages) + 2
        return depth if depth in IMAGENET_DEPTHS else None
    return 6 * stages[0] + 2 if stages[0] else None


def save_weights(module_or_state: nn.Module | Mapping[str, Tensor], path: Path) -> None:
    """Write the weights as safetensors, whole or not at all; the folder must exist."""
    state = module_or_state.state_dict() if isinstance(module_or_state, nn.Module) else module_or_state
    tensors = {name: value.detach().cpu().contiguous() for name, value in state.items()}
    write_whole(path, safetensors.torch.save(tensors))


def _is_safetensors(path: Path) -> bool:
    """Tell by the content, for suffixes lie: a length of eight bytes, then JSON."""
    with path.open("rb") as file:
        return file.read(9)[8:] == b"{"


def _read_safetensors(path: Path) -> Any:
    try:
        return safetensors.torch.load_file(path)
    except (safetensors.SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} is damaged or no safetensors file: {error}") from error


def _read_torch(path: Path) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's advice on old formats is not for our user
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged or hostile file can raise anything; nothing of it has run
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise CheckpointError(
            f"{path} is no file of weights that can be read safely: it is damaged, not torch's, or holds "
            f"more than tensors ({reason[:200]})"
        ) from error


def _unnested(content: Any, path: Path) -> Weights:
    for _ in NESTS:  # not for ever: a pickled dict can hold itself
        nests = [name for name in NESTS if isinstance(content, Mapping) and name in content]
        content = content[nests[0]] if nests else content
    if not isinstance(content, Mapping) or not content:
        raise CheckpointError(f"{path} holds no weights: neither named tensors nor one of {', '.join(NESTS)}")
    for name, value in content.items():
        if not (isinstance(name, str) and isinstance(value, Tensor) and value.layout == torch.strided):
            raise CheckpointError(f"{path} holds no plain weights: its entry {name!r} is no dense tensor")
    return dict(content)


def _our_name(name: str) -> str:
    name = re.sub(r"^(module\.|_orig_mod\.)+", "", name)
    name = re.sub(r"^linear\.", "fc.", name)
    return re.sub(r"\.shortcut\.([01])\.", r".downsample.\1.", name)


def _shape(value: Tensor) -> str:
    shape = "x".join(map(str, value.shape)) or "a single number"
    return f"{shape} of {str(value.dtype).removeprefix('torch.')}"


def _kind(value: Tensor) -> tuple[bool, bool]:
    return value.is_floating_point(), value.is_complex()


def _some(names: list[str], limit: int = 6) -> str:
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(name[:120] for name in names[:limit]) + more


def _is_imagenet(state: Mapping[str, Tensor]) -> bool:
    return any(name.startswith("layer4.") for name in state)
