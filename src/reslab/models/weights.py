"""Weights in and out: read from files of every form in circulation without running anything in them, fitted, saved."""

import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from reslab.errors import CheckpointError
from reslab.files import odd_kind, reading, write_whole
from reslab.inert import PickleError
from reslab.models.choosing import choose
from reslab.models.containers import read_content
from reslab.models.entries import check_anything, find_entries, listed
from reslab.models.fitting import infer_depth, misfits
from reslab.models.hostile import HostileError

Weights = dict[str, Tensor]


@dataclass(frozen=True, slots=True)
class WeightsFile:
    """Weights by the names that our networks use, on the CPU, and where in the file they were."""

    weights: Weights
    entry: str
    """The entry that they are, as in state_dict; top where they are the file's only content."""
    prefix: str
    """What was taken off all names, as in module; empty for nothing."""
    remarks: tuple[str, ...]
    """What a reader of the figures should know: what was left out, numbers that are not finite."""
    sha256: str
    """Of the file."""


def read_weights(path: Path) -> Weights:
    """Return the weights in a file as `read_weights_file` finds them."""
    return read_weights_file(path).weights


def read_weights_file(path: Path, entry: str | None = None) -> WeightsFile:
    """Return the weights in a file by the names that our networks use, on the CPU; nothing in the file is run.

    Read are safetensors, torch's files of every age, plain pickles and NumPy's .npz.  Weights are found in any entry,
    however deep, also with something before their names (module., encoder_q.), and with the names that others give
    (linear or head.fc for fc, shortcut for downsample).  Objects beside them are passed over.  Where the file holds
    several networks, `entry` says which; without it that raises `ResLabError`, with the list.  What is not a
    weights file, is damaged, or would run a program when opened by others raises `CheckpointError`.
    """
    _check_there(path)
    try:
        with reading(path):
            with path.open("rb") as file:
                sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            root, storages = read_content(path)
        contents = find_entries(root, storages)
        check_anything(contents)
        chosen, remarks = choose(contents, entry, path)
        weights = {name: array.read() for name, array in chosen.arrays.items()}
    except (CheckpointError, PickleError) as error:
        safely = " that can be read safely" if isinstance(error, HostileError) else ""
        raise CheckpointError(f"{path} is not a weights file{safely}: {error}") from error
    return WeightsFile(weights, chosen.label, chosen.prefix, (*remarks, *_doubtful(weights)), sha256)


def read_own_weights(path: Path) -> WeightsFile:
    """Return the weights that `save_weights` wrote of a network of the user's own, by its own names."""
    _check_there(path)
    try:
        with reading(path):
            content = path.read_bytes()
        weights = safetensors.torch.load(content)
    except SafetensorError as error:
        raise CheckpointError(f"{path} is not a weights file: {error}") from None
    return WeightsFile(weights, "top", "", tuple(_doubtful(weights)), hashlib.sha256(content).hexdigest())


def read_named_weights(path: Path) -> WeightsFile:
    """Return weights for a network of the user's own from elsewhere: a state_dict by torch.save, or safetensors.

    Nothing in the file is run.  Raises `CheckpointError` for anything else.
    """
    if path.suffix == ".safetensors":
        return read_own_weights(path)
    _check_there(path)
    with reading(path):
        content = path.read_bytes()
    try:
        found = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception:  # damaged files raise nearly anything
        found = None
    if not isinstance(found, dict) or not found or not all(isinstance(one, Tensor) for one in found.values()):
        raise CheckpointError(
            f"{path} is neither a state_dict that torch.save(network.state_dict(), ...) wrote nor a safetensors file"
        )
    return WeightsFile(dict(found), "top", "", tuple(_doubtful(found)), hashlib.sha256(content).hexdigest())


def load_into(module: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Copy the weights into the module; raise `CheckpointError`, changing nothing, where they do not fit.

    The message lists what is missing, what is unexpected and what has another shape.  Batch norm's
    `num_batches_tracked`, which older files lack and nothing here uses, may be missing.
    """
    own = module.state_dict()
    found = misfits(own, state)
    if found:
        lines = ["the weights do not fit this network"]
        theirs, ours = infer_depth(state), infer_depth(own)
        if theirs != ours and theirs is not None and ours is not None:
            lines[0] += f": they are of depth {theirs}, it is of depth {ours}"
        lines += [f"  {words} ({len(names)}): {listed(names)}" for words, names in found]
        raise CheckpointError("\n".join(lines))
    with torch.no_grad():
        for name, value in own.items():
            if name in state:
                value.copy_(state[name])


def save_weights(module_or_state: nn.Module | Mapping[str, Tensor], path: Path) -> None:
    """Write the weights as safetensors, whole or not at all; the folder must exist."""
    state = module_or_state.state_dict() if isinstance(module_or_state, nn.Module) else module_or_state
    plain = torch.contiguous_format  # a copy: two names may share one memory
    tensors = {name: value.detach().cpu().clone(memory_format=plain) for name, value in state.items()}
    write_whole(path, safetensors.torch.save(tensors))


def _doubtful(weights: Weights) -> list[str]:
    """Return what a reader should know of the numbers themselves."""
    negative = {
        name: num
        for name, value in weights.items()
        if name.endswith("running_var") and value.is_floating_point() and (num := int((value.float() < 0).sum()))
    }
    remarks = _not_finite(weights)
    if negative:
        where = listed(f"{name} ({num:,} of {weights[name].numel():,})" for name, num in negative.items())
        remarks.append(f"variances of batch norm are negative, of which it takes the square root: {where}")
    short = sorted({str(one.dtype).removeprefix("torch.") for one in weights.values() if "float8" in str(one.dtype)})
    if short:
        remarks.append(
            f"weights are {' and '.join(short)}, computed in float32 as they stand: a scale that was saved beside them "
            "is not applied"
        )
    return remarks


def _not_finite(weights: Weights) -> list[str]:
    counts = {
        name: num
        for name, value in weights.items()
        if value.is_floating_point() and (num := int((~torch.isfinite(value.float())).sum()))  # float8 cannot be asked
    }
    if not counts:
        return []
    where = listed(f"{name} ({num:,} of {weights[name].numel():,})" for name, num in counts.items())
    total = sum(counts.values())
    words = "1 weight is not a finite number" if total == 1 else f"{total:,} weights are not finite numbers"
    return [f"{words} (NaN or infinite): {where}"]


def _check_there(path: Path) -> None:
    """Raise `CheckpointError` where a path is no file, with what lies in it where it is a folder."""
    if not path.is_file():
        odd = odd_kind(path)
        found = f"it is {odd}" if odd else "there is no such file"
        raise CheckpointError(f"cannot read weights from {path}: {found}{_inside(path)}")


def _inside(path: Path) -> str:
    if not path.is_dir():
        return ""
    suffixes = (".safetensors", ".pth", ".pt", ".th", ".ckpt", ".bin", ".pyth", ".tar", ".npz")
    found = sorted(one.name for one in path.iterdir() if one.suffix in suffixes)
    if next(path.glob("*.distcp"), None) is not None:
        return (
            " of a distributed checkpoint of torch's; make a file of it with "
            "torch.distributed.checkpoint.format_utils.dcp_to_torch_save(FOLDER, FILE), and give that"
        )
    run = "; it is a run's: reslab evaluate FOLDER" if (path / "run.json").is_file() else ""
    return run or (f"; in it are {listed(found)}" if found else "")
