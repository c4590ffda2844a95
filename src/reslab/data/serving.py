"""Serve a data set as a run's batches: the one place that knows the kinds of images."""

from dataclasses import dataclass

import torch

from reslab.data.augmented import AUGMENTING, AugmentedBatches
from reslab.data.batches import EvaluationBatches, TrainBatches
from reslab.data.file_batches import FileEvaluationBatches, FileTrainBatches
from reslab.data.folders import FileSet, Folders
from reslab.data.images import Dataset, ImageSet
from reslab.data.normalisation import Normaliser, fit, unmeasured
from reslab.data.split import Split, split
from reslab.errors import ResLabError
from reslab.recipe import Recipe, Run

AnyImages = ImageSet | FileSet
AnyDataset = Dataset | Folders
AnyTrainBatches = TrainBatches | FileTrainBatches | AugmentedBatches
AnyEvaluationBatches = EvaluationBatches | FileEvaluationBatches

_CPU_BATCH, _CUDA_BATCH = 500, 2_500
"""Images evaluated at a time: a CPU waits for memory, a GPU for kernel launches."""


@dataclass(frozen=True, slots=True)
class Served:
    """What a run is trained on, and what it is evaluated on by name (test, and holdout if there is one)."""

    train: AnyTrainBatches
    evaluations: dict[str, AnyEvaluationBatches]


def serve(run: Run, dataset: AnyDataset, device: torch.device) -> Served:
    """Return a run's batches, in float32 and channels last, on the device."""
    recipe = run.recipe
    parts: Split[AnyImages] = split(dataset, train_share=recipe.train_share, holdout=recipe.holdout)
    normaliser = _normaliser(recipe, parts.train)
    measured = {"test": parts.test} | ({"holdout": parts.holdout} if parts.holdout is not None else {})
    return Served(
        train_batches(run, parts.train, normaliser, device, len(dataset.class_names)),
        {name: _evaluation_batches(recipe, images, normaliser, device, None) for name, images in measured.items()},
    )


def batches_to_measure(recipe: Recipe, dataset: AnyDataset, device: torch.device) -> AnyEvaluationBatches:
    """Return the test images as a run of the recipe would be evaluated on them, without its training batches."""
    parts: Split[AnyImages] = split(dataset, train_share=recipe.train_share, holdout=recipe.holdout)
    return _evaluation_batches(recipe, parts.test, _normaliser(recipe, parts.train), device, None)


def unaugmented(run: Run, dataset: AnyDataset, device: torch.device, batch_size: int) -> AnyEvaluationBatches:
    """Return a run's training images served as for evaluation, without augmentation."""
    parts: Split[AnyImages] = split(dataset, train_share=run.recipe.train_share, holdout=run.recipe.holdout)
    return _evaluation_batches(run.recipe, parts.train, _normaliser(run.recipe, parts.train), device, batch_size)


def _normaliser(recipe: Recipe, train: AnyImages) -> Normaliser:
    return unmeasured(recipe.normalisation) if isinstance(train, FileSet) else fit(recipe.normalisation, train)


def train_batches(
    run: Run, images: AnyImages, normaliser: Normaliser, device: torch.device, num_classes: int
) -> AnyTrainBatches:
    """Return the augmented batches that a run trains on."""
    recipe = run.recipe
    batches = _cropped_batches(run, images, normaliser, device)
    if not any(getattr(recipe, field) for field in AUGMENTING):
        return batches
    size = (recipe.image_size,) * 2 if isinstance(images, FileSet) else images.image_shape[1:]
    if recipe.cutout > 2 * max(size):
        raise ResLabError(
            f"cutout must be 0 to {2 * max(size)} pixels for images of {size[0]} x {size[1]}, not {recipe.cutout}"
        )
    return AugmentedBatches(
        batches,
        seed=run.seed,
        batch_size=recipe.batch_size,
        size=size,
        num_classes=num_classes,
        randaugment=recipe.randaugment,
        magnitude=recipe.randaugment_magnitude,
        cutout=recipe.cutout,
        mixup=recipe.mixup,
        device=device,
    )


def _cropped_batches(
    run: Run, images: AnyImages, normaliser: Normaliser, device: torch.device
) -> TrainBatches | FileTrainBatches:
    recipe = run.recipe
    if isinstance(images, FileSet):
        return FileTrainBatches(
            images,
            normaliser,
            image_size=recipe.image_size,
            batch_size=recipe.batch_size,
            mirror=recipe.mirror,
            seed=run.seed,
            device=device,
        )
    return TrainBatches(
        images,
        normaliser,
        batch_size=recipe.batch_size,
        crop_padding=recipe.crop_padding,
        padding=recipe.padding,
        mirror=recipe.mirror,
        seed=run.seed,
        device=device,
    )


def _evaluation_batches(
    recipe: Recipe,
    images: AnyImages,
    normaliser: Normaliser,
    device: torch.device,
    batch_size: int | None,
) -> AnyEvaluationBatches:
    if isinstance(images, FileSet):
        return FileEvaluationBatches(
            images,
            normaliser,
            image_size=recipe.image_size,
            batch_size=batch_size or 100,
            device=device,
        )
    usual = _CUDA_BATCH if device.type == "cuda" else _CPU_BATCH
    return EvaluationBatches(images, normaliser, batch_size=batch_size or usual, device=device)
