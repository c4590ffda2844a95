"""A tiny network on tiny noise images, and trainings of it that can be cut anywhere."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from reslab.recipe import Recipe, Scalar
from reslab.training.checkpoint import load_checkpoint, restore, save_checkpoint
from reslab.training.loop import Batches, Event, State, start, train
from reslab.training.optimiser import optimiser_state

CPU = torch.device("cpu")
NUM_CLASSES = 3
NUM_IMAGES, BATCH = 22, 6
PER_EPOCH = 4


class Images:
    """Noise images in an order of their own for each epoch; the last batch is smaller."""

    def __init__(self, num_images: int = NUM_IMAGES, batch_size: int = BATCH, seed: int = 0) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.images = torch.randn(num_images, 2, 5, 5, generator=generator)
        self.labels = torch.arange(num_images) % NUM_CLASSES
        self.images += self.labels[:, None, None, None] * 0.5
        self.num_images = num_images
        self.num_batches = -(-num_images // batch_size)
        self.batch_size = batch_size

    def batches(self, epoch: int, start: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the batches of an epoch from `start` on."""
        order = torch.randperm(self.num_images, generator=torch.Generator().manual_seed(100 + epoch))
        for number in range(start, self.num_batches):
            part = order[number * self.batch_size : (number + 1) * self.batch_size]
            yield self.images[part].to(memory_format=torch.channels_last), self.labels[part]

    def draws(self, epoch: int, start: int = 0) -> Iterator[tuple[Tensor, ...]]:
        """Yield the batches themselves."""
        return self.batches(epoch, start)

    def render(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Return a batch as it is."""
        return images, labels


def recipe(**changes: Scalar) -> Recipe:
    """Return a recipe of 11 iterations, which are 2 epochs and 3 of the 4 batches of a third."""
    values: dict[str, Scalar] = {
        "dataset": "digits",
        "depth": 8,
        "learning_rate": 0.05,
        "weight_decay": 1e-2,
        "schedule_unit": "iterations",
        "length": 11,
        "first_drop": 5,
        "second_drop": 9,
    }
    return Recipe.from_mapping({**values, **changes})


def network(seed: int = 0, width: int = 4, *, for_muon: bool = False) -> nn.Sequential:
    """Return a network with what ours have: convolution, batch norm, linear layer; laid out as ours are.

    Muon leaves the first convolution to SGD, so there is one before it for Muon.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = nn.Sequential(
            *([nn.Conv2d(2, 2, 3, padding=1, bias=False)] if for_muon else []),
            nn.Conv2d(2, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(width, NUM_CLASSES),
        )
    module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return module


class Skipping(nn.Module):
    """A network that skips layers at random as it is trained, and has one that is never used."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.layers = nn.ModuleList(nn.Linear(50, 50) for _ in range(4))
            self.unused = nn.Linear(2, 2)
            self.fc = nn.Linear(50, NUM_CLASSES)

    def forward(self, images: Tensor) -> Tensor:
        maps = images.flatten(1)
        for layer in self.layers:
            if not self.training or torch.rand(()) < 0.4:
                maps = maps + torch.tanh(layer(maps))
        logits: Tensor = self.fc(maps)
        return logits


def measuring_batches(seed: int = 7) -> list[tuple[Tensor, Tensor]]:
    """Return two batches to measure on."""
    images = Images(9, 5, seed)
    return list(images.batches(0))


def ticking(step: float = 0.5) -> Callable[[], float]:
    """Return a clock that goes on by `step` whenever it is looked at."""
    now = [0.0]

    def clock() -> float:
        now[0] += step
        return now[0]

    return clock


def begin(of: Recipe, images: Images, seed: int = 0) -> State:
    """Return a training of the network at its first iteration."""
    return start(network(seed, for_muon=of.optimiser == "muon"), of, images.num_batches, CPU)


def events(
    state: State,
    of: Recipe,
    images: Images,
    evaluations: Mapping[str, Batches] | None = None,
    clock: Callable[[], float] | None = None,
) -> Iterator[Event]:
    """Train from where the state stands."""
    measured = {"test": measuring_batches()} if evaluations is None else evaluations
    return train(state, of, images, measured, device=CPU, clock=clock or ticking())


def reloaded(state: State, of: Recipe, images: Images, folder: Path) -> State:
    """Return the state as a new process would read it from a checkpoint."""
    save_checkpoint(folder, state)
    saved = load_checkpoint(folder)
    assert saved is not None
    fresh = begin(of, images, seed=99)
    restore(fresh, saved)
    return fresh


def bits(state: State) -> dict[str, list[float]]:
    """Return all weights, statistics, momentum and averages as lists, to be compared exactly."""
    both: list[tuple[str, Tensor]] = [
        *state.module.state_dict().items(),
        *((f"momentum of {name}", value) for name, value in optimiser_state(state.module, state.optimiser).items()),
    ]
    if state.averages is not None:
        both += [(f"average of {name}", value) for name, value in state.averages.module.state_dict().items()]
    return {name: value.flatten().tolist() for name, value in both}
