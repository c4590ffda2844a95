"""The network of a finished run with its trained weights, and the images that it is measured on."""

from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor, nn

from reslab.data.serving import AnyDataset, batches_to_measure
from reslab.data.sources import load_for
from reslab.errors import CheckpointError
from reslab.lab.assembly import shape_of, training_network
from reslab.lab.diagnose import weights_digest
from reslab.lab.folder.own_networks import source_to_run
from reslab.lab.folder.provenance import check_trained_on
from reslab.lab.folder.store import RunFiles
from reslab.models.weights import Weights, WeightsFile, load_into, read_own_weights, read_weights_file
from reslab.recipe import Recipe, Run
from reslab.training.hardware import pick_device


def trained_weights(files: RunFiles, run: Run, trust_code: bool) -> tuple[WeightsFile, Path | None]:
    """Return a run's trained weights, and the folder with its network's code if that is the user's own.

    Raises `CheckpointError` if there are none or they have changed, and `DamagedError` if a file does not match the
    manifest.
    """
    if not files.weights.exists():
        raise CheckpointError(f"{files.path} has no trained weights: {files.why_no_weights()}")
    weights_digest(files)
    files.check_files()
    source = source_to_run(files, run, trust_code)
    return (read_weights_file if source is None else read_own_weights)(files.weights), source


def loaded_network(
    recipe: Recipe, weights: Weights, dataset: AnyDataset, device: torch.device, source: Path | None, seed: int = 0
) -> nn.Module:
    """Return the network of a recipe with these weights, on the device; `seed` initialises what they do not cover."""
    shape = shape_of(dataset, recipe)
    network = training_network(recipe, len(dataset.class_names), seed, device, source=source, image_shape=shape)
    load_into(network, weights)
    return network


def trained_network(files: RunFiles, *, data_root: Path | None, device: str, trust_code: bool) -> nn.Module:
    """Return a run's trained network, in evaluation mode and on the device."""
    run = files.read_run()
    weights, source = trained_weights(files, run, trust_code)
    dataset = load_for(run.recipe, data_root)
    return loaded_network(run.recipe, weights.weights, dataset, pick_device(device), source, run.seed).eval()


def test_batches(files: RunFiles, *, data_root: Path | None, device: str) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield batches of a run's test images as the network takes them, N x C x H x W, and their labels, N."""
    recipe = files.read_run().recipe
    dataset = load_for(recipe, data_root)
    check_trained_on(files, dataset)
    yield from batches_to_measure(recipe, dataset, pick_device(device))
