"""The training loop of tutorials, as a baseline: images one at a time in loader workers, an eager fp32 step."""

import contextlib
import multiprocessing
import os
import random
import signal
import sys
import time
from collections.abc import Iterator
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

from reslab.data.images import ImageSet
from reslab.errors import ResLabError
from reslab.lab.assembly import build_network
from reslab.recipe import Recipe

MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)


class TransformedImages(TorchDataset[tuple[Tensor, int]]):
    """Images padded, cropped, mirrored, scaled and normalised one at a time, on demand."""

    def __init__(self, images: ImageSet) -> None:
        self._pixels = images.images.transpose(0, 2, 3, 1)
        self._labels = images.labels
        self._mean = torch.tensor(MEAN).reshape(3, 1, 1)
        self._std = torch.tensor(STD).reshape(3, 1, 1)

    def __len__(self) -> int:
        return len(self._labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        padded = np.pad(self._pixels[index], ((4, 4), (4, 4), (0, 0)))
        top, left = random.randint(0, 8), random.randint(0, 8)
        pixels = padded[top : top + 32, left : left + 32]
        if random.random() < 0.5:
            pixels = pixels[:, ::-1]
        image = torch.from_numpy(pixels.transpose(2, 0, 1).copy()).float().div_(255)
        return image.sub_(self._mean).div_(self._std), int(self._labels[index])


class Textbook:
    """Training of `module` in the textbook's manner, any number of steps at a time."""

    def __init__(
        self, module: nn.Module, images: ImageSet, batch_size: int, device: torch.device, workers: int
    ) -> None:
        self._module = module.to(device).train()
        self._device = device
        self._optimiser = torch.optim.SGD(module.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)
        loader: DataLoader[Any] = DataLoader(
            TransformedImages(images),
            batch_size,
            shuffle=True,
            drop_last=True,
            num_workers=workers,
            worker_init_fn=_be_quiet,
            persistent_workers=workers > 0,
            pin_memory=device.type == "cuda",
        )
        self._batches = self._endless(loader)

    def __call__(self, num_steps: int) -> None:
        """Train for `num_steps`."""
        for _ in range(num_steps):
            images, labels = next(self._batches)
            loss = F.cross_entropy(self._module(images.to(self._device)), labels.to(self._device))
            self._optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            self._optimiser.step()
            loss.item()

    @staticmethod
    def _endless(loader: "DataLoader[Any]") -> Iterator[tuple[Tensor, Tensor]]:
        while True:
            yield from loader


class TextbookProcess:
    """The textbook's training in a separate process, with none of our settings; it waits between calls."""

    def __init__(self, recipe: Recipe, images: ImageSet, device: torch.device, workers: int) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, other = context.Pipe()
        self._process = context.Process(target=_serve, args=(other, recipe, images, device, workers))
        with _apart():
            self._process.start()
        other.close()

    def __enter__(self) -> Self:
        return self

    def __call__(self, num_steps: int) -> float:
        """Train for `num_steps` and return the seconds that they took."""
        try:
            self._connection.send(num_steps)
            seconds: float = self._connection.recv()
        except (EOFError, OSError):
            self._process.join(timeout=5)
            raise ResLabError(
                f"the textbook's training ended with exit code {self._process.exitcode}; see its output above"
            ) from None
        return seconds

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()  # it exits when the connection is closed
        if error is not None:  # without waiting for its current steps
            self._process.terminate()
        self._process.join(timeout=10)
        if self._process.is_alive():
            self._process.kill()


@contextlib.contextmanager
def _apart() -> Iterator[None]:
    """Within this, start processes that import nothing from the current folder and ignore Ctrl-C.

    Ctrl-C ends this process, which ends the other and its loader workers.
    """
    resource_tracker.ensure_running()  # if started later, it would unblock the signal
    before, blocked = os.environ.get("PYTHONSAFEPATH"), signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    os.environ["PYTHONSAFEPATH"] = "1"
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        del os.environ["PYTHONSAFEPATH"]
        if before is not None:
            os.environ["PYTHONSAFEPATH"] = before


def _leave(*_: object) -> None:
    """End this process with its loader workers."""
    _be_quiet()
    sys.exit()


def _be_quiet(*_: object) -> None:
    """Silence errors about images in transit at the end; a failing worker is reported by its parent process."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


def _serve(connection: Connection, recipe: Recipe, images: ImageSet, device: torch.device, workers: int) -> None:
    signal.signal(signal.SIGTERM, _leave)
    torch.backends.cudnn.allow_tf32 = False  # only so are convolutions on a GPU fp32, as ours are
    train = Textbook(build_network(recipe, 10, 0), images, recipe.batch_size, device, workers)
    while True:
        try:
            num_steps = connection.recv()
        except (EOFError, OSError):  # the parent has closed the connection
            return
        begun = time.perf_counter()
        train(num_steps)
        with contextlib.suppress(BrokenPipeError):
            connection.send(time.perf_counter() - begun)
