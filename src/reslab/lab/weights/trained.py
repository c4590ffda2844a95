"""The network of a finished run with its trained weights, and the images that it is measured on."""

from collections.abc import Iterator
from pathlib import Path

from torch import Tensor, nn

from reslab.data.serving import batches_to_measure
from reslab.data.sources import load_for
from reslab.errors import CheckpointError
from reslab.lab.assembly import shape_of, training_network
from reslab.lab.diagnose import weights_digest
from reslab.lab.folder.own_networks import source_to_run
from reslab.lab.folder.provenance import check_trained_on
from reslab.lab.folder.store import RunFiles
from reslab.models.weights import WeightsFile, load_into, read_own_weights, read_weights_file
from reslab.recipe import Run
from reslab.training.hardware import pick_device


def trained_weights(files: RunFiles, run: Run, trust_code: bool) -> tuple[WeightsFile, Path | None]:
    """Return a run's trained weights, and the folder with the code of a network of the user's own.

    Raises `CheckpointError` where it has none, and `DamagedError` where a file is not what the run ended with.
    """
    if not files.weights.exists():
        raise CheckpointError(f"{files.path} has no trained weights: {files.why_no_weights()}")
    weights_digest(files)
    files.check_files()
    source = source_to_run(files, run, trust_code)
    return (read_weights_file if source is None else read_own_weights)(files.weights), source


def trained_network(files: RunFiles, *, data_root: Path | None, device: str, trust_code: bool) -> nn.Module:
    """Return a run's trained network, in evaluation mode and on the device."""
    run = files.read_run()
    weights, source = trained_weights(files, run, trust_code)
    dataset = load_for(run.recipe, data_root)
    network = training_network(
        run.recipe,
        len(dataset.class_names),
        run.seed,
        pick_device(device),
        source=source,
        image_shape=shape_of(dataset, run.recipe),
    )
    load_into(network, weights.weights)
    return network.eval()


def test_batches(files: RunFiles, *, data_root: Path | None, device: str) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the test images of a run's data set as the network takes them, N x C x H x W, and their labels, N."""
    recipe = files.read_run().recipe
    dataset = load_for(recipe, data_root)
    check_trained_on(files, dataset)
    yield from batches_to_measure(recipe, dataset, pick_device(device))
