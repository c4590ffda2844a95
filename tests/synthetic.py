"""Synthetic run directories with planted truths, as the training side would have left them."""

import hashlib
import json
import math
import random
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from reslab.analysis.groups import Group, gather
from reslab.analysis.tidy import read_tables
from reslab.lab.folder.predictions import Predictions, predictions_bytes
from reslab.recipe import SEMANTICS, Recipe, Run, to_mapping

PARAMETERS = {8: 78_042, 14: 175_258, 20: 272_474, 32: 466_906, 56: 855_770, 110: 1_730_714}


@dataclass(frozen=True)
class Truth:
    """Where the curves of a run end, and how far one seed strays from another at the end (points).

    A seed strays alike in all recipes, unless it is `own`.
    """

    test_error: float
    train_error: float
    noise: float = 0.0
    own: bool = False


def write_run(
    root: Path,
    run: Run,
    truth: Truth,
    *,
    stop_after: int | None = None,
    failure: dict[str, Any] | None = None,
    official: bool = True,
    fingerprint: str | None = None,
    epoch_seconds: float = 31.5,
) -> Path:
    """Write the directory of a run: finished, or stopped after some epochs, or with a failure after them."""
    recipe = run.recipe
    folder = root / run.id
    folder.mkdir(parents=True)
    num_train, num_test, classes = _sizes(recipe.dataset)
    used = int(num_train * recipe.train_share) - recipe.holdout
    a_pass = math.ceil(used / recipe.batch_size)
    in_epochs = 1 if recipe.schedule_unit == "epochs" else a_pass
    length = math.ceil(recipe.length / in_epochs)
    _write(
        folder / "run.json",
        {"format": 1, "run": run.id, "semantics": SEMANTICS, "recipe": to_mapping(recipe), "seed": run.seed},
    )
    _write(
        folder / "provenance.json",
        {
            "format": 1,
            "data": {
                "name": recipe.dataset,
                "fingerprint": fingerprint or f"{len(recipe.dataset):02d}ab34cd56ef78901234",
                "official": official,
                "num_train": used,
                "num_holdout": recipe.holdout,
                "num_test": num_test,
                "num_classes": classes,
            },
            "attempts": [_ATTEMPT],
        },
    )
    lines = _curve(run, truth, length, a_pass, in_epochs, classes, epoch_seconds, used)
    lines = lines[: length if stop_after is None else stop_after]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    if failure is not None:
        _write(folder / "failure.json", {"format": 1, "run": run.id, "traceback": None, **failure})
    elif stop_after is None:
        last = lines[-1]
        _write(
            folder / "result.json",
            {
                "format": 1,
                "run": run.id,
                "status": "finished",
                "epochs": last["epoch"],
                "iterations": last["iteration"],
                **{name: last[name] for name in ("train_loss", "train_error", "test_loss", "test_error")},
                "seconds": sum(line["seconds"] for line in lines),
                "images_per_second": 1593.2,
                "parameters": PARAMETERS.get(recipe.depth, 1000),
                "multiply_adds": 40_810_000,
                "weights_sha256": weights_of(folder),
            },
        )
    return folder


def _curve(
    run: Run, truth: Truth, length: int, a_pass: int, in_epochs: int, classes: int, seconds: float, used: int
) -> list[dict[str, Any]]:
    recipe = run.recipe
    chance = 100 * (1 - 1 / classes)
    stray = random.Random(f"stray {run.id}" if truth.own else run.seed).gauss(0, truth.noise) if truth.noise else 0.0
    generator = random.Random(f"{run.id}")
    first, second = recipe.first_drop / in_epochs, recipe.second_drop / in_epochs
    lines = []
    for epoch in range(1, length + 1):
        drops = (epoch > first) + (epoch > second)
        level = (2.1, 1.08, 1.0)[drops]
        start = (0, first, second)[drops]
        falling = math.exp(-(epoch - start) / (0.03 * length + 1))
        test = truth.test_error * level + (chance - truth.test_error * 2.1) * falling * (0.8, 0.03, 0.005)[drops]
        train = (
            truth.train_error * (level * 6, 3.0, 1.0)[drops]
            + (chance - truth.train_error)
            * falling
            * (
                0.85,
                0.02,
                0.002,
            )[drops]
        )
        wobble = generator.gauss(0, truth.noise * (6, 0.8, 0.3)[drops]) if epoch < length else 0.0
        test = min(chance, max(0.0, test + wobble + stray))
        train = min(chance, max(0.0, train + wobble * 0.2 + stray * 0.2))
        if epoch == length:
            test, train = truth.test_error + stray, truth.train_error + stray * 0.2
        lines.append(
            {
                "epoch": epoch,
                "iteration": epoch * a_pass,
                "rate": recipe.learning_rate
                * recipe.drop_factor ** (drops + (0 < recipe.third_drop / in_epochs < epoch)),
                "train_loss": train / 30,
                "train_error": train,
                "test_loss": test / 25,
                "test_error": test,
                "seconds": seconds,
                "images_per_second": used / seconds,
                "peak_memory_bytes": 300_000_000,
            }
        )
    return lines


