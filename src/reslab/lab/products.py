"""What training writes to the run's folder: checkpoints, weights, records, and the result that ends the run."""

import contextlib
from typing import Any

from torch import nn

from reslab.data.serving import AnyDataset
from reslab.errors import ResLabError
from reslab.files import file_sha256, sync_folder, writing
from reslab.lab.folder import ending, metrics
from reslab.lab.folder.predictions import Predictions, predictions_bytes
from reslab.lab.folder.provenance import describe_data
from reslab.lab.folder.store import FORMAT, RunFiles
from reslab.models.complexity import multiply_adds, own_multiply_adds, parameters
from reslab.models.weights import save_weights
from reslab.recipe import Run
from reslab.training import loop
from reslab.training.checkpoint import save_checkpoint


def save(files: RunFiles, state: loop.State) -> None:
    """Write a checkpoint of the training's current state."""
    files.check_held()
    with writing(files.checkpoints):
        save_checkpoint(files.checkpoints, state)


def keep_weights(files: RunFiles, module: nn.Module, epoch: int) -> None:
    """Keep the weights as they are after an epoch."""
    path = files.epoch_weights(epoch)
    files.check_held()
    with writing(path.parent):
        path.parent.mkdir(exist_ok=True)
        sync_folder(files.path)
        save_weights(module, path)


def write_provenance(files: RunFiles, run: Run, dataset: AnyDataset, this_attempt: dict[str, Any]) -> None:
    """Record which images the run trains on, and add this attempt to earlier ones."""
    before = files.provenance()
    attempts = [] if before is None else before["attempts"]
    files.write(
        "provenance.json",
        {
            "format": FORMAT,
            "data": describe_data(run.recipe, dataset),
            "attempts": [*attempts, this_attempt],
        },
    )


def keep_records(files: RunFiles, run: Run) -> None:
    """Rewrite run.json if it was removed; raise `ResLabError` if it changed, or provenance.json is gone."""
    files.check_held()
    files.create(run)
    if files.read_run() != run or not (files.path / "provenance.json").exists():
        raise ResLabError(f"files of {files.path} were removed or changed during training; train it again")


def check_same_size(files: RunFiles, module: nn.Module, run: Run) -> None:
    """Raise `ResLabError` if another seed of the recipe gave the user's own network a different size.

    The code is the same, so it must read something else that has changed, such as a file.
    """
    assert run.recipe.own_network is not None
    own = parameters(module)
    for folder in files.path.parent.glob("seed*"):
        other = None
        with contextlib.suppress(ResLabError):  # its reader reports it
            other = (RunFiles(folder).result() or {}).get("parameters")
        if other not in (None, own):
            raise ResLabError(
                f"{run.recipe.own_network.words} has {own:,} parameters now, and {other:,} in {folder.name} of the "
                "same recipe: it reads something that has changed, such as a file.  Move that into the source, so that "
                "it is part of the recipe"
            )


def finish(
    files: RunFiles, module: nn.Module, predictions: Predictions, image_shape: tuple[int, int, int], run: Run
) -> None:
    """Write weights, predictions and the result, which ends the run; `image_shape` is channels x height x width."""
    keep_records(files, run)
    rows = files.metrics()
    last = rows[-1]
    with writing(files.path):
        save_weights(module, files.weights)
    files.write_bytes(files.predictions.name, predictions_bytes(predictions))
    measured: dict[str, Any] = {
        name: last[name]
        for name in ("train_loss", "train_error", "test_loss", "test_error", "holdout_loss", "holdout_error")
        if name in last
    }
    ending.end(
        files,
        "result.json",
        {
            "format": FORMAT,
            "run": run.id,
            "status": "finished",
            "epochs": last["epoch"],
            "iterations": last["iteration"],
            **measured,
            "seconds": sum(row["seconds"] for row in rows),
            "images_per_second": metrics.speed(rows),
            "parameters": parameters(module),
            "multiply_adds": (own_multiply_adds if run.recipe.network else multiply_adds)(module, image_shape),
            "weights_sha256": file_sha256(files.weights),
        },
    )
