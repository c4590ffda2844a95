"""Error, loss and confusion matrix of a trained run, or of external weights in every network that they may fit."""

import contextlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from reslab.data.own_images import from_function
from reslab.data.serving import AnyDataset, batches_to_measure
from reslab.data.sources import load_for
from reslab.datasets import ARRAYS
from reslab.errors import CheckpointError, DataError, ResLabError
from reslab.files import finite
from reslab.lab.assembly import predicted
from reslab.lab.folder.own_networks import source_to_run
from reslab.lab.folder.predictions import predictions_bytes
from reslab.lab.folder.provenance import check_classes, check_trained_on
from reslab.lab.folder.store import RunFiles
from reslab.lab.weights.candidates import Candidate, candidates
from reslab.lab.weights.contest import Measured, measure_candidates
from reslab.lab.weights.doubts import suspicious, undecided
from reslab.lab.weights.given import Given
from reslab.lab.weights.trained import loaded_network, trained_weights
from reslab.models.fitting import infer_classes
from reslab.models.weights import WeightsFile, read_named_weights, read_weights_file
from reslab.own_code import parse
from reslab.recipe import Recipe, Run, vary
from reslab.training.evaluation import Evaluation
from reslab.training.hardware import evaluating_precision, pick_device


@dataclass(frozen=True, slots=True)
class Evaluated:
    """The results, the best first, and what is known about the weights."""

    measured: tuple[Measured, ...]
    decided: dict[str, str]
    """What decided each of dataset, network, family, shortcut, normalisation and precision."""
    remarks: tuple[str, ...]
    weights: Path
    sha256: str
    entry: str
    prefix: str
    class_names: tuple[str, ...]

    @property
    def recipe(self) -> Recipe:
        """Recipe of the best candidate."""
        return self.measured[0].candidate.recipe

    @property
    def evaluation(self) -> Evaluation:
        """Results of the best candidate on all test images."""
        return self.measured[0].evaluation

    def to_mapping(self) -> dict[str, Any]:
        """Return everything as values for JSON: errors in percent, losses in nats (None if not finite)."""
        recipe, evaluation = self.recipe, self.evaluation
        return {
            "dataset": recipe.dataset,
            "test_error": evaluation.error,
            "test_loss": finite(evaluation.loss),
            "num_images": evaluation.num_images,
            **_network(recipe),
            "num_classes": len(self.class_names),
            "precision": recipe.precision,
            "decided_by": self.decided,
            "weights": str(self.weights),
            "weights_sha256": self.sha256,
            "entry": self.entry,
            "prefix": self.prefix,
            "remarks": list(self.remarks),
            "candidates": [
                {
                    **_network(one.candidate.recipe),
                    "test_error": one.evaluation.error,
                    "test_loss": finite(one.evaluation.loss),
                    "num_images": one.evaluation.num_images,
                    "flags": one.candidate.flags,
                }
                for one in self.measured
            ],
            "per_class": [
                {"class": name, "num_images": sum(row), "error": error}
                for name, row, error in zip(
                    self.class_names, evaluation.confusion, evaluation.error_by_class, strict=True
                )
            ],
            "confusion": [list(row) for row in evaluation.confusion],
        }


def evaluate_run(
    files: RunFiles,
    *,
    others: Path | None = None,
    entry: str | None = None,
    precision: str | None = None,
    data_root: Path | None = None,
    device: str = "auto",
    trust_code: bool = False,
) -> Evaluated:
    """Measure a run's trained weights on the test images of its own data set.

    With `others`, weights from that file (`entry` as in `read_weights_file`) replace its own, in its network.  A run
    without predictions, from an older version, gets them.  `trust_code` allows a network's code to run even if it is
    not from one of this user's files (`reslab.lab.folder.own_networks`).  Raises `CheckpointError` if the run has no
    weights or they have changed since its end, `DataError` if its images are missing or different.
    """
    run = files.read_run()
    recipe = run.recipe
    weights, source = (
        trained_weights(files, run, trust_code) if others is None else _others(files, run, others, entry, trust_code)
    )
    dataset = load_for(recipe, data_root)
    check_trained_on(files, dataset)
    asked = recipe if precision is None else vary(recipe, precision=precision)
    decided = dict.fromkeys(("dataset", "network", "family", "shortcut", "normalisation", "precision"), "run.json")
    if precision is not None:
        decided["precision"] = "--precision"
    place = pick_device(device)
    measured = measure_candidates([Candidate(asked)], weights.weights, dataset, place, source=source)
    if others is None and asked == recipe and not files.predictions.exists():
        _keep_predictions(files, recipe, weights, dataset, place, source)
    remarks = _of_precision(asked.precision, place)
    return _evaluated(measured, decided, remarks, weights, others or files.weights, dataset)


