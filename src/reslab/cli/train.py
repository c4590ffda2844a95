"""The verb `train`: one run, made or continued."""

import math
import shutil
import statistics
from pathlib import Path
from typing import Any

from reslab.cli import INTERRUPTED, OK, SOME_FAILED
from reslab.cli.console import Board, aside, print_json, remark_cache
from reslab.cli.flags import (
    Activations,
    AsJson,
    DataRoot,
    Device,
    KeepEpochs,
    RecipeFields,
    Runs,
    check_least,
    recipe_from_flags,
)
from reslab.cli.own_images import fingerprints, look_at, tell_former
from reslab.data.sources import check_present
from reslab.errors import LockedError, ReplacedError, ResLabError
from reslab.lab.stopping import StopRequest
from reslab.lab.store import RunFiles, run_files
from reslab.presets import muon_left
from reslab.recipe import Recipe, Run, vary
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
        Recipe to start from: paper, assignment, fb-resnet-torch, akamaster, hysts, tf-models, imagenet, or fast (ours).
    epochs
        Train for this many epochs; the preset's schedule is stretched to fit.
    seed
        Seed for the initial weights, the order of the images and the augmentation.
    threads
        CPU threads; default: as many as other work on the machine leaves cores for.
    checkpoint_seconds
        Seconds between checkpoints within an epoch.
    """
    from reslab.lab.one_run import Settings, execute

    check_least("--threads", threads, 1)
    check_least("--checkpoint-seconds", checkpoint_seconds, 0)
    run = Run(recipe_from_flags(preset, recipe, epochs, device), seed)
    kept = None if keep_epochs is None else _kept(run.recipe, keep_epochs)
    check_present(run.recipe.dataset, data_root)
    remark_cache()
    own = look_at([run.recipe.dataset], data_root)
    run = Run(vary(run.recipe, images=fingerprints(own).get(run.recipe.dataset, "")), seed)
    for one in own:
        aside(one.words)
    tell_former(runs, [run])
    if words := muon_left(run.recipe):
        aside(f"remark: {words}")
    files = run_files(runs, run)
    is_new = not files.path.exists()
    files.create(run)
    settings = Settings(data_root, device, threads, checkpoint_seconds, checkpoint_activations, kept)
    stop = StopRequest()
    try:
        with Board({run.id: (1.0, 1.0)}, on_closed=stop.ask) as board:
            status = execute(files, settings, on_event=board, stop=stop)
    except (LockedError, ReplacedError):
        raise  # the folder is another process's
    except ResLabError:
        if is_new and not (files.path / "provenance.json").exists():
            shutil.rmtree(files.path, ignore_errors=True)  # a slip in the command: nothing has been trained
        raise
    facts = _facts(run, files, status)
    if json:
        print_json(facts)
    else:
        _print(facts, files)
    return {"finished": OK, "interrupted": INTERRUPTED}.get(status, SOME_FAILED)


def _kept(recipe: Recipe, keep_epochs: str) -> tuple[int, ...]:
    """Return the epochs in the text; one that the training does not reach is a slip, where a study's runs differ."""
    kept = parse_epochs(keep_epochs)
    if kept and recipe.schedule_unit == "epochs" and kept[-1] > math.ceil(recipe.length):
        raise ResLabError(f"--keep-epochs: there is no epoch {kept[-1]} in a training of length {recipe.length:g}")
    return kept


def _facts(run: Run, files: RunFiles, status: str) -> dict[str, Any]:
    rows = files.metrics()
    last = rows[-1] if rows else {}
    return {
        "run": run.id,
        "dir": str(files.path),
        "status": status,
        "images": run.recipe.images or None,
        "epochs": len(rows),
        "train_error": last.get("train_error"),
        "test_error": last.get("test_error"),
        "images_per_second": statistics.median(row["images_per_second"] for row in rows) if rows else None,
    }


def _print(facts: dict[str, Any], files: RunFiles) -> None:
    if facts["status"] == "diverged":
        failure = files.failure() or {}
        print(f"{facts['run']} diverged: {failure.get('message')}")
    elif facts["test_error"] is None:
        print(f"{facts['run']} is {facts['status']}, before its first epoch ended")
    else:
        epochs = f"{facts['epochs']} epoch{'' if facts['epochs'] == 1 else 's'}"
        print(
            f"{facts['run']} is {facts['status']} after {epochs}: test error "
            f"{facts['test_error']:.2f}%, {facts['images_per_second']:,.0f} images/s.  {facts['dir']}"
        )
