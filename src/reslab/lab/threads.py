"""The threads of the processor that a run computes with.

Where its bits do not depend on them they follow the machine's load, unless the user gives a number; elsewhere a run
keeps the number that it began with.
"""

import contextlib
from collections.abc import Iterator

import torch
from torch import nn

from reslab import load
from reslab.host import usable_cores
from reslab.lab.store import RunFiles
from reslab.models.fused import thread_invariant
from reslab.training.checkpoint import MANIFEST
from reslab.training.hardware import most_threads
from reslab.training.threads import FollowingThreads


def first_threads(files: RunFiles, device: torch.device, given: int | None, share: int | None) -> int:
    """Return the threads to begin with: those given, else those that a resumed run had, else this run's share."""
    last = ((files.provenance() or {}).get("attempts") or [{}])[-1]
    is_resumed = any(files.checkpoints.glob(f"*/{MANIFEST}"))
    if given is None and is_resumed and device.type == last.get("device") == "cpu" and last.get("threads"):
        return int(last["threads"])
    return given or share or most_threads()


@contextlib.contextmanager
def computing_with(threads: int) -> Iterator[None]:
    """Compute with so many threads of the processor, and then as before: a worker trains other runs after this one."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def are_free(device: torch.device, module: nn.Module, precision: str) -> bool:
    """Say whether training a network gives the same bits with any number of threads, and from step to step another."""
    return device.type == "cpu" and thread_invariant(module, precision)


def can_follow_load(most: int) -> bool:
    """Say whether there is something to choose, on a system that tells its load."""
    return most > 1 and load.read() is not None


def follow_load(most: int, share: int | None) -> FollowingThreads | None:
    """Compute with this run's share of at most `most` threads from now on, and as the load goes, if it can be told."""
    threads = min(share or most, most)
    torch.set_num_threads(threads)
    return FollowingThreads(threads, most, usable_cores()) if can_follow_load(most) else None