def _others(
    files: RunFiles, run: Run, path: Path, entry: str | None, trust_code: bool
) -> tuple[WeightsFile, Path | None]:
    """Return external weights for a run's network, and the folder with its code if it is the user's own."""
    source = source_to_run(files, run, trust_code)
    if source is None:
        return read_weights_file(path, entry), None
    if entry is not None:
        raise ResLabError(
            "--entry is for ResLab's own networks; for your own network, save one state_dict in a separate file"
        )
    return read_named_weights(path), source


def evaluate_weights(
    path: Path,
    given: Given,
    *,
    data_root: Path | None = None,
    device: str = "auto",
    on_progress: Callable[[str], object] = lambda _: None,
) -> Evaluated:
    """Measure external weights on the test images, with every network and normalisation that they may be of.

    What neither flags, a named preset nor a run.json next to the weights give is inferred from the file, and what the
    file leaves open (`reslab.lab.weights.candidates`) is tried each way: all candidates on the first images, then the
    likely best on all (`reslab.lab.weights.contest`).  The best comes first.  `on_progress` is called with lines of
    text for people.  Raises `ResLabError` and its subclasses as `reslab.models.weights.read_weights_file` and
    `candidates` do.
    """
    place = pick_device(device)
    weights = read_weights_file(path, given.entry)
    found = candidates(weights, path, given)
    recipe = found.every[0].recipe
    try:
        images = _images(given.dataset, recipe, data_root, on_progress)
    except DataError as error:
        if not found.decided["dataset"].startswith("default"):
            raise
        raise DataError(
            f"{error}.  {recipe.dataset} is the {found.decided['dataset']}; --dataset chooses another"
        ) from error
    classes = infer_classes(weights.weights)
    if classes != len(images.class_names):
        raise CheckpointError(
            f"{path}: the weights are for {classes} class{'es' * (classes != 1)}, and the images have "
            f"{len(images.class_names)}; give the images that they were trained on"
        )
    remarks = [*weights.remarks, *found.remarks]
    if found.run is not None and recipe.dataset == found.run.read_run().recipe.dataset:
        check_classes(found.run, images)  # other images still give an error rate, other classes do not
        try:
            check_trained_on(found.run, images)
        except DataError as error:
            remarks.append(str(error))
    remarks += _of_precision(recipe.precision, place)
    measured = measure_candidates(found.every, weights.weights, images, place, on_progress)
    return _evaluated(measured, _settled(found.decided, measured), remarks, weights, path, images)


def _images(
    named: str | None, recipe: Recipe, data_root: Path | None, on_progress: Callable[[str], object]
) -> AnyDataset:
    """Return the images to measure on; a function is called only if the user `named` it, not if a run.json does."""
    if named is not None and parse(named) is not None:
        return from_function(named, data_root, on_progress).dataset
    if recipe.dataset == ARRAYS and not recipe.images:
        raise DataError("for images given as arrays, only a run says which ones: evaluate the run")
    return load_for(recipe, data_root)


def _of_precision(precision: str, device: torch.device) -> list[str]:
    """Return a remark if the precision used is not the one requested."""
    used = evaluating_precision(device, precision)
    return [] if used == precision else [f"computed in {used}: this processor only emulates {precision}"]


def _keep_predictions(
    files: RunFiles,
    recipe: Recipe,
    weights: WeightsFile,
    dataset: AnyDataset,
    device: torch.device,
    source: Path | None,
) -> None:
    """Write a run's predictions; ignore it if they cannot be written."""
    network = loaded_network(recipe, weights.weights, dataset, device, source)
    batches = batches_to_measure(recipe, dataset, device)
    found = predicted(network, batches, dataset.class_names, recipe.precision)
    with contextlib.suppress(ResLabError):
        files.write_bytes(files.predictions.name, predictions_bytes(found))


def _settled(decided: dict[str, str], measured: Sequence[Measured]) -> dict[str, str]:
    """Return what decided each field: the measurement where nothing else did and the best loss is finite."""
    is_told = math.isfinite(measured[0].evaluation.loss)
    recipes = [one.candidate.recipe for one in measured]
    found = dict(decided)
    for name in ("family", "shortcut", "normalisation"):
        values = {getattr(recipe, name) for recipe in recipes}
        if not found[name] or len(values) > 1:
            found[name] = f"best of {len(values)} measured" if is_told else "not chosen: no loss is finite"
    return found


def _evaluated(
    measured: list[Measured],
    decided: dict[str, str],
    remarks: list[str],
    weights: WeightsFile,
    path: Path,
    dataset: AnyDataset,
) -> Evaluated:
    doubtful = [*suspicious(measured[0])]
    remarks = [*remarks, *(doubtful or undecided(measured))]
    return Evaluated(
        tuple(measured),
        decided,
        tuple(dict.fromkeys(remarks)),
        path,
        weights.sha256,
        weights.entry,
        weights.prefix,
        tuple(dataset.class_names),
    )


def _network(recipe: Recipe) -> dict[str, Any]:
    return {
        "network": recipe.network_name,
        "family": recipe.family,
        "depth": recipe.depth,
        "shortcut": recipe.shortcut,
        "normalisation": recipe.normalisation,
    }
