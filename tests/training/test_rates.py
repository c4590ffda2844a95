"""The rate that the loop hands to every iteration of the published recipes, stopped and continued anywhere."""

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from training_fakes import CPU, ticking

from reslab.presets import preset_recipe
from reslab.recipe import Recipe
from reslab.training import loop
from reslab.training.checkpoint import load_checkpoint, restore, save_checkpoint
from reslab.training.step import Totals

PER_EPOCH = 391
IMAGES_PER_STEP = 100


class Nothing:
    """Training images that are not looked at."""

    num_images = PER_EPOCH * IMAGES_PER_STEP
    num_batches = PER_EPOCH

    def draws(self, epoch: int, start: int = 0) -> Iterator[tuple[Tensor, ...]]:
        """Yield the same empty batch."""
        for _ in range(start, PER_EPOCH):
            yield (torch.empty(0),)

    def render(self, draw: Tensor) -> tuple[Tensor, Tensor]:
        """Return an empty batch."""
        return draw, draw


class Recorder:
    """Stands for the step: notes the rate, and makes an epoch's training error what it is told."""

    def __init__(self, error: Callable[[int], int]) -> None:
        self.rates: list[float] = []
        self._error = error

    def make(self, *_: object, **__: object) -> "Recorder":
        """Stand for the class, too."""
        return self

    def __call__(self, images: Tensor, labels: Tensor, rate: float, totals: Totals) -> None:
        """Count an iteration."""
        epoch = len(self.rates) // PER_EPOCH
        self.rates.append(rate)
        totals.images += IMAGES_PER_STEP
        totals.wrong += self._error(epoch)


def rates(
    recipe: Recipe,
    monkeypatch: pytest.MonkeyPatch,
    folder: Path,
    stops: set[int],
    error: Callable[[int], int] = lambda epoch: 50,
) -> tuple[list[float], list[float]]:
    """Return the rate of every iteration and of every record, going on from a checkpoint at each of the stops."""
    recorder = Recorder(error)
    monkeypatch.setattr(loop, "TrainingStep", recorder.make)
    records: list[float] = []
    waiting = set(stops)
    while True:
        state = loop.start(nn.Linear(1, 1), recipe, PER_EPOCH, CPU)
        saved = load_checkpoint(folder)
        if saved is not None:
            restore(state, saved)
            assert len(recorder.rates) == state.iteration
        for event in loop.train(state, recipe, Nothing(), {}, device=CPU, clock=ticking()):
            if isinstance(event, loop.EpochRecord):
                records.append(event.rate)
            if state.iteration in waiting:
                waiting.remove(state.iteration)
                save_checkpoint(folder, state)
                break
        else:
            assert not waiting
            return recorder.rates, records


def anywhere(*edges: int, below: int) -> set[int]:
    """Return iterations to stop after: around each edge, and some by chance."""
    around = {edge + offset for edge in edges for offset in (-1, 0, 1)}
    return around | set(random.Random(1).sample(range(1, below), 8))


def test_the_paper(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    stops = anywhere(391, 32_000, 48_000, 63_733, below=64_000)
    seen, records = rates(preset_recipe("paper"), monkeypatch, tmp_path, stops)
    assert seen == [0.1] * 32_000 + [0.01] * 16_000 + [0.001] * 16_000
    ends = [*range(391, 64_000, 391), 64_000]
    assert records == [seen[end - 1] for end in ends]


def test_the_assignment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    stops = anywhere(391, 81 * 391, 122 * 391, below=64_124)
    seen, records = rates(preset_recipe("assignment"), monkeypatch, tmp_path, stops)
    assert seen == [0.1] * (81 * 391) + [0.01] * (41 * 391) + [0.001] * (42 * 391)
    assert records == [0.1] * 81 + [0.01] * 41 + [0.001] * 42


def test_the_paper_at_depth_110_warms_up_until_the_error_is_below_80(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    errors = [88, 80, 79, 95]  # the third epoch is the first below; no later one brings the warm-up back
    stops = anywhere(391, 782, 1173, 32_000, 48_000, below=64_000)
    recipe = preset_recipe("paper", depth=110)
    seen, records = rates(recipe, monkeypatch, tmp_path, stops, lambda epoch: errors[min(epoch, 3)])
    assert seen == [0.01] * (3 * 391) + [0.1] * (32_000 - 3 * 391) + [0.01] * 16_000 + [0.001] * 16_000
    assert records[:5] == [0.01, 0.01, 0.01, 0.1, 0.1]


def test_a_warm_up_that_learns_nothing_ends_at_the_first_drop(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    recipe = preset_recipe("paper", depth=110)
    seen, _ = rates(recipe, monkeypatch, tmp_path, {31_999, 32_000, 32_001}, lambda epoch: 90)
    assert seen == [0.01] * 32_000 + [0.01] * 16_000 + [0.001] * 16_000


def test_akamaster_at_depth_110(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    stops = {200, 390, 391, 392, 39_100}
    seen, _ = rates(preset_recipe("akamaster", depth=110), monkeypatch, tmp_path, stops, lambda epoch: 95)
    assert seen == [0.01] * 391 + [0.1] * (99 * 391) + [0.01] * (50 * 391) + [0.001] * (50 * 391)
