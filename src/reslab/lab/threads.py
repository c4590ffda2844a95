"""The number of CPU threads that a run computes with.

Where its bits do not depend on that, the number follows the machine's load, unless the user sets it; elsewhere a run
keeps the number it started with, which depends on the load at the time.
"""

import contextlib
import copy
import time
from collections.abc import Iterator

import torch
from torch import nn
from torch.nn import functional as F

from reslab import load
from reslab.host import usable_cores
from reslab.lab.folder.store import RunFiles
from reslab.models.fused import thread_invariant
from reslab.recipe import Recipe
from reslab.training.hardware import arithmetic, most_threads
from reslab.training.saved import MANIFEST
from reslab.training.threads import LOOK_SECONDS, ROOM, FollowingThreads


def first_threads(files: RunFiles, device: torch.device, given: int | None, share: int | None) -> int:
    """Return the threads to start with: those given, else those that a resumed run had, else this run's share."""
    return given or kept_threads(files, device) or share or most_threads()


def kept_threads(files: RunFiles, device: torch.device) -> int | None:
    """Return the threads that a run to be resumed had; None if there is none, or it was not on the CPU."""
    last = files.last_attempt()
    is_resumed = any(files.checkpoints.glob(f"*/{MANIFEST}"))
    if is_resumed and device.type == last.get("device") == "cpu" and last.get("threads"):
        return int(last["threads"])
    return None


def threads_for_load(most: int) -> int:
    """Return how many threads, at most `most`, fit on the cores that are now idle; `most` where the load is unknown.

    For runs that cannot follow the load: one thread too many slows down all the others until the end.
    """
    before = load.read() if most > 1 else None
    if before is None:
        return most
    time.sleep(LOOK_SECONDS)
    after = load.read()
    seen = None if after is None else load.between(before, after)
    return most if seen is None else max(1, min(most, int(seen.idle + 1 - ROOM)))


def words_of_fewer(threads: int, most: int) -> str:
    """Return a remark that the load leaves fewer threads."""
    return f"computes with {threads} of {most} threads to its end, because other work needs the CPU now"


@contextlib.contextmanager
def computing_with(threads: int) -> Iterator[None]:
    """Compute with this many CPU threads, and afterwards as before: a worker trains other runs after this one."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def are_free(device: torch.device, module: nn.Module, recipe: Recipe, most: int) -> bool:
    """Say whether training a network gives the same bits with any number of threads, even if it changes between steps.

    Our kernels keep the order of their sums, and so did torch's few remaining operations wherever this was tried.
    Another CPU or version of torch may differ, so a copy does one step with one thread and one with `most`.
    """
    if device.type != "cpu" or not thread_invariant(module):
        return False
    if most == 1:  # there is nothing to try
        return True
    kind = (recipe.network_name, recipe.shortcut, recipe.batch_size, recipe.precision, most)
    if kind not in _TRIED:
        _TRIED[kind] = _steps_agree(module, recipe, most)
    return _TRIED[kind]


_TRIED: dict[tuple[str, str, int, str, int], bool] = {}
"""Outcomes of this test in this process, by network, shortcut, batch size, precision and threads."""


def _steps_agree(module: nn.Module, recipe: Recipe, most: int) -> bool:
    """Say whether one thread and `most` give a copy of the network the same outputs, gradients and statistics."""
    first = next(layer for layer in module.modules() if isinstance(layer, nn.Conv2d))
    shape = (recipe.batch_size, first.in_channels, recipe.image_size, recipe.image_size)
    images = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    images = images.contiguous(memory_format=torch.channels_last)
    found = []
    for threads in (1, most):
        twin = copy.deepcopy(module).train()
        with computing_with(threads), arithmetic(images.device, recipe.precision):
            logits = twin(images)
            loss = F.cross_entropy(logits.float(), torch.arange(len(images)) % logits.shape[1])
            trained = [one for one in twin.parameters() if one.requires_grad]
            gradients = torch.autograd.grad(loss, trained, allow_unused=True, materialize_grads=True)
        found.append([logits.detach(), *gradients, *twin.buffers()])
    return all(torch.equal(one, other) for one, other in zip(*found, strict=True))


def can_follow_load(most: int) -> bool:
    """Say whether there is more than one thread, on a system that reports its load."""
    return most > 1 and load.read() is not None


def follow_load(most: int, share: int | None) -> FollowingThreads | None:
    """Compute with this run's share of `most` threads from now on; return what follows the load, if it is known."""
    threads = min(share or most, most)
    torch.set_num_threads(threads)
    return FollowingThreads(threads, most, usable_cores()) if can_follow_load(most) else None
