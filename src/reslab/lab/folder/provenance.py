"""Where a run's numbers come from: code, versions, machine and images."""

import hashlib
import platform
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

import reslab
from reslab.data.folders import Folders
from reslab.data.serving import AnyDataset, AnyImages
from reslab.data.split import Split, split
from reslab.datasets import SHORT, is_named
from reslab.errors import CheckpointError, DataError
from reslab.files import now
from reslab.kernels.build import kernels
from reslab.kernels.gpu_device import words as gpu_words
from reslab.lab.folder.store import RunFiles
from reslab.recipe import Recipe
from reslab.training.hardware import device_name


def attempt(
    device: torch.device,
    iteration: int,
    *,
    kernels_used: str,
    checkpoint_activations: bool = False,
    threads_follow_load: bool = False,
) -> dict[str, Any]:
    """Describe an attempt at a run that starts now, after `iteration` completed iterations.

    `kernels_used` describes the kernels for its network and images (see `reslab.lab.assembly`).  In the result,
    `threads` is the number it starts with; it may change later if it follows the machine's load.
    """
    return {
        "started": now(),
        "from_iteration": iteration,
        "reslab": reslab.__version__,
        **_source(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "platform": platform.platform(),
        "device": device.type,
        "device_name": device_name(device),
        "threads": torch.get_num_threads(),
        "threads_follow_load": threads_follow_load,
        "kernels": kernels_used,
        "checkpoint_activations": checkpoint_activations,
    }


def kernel_words(device: torch.device) -> str:
    """Say which kernels a device has; `reslab.lab.assembly.kernels_used` says which of them a run uses."""
    return kernels().words if device.type == "cpu" else gpu_words(device)


def check_images(files: RunFiles, dataset: AnyDataset, relation: str, remedy: str) -> None:
    """Raise `DataError` if these are not the run's images, by its recipe or by those it started with.

    `relation` says what the run did with its own images, and `remedy` what to do.
    """
    run, begun_with = files.read_run(), _begun_with(files)
    if begun_with in ("", dataset.fingerprint) and dataset.fingerprint.startswith(run.recipe.images):
        return
    which = f"the images of {dataset.name} are not those that {run.id} {relation}"
    if isinstance(dataset, Folders) and begun_with == dataset.former:
        raise DataError(
            f"{which}, though the files are the same: an earlier ResLab decoded some file types to other pixels.  "
            f"`reslab evaluate --weights {files.weights}` measures its weights on the pixels of this version"
        )
    raise DataError(
        f"{which}: the fingerprint of those{_where(dataset)} is {dataset.fingerprint[:SHORT]}, not "
        f"{(begun_with or run.recipe.images)[:SHORT]}{_other_classes(files, dataset)}; {remedy}"
    )


def check_trained_on(files: RunFiles, dataset: AnyDataset) -> None:
    """Raise `DataError` if these are not the images that a run was trained on, or if that is unknown."""
    if not (_begun_with(files) or files.read_run().recipe.images or dataset.official):
        raise DataError(
            f"{files.path} does not say which images it was trained on (its provenance.json is gone), and these are "
            f"not the official images of {dataset.name}"
        )
    check_images(files, dataset, "was trained on", "use the same --data-root")


def check_classes(files: RunFiles, dataset: AnyDataset) -> None:
    """Raise `CheckpointError` if the classes of a run's weights differ from those of the images, or in order."""
    if words := _other_classes(files, dataset):
        raise CheckpointError(f"the weights of {files.read_run().id} are not for these images{words}")


def _other_classes(files: RunFiles, dataset: AnyDataset) -> str:
    """Return how the classes that a run started with differ from these; "" if they do not, or are not known."""
    classes, here = files.images().get("classes"), list(dataset.class_names)
    if classes is None or classes == here:
        return ""
    odd = sorted(set(classes) ^ set(here))
    if not odd:
        return " (its classes come in another order)"
    shown = ", ".join(odd[:5]) + (" and others" if len(odd) > 5 else "")
    return f" (the classes differ: {shown} {'is' if len(odd) == 1 else 'are'} in one of them only)"


def _begun_with(files: RunFiles) -> str:
    """Return the fingerprint of the images that a run started with; "" before its first attempt."""
    return str(files.images().get("fingerprint") or "")


def _where(dataset: AnyDataset) -> str:
    return f" in {dataset.folder}" if isinstance(dataset, Folders) else ""


def describe_data(recipe: Recipe, dataset: AnyDataset) -> dict[str, Any]:
    """Describe the images that a recipe trains and measures on, and, unless the data set is named, their classes."""
    parts: Split[AnyImages] = split(dataset, train_share=recipe.train_share, holdout=recipe.holdout)
    return {
        "name": dataset.name,
        "fingerprint": dataset.fingerprint,
        "official": dataset.official,
        "num_train": len(parts.train.labels),
        "num_holdout": len(parts.holdout.labels) if parts.holdout is not None else 0,
        "num_test": len(parts.test.labels),
        "num_classes": len(dataset.class_names),
        **({} if is_named(dataset.name) else {"classes": list(dataset.class_names)}),
    }


@cache
def _source() -> dict[str, Any]:
    """Return the commit and whether files differ from it, if there is a checkout, and a digest of the source."""
    package = Path(reslab.__file__).parent
    digest = hashlib.sha256()
    for path in sorted(path for path in package.rglob("*") if path.suffix in (".py", ".cpp", ".h")):
        digest.update(path.relative_to(package).as_posix().encode() + b"\0" + path.read_bytes())
    checkout = package.parents[1]
    commit = _git(checkout, "rev-parse", "HEAD") if (checkout / ".git").exists() else None
    changes = _git(checkout, "status", "--porcelain", "--untracked-files=no") if commit else None
    added = _git(checkout, "ls-files", "--others", "--exclude-standard", str(package)) if commit else None
    return {
        "commit": commit,
        "dirty": None if changes is None else bool(changes or added),
        "source_digest": digest.hexdigest(),
    }


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments],
            capture_output=True,
            text=True,
            errors="replace",  # names of files may be in any encoding
            check=True,
            timeout=10,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
