"""Assembly of a run: its network, its training batches and its evaluation batches."""

import copy
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor, nn

from reslab.amounts import counted
from reslab.data.images import Dataset
from reslab.data.serving import AnyDataset, AnyEvaluationBatches, AnyTrainBatches, serve
from reslab.errors import ResLabError
from reslab.kernels.build import kernels, triton_version
from reslab.kernels.gpu_device import available, give_up
from reslab.kernels.gpu_device import words as gpu_words
from reslab.kernels.layers import use_kernels
from reslab.lab.folder.predictions import Predictions
from reslab.models.fused import FusedResNet, fused, why_plain
from reslab.models.layered import count_layers, try_kernels
from reslab.models.networks import build
from reslab.models.own_network import are_alike, build_own, seeded
from reslab.models.preact import PreActResNet
from reslab.recipe import Recipe, Run
from reslab.training.evaluation import outputs, predict
from reslab.training.hardware import arithmetic

Batch = tuple[Tensor, Tensor]
Tell = Callable[[str], object]

OUTPUTS_TOLERANCE = 0.05
"""Largest relative difference between the outputs of a trained network and of a new one with its weights: their kernels
may differ, and round to bfloat16."""


def assemble(
    run: Run,
    dataset: AnyDataset,
    device: torch.device,
    checkpoint_activations: bool = False,
    source: Path | None = None,
    tell: Tell = lambda _: None,
) -> tuple[nn.Module, AnyTrainBatches, dict[str, AnyEvaluationBatches]]:
    """Return a run's untrained network, its training batches and its evaluation batches by name.

    `source` is the folder with the code of the user's own network (`lab.folder.own_networks.source_to_run`); `tell`
    receives remarks on that network.
    """
    served = serve(run, dataset, device)
    module = training_network(
        run.recipe,
        len(dataset.class_names),
        run.seed,
        device,
        checkpoint_activations,
        source,
        shape_of(dataset, run.recipe),
        tell,
    )
    return module, served.train, served.evaluations


def shape_of(dataset: AnyDataset, recipe: Recipe) -> tuple[int, int, int]:
    """Return channels, height and width of the images that a recipe's network takes."""
    if isinstance(dataset, Dataset):
        return dataset.train.image_shape
    return 3, recipe.image_size, recipe.image_size


def predicted(
    module: nn.Module, batches: AnyEvaluationBatches | Iterable[Batch], class_names: Sequence[str], precision: str
) -> Predictions:
    """Return a network's prediction for each image of some batches."""
    labels, classes, confidence = predict(module, batches, precision=precision)
    return Predictions(labels.numpy(), classes.numpy(), confidence.double().numpy(), tuple(class_names))


def check_given_by_weights(
    module: nn.Module, run: Run, dataset: AnyDataset, device: torch.device, source: Path, batches: Iterable[Batch]
) -> None:
    """Raise `ResLabError` if a user's own network differs from a new one with the same weights.

    Compares their outputs on the first of `batches`: state that is not among the weights would be lost.
    """
    recipe = run.recipe
    shape = shape_of(dataset, recipe)
    fresh = build_network(recipe, len(dataset.class_names), run.seed, source=source, image_shape=shape)
    fresh.load_state_dict(module.state_dict())
    fresh.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    first = list(islice(batches, 1))
    one, other = (outputs(network, first, precision=recipe.precision) for network in (module, fresh))
    if not are_alike(one, other, OUTPUTS_TOLERANCE):
        assert recipe.own_network is not None
        raise ResLabError(
            f"{recipe.own_network.words}: the trained network's outputs differ from those of a new one with its "
            "weights, which are all that a run keeps: keep whatever training changes in a parameter or buffer of its "
            "state_dict"
        )


def training_network(
    recipe: Recipe,
    num_classes: int,
    seed: int,
    device: torch.device,
    checkpoint_activations: bool = False,
    source: Path | None = None,
    image_shape: tuple[int, int, int] = (3, 32, 32),
    tell: Tell = lambda _: None,
) -> nn.Module:
    """Return the network ready to train: on the device, channels-last, with our kernels where they apply."""
    module = fused(build_network(recipe, num_classes, seed, checkpoint_activations, source, image_shape, tell))
    if device.type == "cpu" and type(module) is PreActResNet and not checkpoint_activations:
        use_kernels(module, recipe.precision)
    module.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return module


def kernels_used(module: nn.Module, images: AnyTrainBatches, device: torch.device) -> str:
    """Say which of our kernels train this network on these images, as far as is known before training."""
    why = why_plain(module)
    if device.type == "cpu":
        if layers := count_layers(module):
            return f"{kernels().words}, in {counted(layers, 'layer')}, one at a time"
        return f"none for this network: {why}" if why and kernels().library is not None else kernels().words
    if not available(device):
        return gpu_words(device)
    convolution = [] if why else ["convolution with batch norm"]
    augmented = ["images"] if getattr(images, "uses_kernel", False) else []
    before = ", ".join([*convolution, *augmented])
    rest = f"; none for this network: {why}" if why else ""
    return f"{f'{before} and ' if before else ''}loss by Triton {triton_version()}; else those of PyTorch{rest}"


def make_ready(
    module: nn.Module, recipe: Recipe, device: torch.device, image_shape: tuple[int, int, int] = (3, 32, 32)
) -> str:
    """Prepare the kernels for a network by running a copy of it; return a remark if it must do without them.

    On a GPU this compiles them, which takes about 20 seconds the first time on a machine.  On the CPU, a user's own
    network uses them for the layers that fit, if a step agrees with torch's.
    """
    if device.type == "cpu" and recipe.network and not isinstance(module, FusedResNet):
        return try_kernels(module, image_shape, recipe.precision, partial(seeded, 0, "trial"))
    if not (isinstance(module, FusedResNet) and available(device)):
        return ""
    twin = copy.deepcopy(module).train()
    images = torch.zeros(recipe.batch_size, module.conv1.in_channels, *image_shape[1:], device=device)
    try:
        with arithmetic(device, recipe.precision):
            twin(images).float().sum().backward()
        with torch.inference_mode(), arithmetic(device, recipe.precision):
            twin.eval()(images).sum().item()
    except Exception as error:  # torch's operations may do it
        return f"uses PyTorch's kernels, which are slower: {give_up(device, error)}"
    return ""


def build_network(
    recipe: Recipe,
    num_classes: int,
    seed: int,
    checkpoint_activations: bool = False,
    source: Path | None = None,
    image_shape: tuple[int, int, int] = (3, 32, 32),
    tell: Tell = lambda _: None,
) -> nn.Module:
    """Return the network of a recipe with its initial weights."""
    if (own := recipe.own_network) is not None:
        if checkpoint_activations:
            raise ResLabError(
                f"ResLab checkpoints the activations of its own networks only; {own.words} can use "
                "torch.utils.checkpoint"
            )
        if source is None:
            raise ResLabError(f"weights of {own.words} can only be measured with their run: reslab evaluate RUN")
        return build_own(source, own, num_classes, seed, image_shape, tell)
    return build(
        recipe.family,
        recipe.depth,
        recipe.shortcut,
        num_classes,
        width=recipe.width,
        dropout=recipe.dropout,
        initialisation=recipe.initialisation,
        seed=seed,
        checkpoint_activations=checkpoint_activations,
    )
