"""Where a run's numbers come from: code, versions, machine and images."""

import hashlib
import platform
import subprocess
import time
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

import reslab
from reslab.data.serving import AnyDataset, AnyImages
from reslab.data.split import Split, split
from reslab.errors import DataError
from reslab.kernels.build import kernels
from reslab.kernels.gpu_device import words as gpu_words
from reslab.lab.store import RunFiles
from reslab.recipe import Recipe
from reslab.training.hardware import device_name


def attempt(device: torch.device, iteration: int, *, threads_follow_load: bool = False) -> dict[str, Any]:
    """Describe an attempt at a run that starts now, after `iteration` completed iterations.

    `threads` are those that it starts with; where they follow the machine's load, it may compute with others later.
    """
    return {
        "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
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
        "kernels": kernel_words(device),
    }


def kernel_words(device: torch.device) -> str:
    """Say which kernels a device uses."""
    return kernels().words if device.type == "cpu" else gpu_words(device)


def check_images(files: RunFiles, dataset: AnyDataset, relation: str, remedy: str) -> None:
    """Raise `DataError` where a run was begun with other images; `relation` says what it did with its own."""
    before = files.provenance()
    if before is not None and before["data"]["fingerprint"] != dataset.fingerprint:
        raise DataError(
            f"the images of {dataset.name} are not those that {files.read_run().id} {relation} (their fingerprints "
            f"differ); {remedy}"
        )


def describe_data(recipe: Recipe, dataset: AnyDataset) -> dict[str, Any]:
    """Describe the images that a recipe trains and measures on."""
    parts: Split[AnyImages] = split(dataset, train_share=recipe.train_share, holdout=recipe.holdout)
    return {
        "name": dataset.name,
        "fingerprint": dataset.fingerprint,
        "official": dataset.official,
        "num_train": len(parts.train.labels),
        "num_holdout": len(parts.holdout.labels) if parts.holdout is not None else 0,
        "num_test": len(parts.test.labels),
        "num_classes": len(dataset.class_names),
    }


@cache
def _source() -> dict[str, Any]:
    """Return the commit and whether files differ from it, where there is a checkout, and a digest of the source."""
    package = Path(reslab.__file__).parent
    digest = hashlib.sha256()
    for path in sorted(path for path in package.rglob("*") if path.suffix in (".py", ".cpp", ".h")):
        digest.update(path.relative_to(package).as_posix().encode() + b"\0" + path.read_bytes())
    checkout = package.parents[1]
    commit = _git(checkout, "rev-parse", "HEAD") if (checkout / ".git").exists() else None
    changes = _git(checkout, "status", "--porcelain", "--untracked-files=no") if commit else None
    return {
        "commit": commit,
        "dirty": None if changes is None else bool(changes),
        "source_digest": digest.hexdigest(),
    }


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True, timeout=10
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