def _sizes(dataset: str) -> tuple[int, int, int]:
    """Return training images, test images and classes."""
    return {
        "digits": (1437, 360, 10),
        "cifar10": (50_000, 10_000, 10),
        "cifar100": (50_000, 10_000, 100),
        "cifar100-coarse": (50_000, 10_000, 20),
        "imagefolder": (600, 200, 3),
    }[dataset]


def _write(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content))


_ATTEMPT = {
    "started": "2026-03-04T05:06:07Z",
    "from_iteration": 0,
    "reslab": "0.1.0",
    "commit": "0123456789abcdef0123456789abcdef01234567",
    "dirty": False,
    "source_digest": "fedcba9876543210",
    "python": "3.11.9",
    "torch": "2.13.0",
    "numpy": "2.3.1",
    "platform": "Linux-6.1-x86_64",
    "device": "cpu",
    "device_name": "Some Processor 9000",
    "threads": 2,
}


def small(depth: int = 8, **changes: Any) -> Recipe:
    """Return a recipe of twelve epochs on digits."""
    values = {"dataset": "digits", "mirror": "none", "batch_size": 32, "length": 12, "first_drop": 6, "second_drop": 9}
    return Recipe.from_mapping({**values, "depth": depth, **changes})


def three_depths(root: Path) -> list[Group]:
    """Return depth 8 with two finished seeds, depth 14 with one that was interrupted, depth 20 never started."""
    for seed in (0, 1):
        write_run(root, Run(small(8), seed), Truth(3.0, 1.0, 0.2))
    write_run(root, Run(small(14), 0), Truth(2.0, 0.5), stop_after=7)
    tables = read_tables(root)
    return [gather(tables, f"ResNet-{depth}", small(depth), (0, 1)) for depth in (8, 14, 20)]


def eleven_variants(root: Path) -> list[Group]:
    """Return eleven variants on each of two data sets, in the order of their errors but for the first."""
    errors = [4.0, *(1.0 + 0.5 * index for index in range(10))]
    recipes = [
        (dataset, f"variant {index}", small(8, dataset=dataset, learning_rate=0.1 + 0.01 * index), error)
        for dataset in ("digits", "cifar10")
        for index, error in enumerate(errors)
    ]
    for _, _, recipe, error in recipes:
        write_run(root, Run(recipe, 0), Truth(error, 1.0))
    tables = read_tables(root)
    return [gather(tables, f"{name}, {dataset}", recipe, (0,)) for dataset, name, recipe, _ in recipes]


def variant_of(group: Group) -> str:
    """Return which of `eleven_variants` a group is, without its data set."""
    return group.label.partition(",")[0]


def weights_of(folder: Path) -> str:
    """Return the digest of the weights that a finished synthetic run would have."""
    return hashlib.sha256("/".join(folder.parts[-2:]).encode()).hexdigest()


def write_diagnostics(
    folder: Path, epochs: dict[int, dict[str, dict[str, Any]]] | None = None, **diagnostics: dict[str, Any]
) -> None:
    """Write what would have been measured on a finished synthetic run, by diagnostic (_ for -).

    `diagnostics` are of its trained weights, `epochs` of those kept before.
    """

    def entries(found: dict[str, dict[str, Any]]) -> dict[str, Any]:
        named = {name.replace("_", "-"): {"budget": "quick", **entry} for name, entry in found.items()}
        return {"weights_sha256": weights_of(folder), "diagnostics": named}

    about = {"format": 1, "run": "/".join(folder.parts[-2:]), **entries(diagnostics)}
    during = {str(epoch): entries(found) for epoch, found in (epochs or {}).items()}
    _write(folder / "diagnostics.json", {**about, "epochs": during} if epochs else about)


def layers(quantity: str, values: list[float]) -> dict[str, Any]:
    """Return the entry of one moment of a diagnostic by layer."""
    return {
        "layers": [
            {"layer": place, "name": f"layer{place}", quantity: value} for place, value in enumerate(values, start=1)
        ]
    }


def write_predictions(folder: Path, wrong: Iterable[int], sure: float = 0.8) -> None:
    """Write predictions of a finished run on digits: these images are taken for the next class, all others are right.

    The image at a place is of the class of its place's last digit.
    """
    labels = np.arange(_sizes("digits")[1]) % 10
    predicted = labels.copy()
    places = np.array(list(wrong), dtype=np.int64)
    predicted[places] = (labels[places] + 1) % 10
    found = Predictions(labels, predicted, np.full(len(labels), sure), tuple("0123456789"))
    (folder / "predictions.safetensors").write_bytes(predictions_bytes(found))
