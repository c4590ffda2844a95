"""Weights: read from files of every common format without running anything in them, loaded into networks, saved."""

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
    """Their entry in the file, such as state_dict; top if they are at the top level."""
    prefix: str
    """The prefix removed from all names, such as module; empty for none."""
    remarks: tuple[str, ...]
    """What a reader of the results should know: what was left out, numbers that are not finite."""
    sha256: str
    """Of the file."""


def read_weights(path: Path) -> Weights:
    """Return the weights in a file as `read_weights_file` finds them."""
    return read_weights_file(path).weights


def read_weights_file(path: Path, entry: str | None = None) -> WeightsFile:
    """Return the weights in a file by the names that our networks use, on the CPU; nothing in the file is run.

    Reads safetensors, torch files of all versions, plain pickles and NumPy's .npz.  Finds weights in any entry, also
    nested ones, with prefixes (module., encoder_q.) and with other projects' names (linear or head.fc for fc, shortcut
    for downsample).  Ignores other objects.  If the file holds several networks, `entry` selects one; without it,
    raises `ResLabError`, with the list.  Raises `CheckpointError` for a file that is not a weights file, is damaged, or
    would run a program when opened elsewhere.
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
    """Return the weights of a user's own network that `save_weights` wrote, by its own names."""
    _check_there(path)
    try:
        with reading(path):
            content = path.read_bytes()
        weights = safetensors.torch.load(content)
    except SafetensorError as error:
        raise CheckpointError(f"{path} is not a weights file: {error}") from None
    return WeightsFile(weights, "top", "", tuple(_doubtful(weights)), hashlib.sha256(content).hexdigest())


def read_named_weights(path: Path) -> WeightsFile:
    """Return external weights for a user's own network: a state_dict from torch.save, or safetensors.

    Nothing in the file is run.  Raises `CheckpointError` for anything else.
    """
    if path.suffix == ".safetensors":
        return read_own_weights(path)
    _check_there(path)
    with reading(path):
        content = path.read_bytes()
    try:
        found = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception:  # damaged files raise almost anything
        found = None
    if not isinstance(found, dict) or not found or not all(isinstance(one, Tensor) for one in found.values()):
        raise CheckpointError(
            f"{path} is neither a state_dict that torch.save(network.state_dict(), ...) wrote nor a safetensors file"
        )
    return WeightsFile(dict(found), "top", "", tuple(_doubtful(found)), hashlib.sha256(content).hexdigest())


def load_into(module: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Copy the weights into the module; raise `CheckpointError`, changing nothing, if they do not fit.

    The message lists what is missing, what is unexpected and what has another shape or type.  Batch norm's
    `num_batches_tracked`, which older files lack and nothing here uses, may be missing.
    """
    own = module.state_dict()
    found = misfits(own, state)
    if found:
        lines = ["the weights do not fit this network"]
        theirs, ours = infer_depth(state), infer_depth(own)
        if theirs != ours and theirs is not None and ours is not None:
            lines[0] += f": they have depth {theirs}, it has depth {ours}"
        lines += [f"  {words} ({len(names)}): {listed(names)}" for words, names in found]
        raise CheckpointError("\n".join(lines))
    with torch.no_grad():
        for name, value in own.items():
            if name in state:
                value.copy_(state[name])


def save_weights(module_or_state: nn.Module | Mapping[str, Tensor], path: Path) -> None:
    """Write the weights as safetensors, atomically; the folder must exist."""
    state = module_or_state.state_dict() if isinstance(module_or_state, nn.Module) else module_or_state
    plain = torch.contiguous_format  # a copy: two names may share memory
    tensors = {name: value.detach().cpu().clone(memory_format=plain) for name, value in state.items()}
    write_whole(path, safetensors.torch.save(tensors))


def _doubtful(weights: Weights) -> list[str]:
    """Return remarks on the numbers themselves."""
    negative = {
        name: num
        for name, value in weights.items()
        if name.endswith("running_var") and value.is_floating_point() and (num := int((value.float() < 0).sum()))
    }
    remarks = _not_finite(weights)
    if negative:
        where = listed(f"{name} ({num:,} of {weights[name].numel():,})" for name, num in negative.items())
        remarks.append(f"batch norm has negative variances, of which it takes the square root: {where}")
    short = sorted({str(one.dtype).removeprefix("torch.") for one in weights.values() if "float8" in str(one.dtype)})
    if short:
        remarks.append(
            f"weights are {' and '.join(short)}, converted to float32 unscaled: a scale that was saved beside them "
            "is not applied"
        )
    return remarks


def _not_finite(weights: Weights) -> list[str]:
    counts = {
        name: num
        for name, value in weights.items()
        if value.is_floating_point() and (num := int((~torch.isfinite(value.float())).sum()))  # float8 has no isfinite
    }
    if not counts:
        return []
    where = listed(f"{name} ({num:,} of {weights[name].numel():,})" for name, num in counts.items())
    total = sum(counts.values())
    words = "1 weight is not a finite number" if total == 1 else f"{total:,} weights are not finite numbers"
    return [f"{words} (NaN or infinite): {where}"]


def _check_there(path: Path) -> None:
    """Raise `CheckpointError` if a path is not a file; for a folder, the message lists what is in it."""
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
            " of a distributed torch checkpoint; convert it to one file with "
            "torch.distributed.checkpoint.format_utils.dcp_to_torch_save(FOLDER, FILE), and give that"
        )
    run = "; it is a run's: reslab evaluate FOLDER" if (path / "run.json").is_file() else ""
    return run or (f"; it contains {listed(found)}" if found else "")
