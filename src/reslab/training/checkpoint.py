"""Checkpoints: a training's state on disk, written atomically and verified when it is read back.

Each checkpoint is a folder named by its iteration.  It holds the weights, the optimiser's state and the averaged
weights, if the recipe has them, in safetensors, the rest in state.json, and a manifest of SHA-256 sums that is written
last: without it, the folder does not count.  The newest two are kept: older ones are removed once a newer one is
complete.
"""

import hashlib
import json
import math
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from reslab.errors import CheckpointError, UnreadableError
from reslab.files import reading, sync_folder, write_whole
from reslab.training.loop import State
from reslab.training.optimiser import check_optimiser_state, load_optimiser_state, optimiser_state
from reslab.training.saved import AVERAGES, FILES, MANIFEST, MOMENTUM, STATE, WEIGHTS, folders, order
from reslab.training.step import Totals


@dataclass(frozen=True, slots=True)
class Saved:
    """A checkpoint read back and verified."""

    weights: Mapping[str, Tensor]
    momentum: Mapping[str, Tensor]
    state: Mapping[str, Any]
    averages: Mapping[str, Tensor] | None = None

    @property
    def iteration(self) -> int:
        """Iterations completed when it was taken."""
        return int(self.state["iteration"])


def save_checkpoint(folder: Path, state: State) -> Path:
    """Write the state below `folder` and remove all but the newest two; return the new checkpoint's folder."""
    for rest in folders(folder):
        if not (rest / MANIFEST).exists():  # it was interrupted while written
            shutil.rmtree(rest)
    before = [order(path)[1] for path in folders(folder) if order(path)[0] == state.iteration]
    path = folder / (f"{state.iteration:09d}" + (f".{before[-1] + 1}" if before else ""))
    try:
        path.mkdir()
    except FileNotFoundError:  # the first checkpoint; no parents: a removed run's folder stays removed
        folder.mkdir()
        path.mkdir()
    contents = {
        WEIGHTS: save(tensors(state.module.state_dict())),
        MOMENTUM: save(tensors(optimiser_state(state.module, state.optimiser))),
        STATE: json.dumps(
            {
                "iteration": state.iteration,
                "rate": state.rate,
                "warming": state.warming,
                "totals": state.totals.to_mapping(),
                "seconds": state.seconds,
            }
        ).encode(),
    }
    if state.averages is not None:
        contents[AVERAGES] = save(tensors(state.averages.module.state_dict()))
    for name, content in contents.items():
        write_whole(path / name, content)
    manifest = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    write_whole(path / MANIFEST, json.dumps(manifest, indent=1).encode())
    sync_folder(folder)
    for old in folders(folder)[:-2]:
        (old / MANIFEST).unlink(
            missing_ok=True
        )  # first, so that what is left of the folder if we are killed does not count
        shutil.rmtree(old, ignore_errors=True)
    return path


def load_checkpoint(folder: Path) -> Saved | None:
    """Read the newest intact checkpoint below `folder`; return None if none was ever completed.

    If the newest is damaged, an older one is used.  If none can be used, raises `UnreadableError` if the system did not
    let one be read, else `CheckpointError`.
    """
    problems = []
    unread: UnreadableError | None = None
    for path in reversed(folders(folder)):
        if not (path / MANIFEST).exists():
            continue  # it was interrupted while written
        try:
            with reading(path):
                return _read(path)
        except UnreadableError as error:
            unread = error
        except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError, SafetensorError) as problem:
            problems.append(f"{path}: {problem}")
    if unread is not None:
        raise unread
    if problems:
        raise CheckpointError(
            "no checkpoint of this run can be read back: "
            + "; ".join(problems)
            + f".  Remove {folder} to train the run again from the beginning"
        )
    return None


def restore(state: State, saved: Saved) -> None:
    """Restore a saved training into a fresh `state` of the same recipe.

    Raises `CheckpointError`, and changes nothing, if it is not of this recipe.
    """
    check_fits(state, saved)
    state.module.load_state_dict(dict(saved.weights))
    if state.averages is not None:
        state.averages.module.load_state_dict(dict(saved.averages or {}))
    load_optimiser_state(state.module, state.optimiser, saved.momentum)
    values = saved.state
    state.iteration, state.rate = values["iteration"], values["rate"]
    state.warming, state.seconds = values["warming"], values["seconds"]
    device = state.totals.loss.device
    state.totals = Totals.from_mapping(values["totals"], device)


def check_fits(state: State, saved: Saved) -> None:
    """Raise `CheckpointError` if a saved training is not of this recipe or network."""
    if (state.averages is None) != (saved.averages is None):
        raise CheckpointError("the checkpoint is not of this recipe: only one of the two averages its weights")
    _check_weights(state.module, saved.weights)
    if state.averages is not None:
        _check_weights(state.averages.module, saved.averages or {})
    check_optimiser_state(state.module, state.optimiser, saved.momentum)
    _check_values(state, saved.state)


def tensors(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return named tensors as safetensors expects them: on the CPU, contiguous, sharing no memory."""
    return {name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format) for name, tensor in state.items()}


def _check_weights(module: nn.Module, values: Mapping[str, Tensor]) -> None:
    wanted = {name: (value.shape, value.dtype) for name, value in module.state_dict().items()}
    for name in wanted.keys() | values.keys():
        if name not in values or (values[name].shape, values[name].dtype) != wanted.get(name):
            raise CheckpointError(f"the checkpoint is not of this network: {name} is not what it should be")


def _check_values(state: State, values: Mapping[str, Any]) -> None:
    totals = values.get("totals")
    numbers: list[Any] = [values.get("rate"), values.get("seconds")]
    if isinstance(totals, Mapping):
        numbers += [totals.get(name) for name in state.totals.to_mapping()]
    iteration, is_known = values.get("iteration"), isinstance(totals, Mapping) and type(values.get("warming")) is bool
    if not (is_known and all(type(one) in (int, float) and math.isfinite(one) for one in numbers)):
        raise CheckpointError(f"the checkpoint's {STATE} does not describe a training")
    if type(iteration) is not int or not 0 <= iteration <= state.schedule.num_iterations:
        raise CheckpointError(f"the checkpoint is at iteration {iteration} of {state.schedule.num_iterations}")


def _read(path: Path) -> Saved:
    manifest = json.loads((path / MANIFEST).read_text())
    if not set(manifest) <= set(FILES):
        raise CheckpointError(f"its {MANIFEST} lists something that is not a file of a checkpoint")
    contents = {}
    for name, digest in manifest.items():
        contents[name] = (path / name).read_bytes()
        if hashlib.sha256(contents[name]).hexdigest() != digest:
            raise CheckpointError(f"{name} is not what was written (its SHA-256 differs)")
    averages = load(contents[AVERAGES]) if AVERAGES in contents else None
    return Saved(load(contents[WEIGHTS]), load(contents[MOMENTUM]), json.loads(contents[STATE]), averages)
