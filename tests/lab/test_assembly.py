"""What provenance says of kernels: those that serve the run's own network and images, not all that the device has."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from lab_runs import make, small

from reslab.data.serving import AnyTrainBatches, serve
from reslab.data.sources import load
from reslab.kernels.build import SWITCHED_OFF, Kernels, kernels
from reslab.lab import assembly
from reslab.lab.assembly import kernels_used, make_ready, training_network
from reslab.lab.one_run import execute
from reslab.lab.settings import Settings
from reslab.models.fused import FusedResNet
from reslab.presets import preset_recipe
from reslab.recipe import Recipe, Run, vary

CPU, CARD = torch.device("cpu"), torch.device("cuda")
SMALL = small(1)
LARGE = vary(preset_recipe("imagenet", depth=18), image_size=32)
COMPILED = Kernels(None, "compiled by c++", lanes=16)
object.__setattr__(COMPILED, "library", object())


@pytest.fixture(scope="module")
def images() -> AnyTrainBatches:
    return serve(Run(SMALL), load("digits"), CPU).train


def network(recipe: Recipe, *, checkpoints: bool = False) -> torch.nn.Module:
    return training_network(recipe, 10, 0, CPU, checkpoints)


@pytest.mark.parametrize(
    ("recipe", "checkpoints", "words"),
    [
        (SMALL, False, COMPILED.words),
        (SMALL, True, "none for this network: its activations are checkpointed"),
        (LARGE, False, "none for this network: they are for networks for images of 32 x 32"),
    ],
)
def test_on_the_processor(
    monkeypatch: pytest.MonkeyPatch, images: AnyTrainBatches, recipe: Recipe, checkpoints: bool, words: str
) -> None:
    module = network(recipe, checkpoints=checkpoints)
    monkeypatch.setattr(assembly, "kernels", lambda: COMPILED)
    assert kernels_used(module, images, CPU) == words
    monkeypatch.setattr(assembly, "kernels", lambda: Kernels(None, SWITCHED_OFF))
    assert kernels_used(module, images, CPU) == "none: switched off by RESLAB_KERNELS=0"


@pytest.mark.skipif(not kernels().convolves, reason="no kernels that convolve")
@pytest.mark.parametrize("family", ["preact", "wide"])
def test_networks_with_the_norm_first_train_by_the_kernels_layer_by_layer(images: AnyTrainBatches, family: str) -> None:
    recipe = vary(SMALL, family=family, depth=8 if family == "preact" else 10)
    module = network(recipe)
    norms = sum(isinstance(layer, torch.nn.BatchNorm2d) for layer in module.modules())
    straight = sum(
        isinstance(layer, torch.nn.Conv2d) and layer.kernel_size == (3, 3) and layer.stride == (1, 1)
        for layer in module.modules()
    )
    words = kernels_used(module, images, CPU)
    assert words == f"{kernels().words}, in {norms + straight} layers, one at a time"
    assert "checkpointed" in kernels_used(network(recipe, checkpoints=True), images, CPU)


def test_on_a_card(monkeypatch: pytest.MonkeyPatch, images: AnyTrainBatches) -> None:
    monkeypatch.setattr(assembly, "triton_version", lambda: "3.9")
    monkeypatch.setattr(assembly, "available", lambda device: True)
    small_one, large_one = network(SMALL), network(LARGE)
    assert kernels_used(small_one, images, CARD) == (
        "convolution with batch norm and loss by Triton 3.9; else those of PyTorch"
    )
    large_words = kernels_used(large_one, images, CARD)
    assert large_words.startswith("loss by Triton 3.9; else those of PyTorch; none for this network: they are for")
    monkeypatch.setattr(type(images), "uses_kernel", True)
    assert kernels_used(small_one, images, CARD).startswith("convolution with batch norm, images and loss by Triton")
    monkeypatch.setattr(assembly, "available", lambda device: False)
    monkeypatch.setattr(assembly, "gpu_words", lambda device: "those of PyTorch: an old card")
    assert kernels_used(small_one, images, CARD) == "those of PyTorch: an old card"


def test_a_run_writes_it_down(tmp_path: Path, torch_settings: None) -> None:
    settings = Settings(device="cpu", threads=1)
    for seed, checkpoints in enumerate((True, False)):
        files = make(tmp_path, small(0.2), seed)
        execute(files, replace(settings, checkpoint_activations=checkpoints))
        (attempt,) = (files.provenance() or {})["attempts"]
        assert attempt["checkpoint_activations"] == checkpoints
        told = "its activations are checkpointed" in attempt["kernels"]
        assert told == (checkpoints and kernels().library is not None)


def test_kernels_are_made_ready_for_the_shape_of_the_images(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def forward(_: torch.nn.Module, images: torch.Tensor) -> torch.Tensor:
        seen.append(tuple(images.shape))
        raise RuntimeError

    monkeypatch.setattr(FusedResNet, "forward", forward)
    monkeypatch.setattr(assembly, "available", lambda device: True)
    monkeypatch.setattr(assembly, "give_up", lambda device, error: "it failed")
    assert "it failed" in make_ready(network(SMALL), SMALL, torch.device("meta"), (3, 16, 48))
    assert seen == [(SMALL.batch_size, 3, 16, 48)]
