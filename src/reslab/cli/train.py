"""The verb `train`: start or resume one run."""

from pathlib import Path
from typing import Any

from reslab.amounts import counted
from reslab.arguments import check_least
from reslab.cli import INTERRUPTED, OK, SOME_FAILED
from reslab.cli.console import aside, print_json, remark_cache
from reslab.cli.flags import (
    Activations,
    AsJson,
    DataRoot,
    Device,
    Ids,
    KeepEpochs,
    RecipeFields,
    Runs,
    given_fields,
)
from reslab.lab.folder import metrics
from reslab.lab.folder.store import RunFiles
from reslab.lab.settings import Settings
from reslab.naming import run_name
from reslab.recipe import Run
from reslab.session.training import Trained, recipe_of, train_run
from reslab.training.schedule import parse_epochs


def train(
    *,
    preset: str = "assignment",
    epochs: float | None = None,
    seed: int = 0,
    runs: Runs = Path("runs"),
    data_root: DataRoot = None,
    device: Device = "auto",
    threads: int | None = None,
    checkpoint_seconds: float = 60.0,
    checkpoint_activations: Activations = False,
    keep_epochs: KeepEpochs = None,
    time_limit: float | None = None,
    ids: Ids = False,
    json: AsJson = False,
    recipe: RecipeFields = None,
) -> int:
    """Train one run: start it, resume it after an interruption, or leave it alone if it has ended.

    The recipe is the preset's, with the fields you give changed.  For example:

      reslab train --dataset digits --depth 8 --epochs 5

      reslab train --preset paper --depth 110 --seed 2 --data-root ~/cifar

    Parameters
    ----------
    preset
        Recipe to start from: assignment, paper, fast or another that `reslab presets` lists.
    epochs
        Train for this many epochs; the preset's schedule is stretched to fit.
    seed
        Seed for the initial weights, the order of the images and the augmentation.
    threads
        CPU threads; default: as many as other work on the machine leaves cores for.
    checkpoint_seconds
        Seconds between checkpoints within an epoch.
    time_limit
        Write a checkpoint and stop after this many minutes.
    """
    check_least("--threads", threads, 1)
    check_least("--checkpoint-seconds", checkpoint_seconds, 0)
    check_least("--time-limit", time_limit, 0)
    remark_cache()
    settings = Settings(
        data_root,
        device,
        threads,
        checkpoint_seconds,
        checkpoint_activations,
        None if keep_epochs is None else parse_epochs(keep_epochs),
    )
    asked = Run(recipe_of(preset, given_fields(recipe), epochs=epochs, device=device), seed)
    trained = train_run(asked, runs, settings, time_limit=time_limit, tell=aside, ids=ids)
    facts = _facts(trained)
    if json:
        print_json(facts)
    else:
        _print(trained.run.id if ids else facts["name"], facts, trained.files)
    return {"finished": OK, "interrupted": INTERRUPTED}.get(trained.status, SOME_FAILED)


def _facts(trained: Trained) -> dict[str, Any]:
    run, files = trained.run, trained.files
    rows = files.metrics()
    last = rows[-1] if rows else {}
    return {
        "run": run.id,
        "name": run_name(run),
        "dir": str(files.path),
        "status": trained.status,
        "images": run.recipe.images or None,
        "epochs": len(rows),
        "train_error": last.get("train_error"),
        "test_error": last.get("test_error"),
        "images_per_second": metrics.speed(rows),
    }


def _print(name: str, facts: dict[str, Any], files: RunFiles) -> None:
    if facts["status"] == "diverged":
        print(f"{name} diverged: {files.failure_message()}")
    elif facts["test_error"] is None:
        print(f"{name} is {facts['status']}, before its first epoch ended")
    else:
        epochs = counted(facts["epochs"], "epoch")
        speed = facts["images_per_second"]
        fast = "" if speed is None else f", {speed:,.0f} images/s"
        print(
            f"{name} is {facts['status']} after {epochs}: test error {facts['test_error']:.2f}%{fast}.  {facts['dir']}"
        )
