"""Every value that a recipe may have is known wherever it is acted on; one that is not is never taken for another."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from reslab.data.batches import TrainBatches
from reslab.data.file_batches import FileTrainBatches
from reslab.data.folders import FileSet
from reslab.data.images import ImageSet
from reslab.data.normalisation import fit
from reslab.errors import ResLabError
from reslab.exhibits.recipes import aspects
from reslab.exhibits.wording import network_name
from reslab.models.networks import initialise, skeleton
from reslab.recipe import CHOICES, Recipe, vary
from reslab.training.hardware import arithmetic
from reslab.training.optimiser import make_optimiser
from reslab.training.schedule import make_schedule

NOVEL = "novel"
CPU = torch.device("cpu")


def images() -> ImageSet:
    pixels = np.random.default_rng(0).integers(0, 256, (4, 3, 32, 32), dtype=np.uint8)
    return ImageSet(pixels, np.arange(4, dtype=np.int64) % 2)


def batches(**changes: str) -> object:
    own = images()
    values: dict[str, Any] = {"padding": "black", "mirror": "random", **changes}
    return TrainBatches(own, fit("channel", own), batch_size=2, crop_padding=4, seed=0, **values)


def file_batches(mirror: str) -> object:
    files = FileSet(Path(), ("a", "b"), np.zeros(2, dtype=np.int64))
    return FileTrainBatches(
        files, fit("imagenet", images()), image_size=32, batch_size=2, mirror=mirror, seed=0, device=CPU
    )


def forced(**changes: str) -> Recipe:
    """Return a recipe with values that its checks may not know."""
    recipe = vary(Recipe(), depth=8)
    for name, value in changes.items():
        object.__setattr__(recipe, name, value)
    return recipe


def described(**changes: str) -> dict[str, str]:
    return aspects(forced(**changes))


def network(family: str = "residual", shortcut: str = "B", initialisation: str = "he-fan-in") -> torch.nn.Module:
    depth = {"imagenet": 18, "imagenet-1x1": 18, "preact-bottleneck": 11, "wide": 10}.get(family, 8)
    shortcut = "none" if family == "plain" else "B" if shortcut == "none" else shortcut
    module = skeleton(family, depth, shortcut, 2).to_empty(device="cpu")
    initialise(module, initialisation, 0)
    return module


ACTED_ON: dict[str, list[Callable[[str], object]]] = {
    "normalisation": [lambda value: fit(value, images()), lambda value: described(normalisation=value)],
    "padding": [lambda value: batches(padding=value), lambda value: described(padding=value)],
    "mirror": [lambda value: batches(mirror=value), lambda value: described(mirror=value)],
    "family": [lambda value: network(family=value), lambda value: network_name(forced(family=value))],
    "shortcut": [lambda value: network(shortcut=value), lambda value: described(shortcut=value)],
    "initialisation": [
        lambda value: network(initialisation=value),
        lambda value: described(initialisation=value),
    ],
    "optimiser": [
        lambda value: make_optimiser(network(), forced(optimiser=value)),
        lambda value: described(optimiser=value),
    ],
    "decay_scope": [
        lambda value: make_optimiser(network(), forced(decay_scope=value)),
        lambda value: described(decay_scope=value),
    ],
    "schedule_unit": [lambda value: make_schedule(forced(schedule_unit=value), 10)],
    "schedule": [
        lambda value: make_schedule(forced(schedule=value), 10).rate(0, warming=False),
        lambda value: described(schedule=value),
    ],
    "warmup": [lambda value: make_schedule(forced(warmup=value), 10), lambda value: described(warmup=value)],
    "precision": [lambda value: arithmetic(CPU, value)],
}
"""What acts on a field's value, by field; data sets have a test file of their own."""


def test_every_field_that_names_something_is_here() -> None:
    assert set(ACTED_ON) | {"dataset"} == set(CHOICES)


@pytest.mark.parametrize(("field", "value"), [(name, value) for name in ACTED_ON for value in CHOICES[name]])
def test_every_value_is_known_wherever_it_is_acted_on(field: str, value: str) -> None:
    for act in ACTED_ON[field]:
        act(value)


@pytest.mark.parametrize("field", ACTED_ON)
def test_a_value_without_a_case_of_its_own_is_refused_not_taken_for_another(
    field: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when a value is added to the choices, and forgotten elsewhere."""
    monkeypatch.setitem(CHOICES, field, (*CHOICES[field], NOVEL))
    for act in ACTED_ON[field]:
        with pytest.raises((ResLabError, KeyError), match=NOVEL):
            act(NOVEL)


def test_images_in_files_are_mirrored_as_asked_or_not_at_all() -> None:
    for mirror in ("random", "none"):
        file_batches(mirror)
    for mirror in ("alternating", NOVEL):
        with pytest.raises(KeyError, match=mirror):
            file_batches(mirror)
