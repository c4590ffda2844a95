"""How a run is executed; imports no torch, so that a command whose runs train elsewhere starts without it."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from reslab.arguments import as_plain
from reslab.errors import ResLabError
from reslab.host import check_device

MOST_THREADS = 1024
"""Of more, the libraries that compute run out of memory, and end the process."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How a run is executed: nothing here changes its numbers by more than rounding."""

    data_root: Path | None = None
    device: str = "auto"
    threads: int | None = None
    checkpoint_seconds: float = 60.0
    """Time between checkpoints within an epoch; at the end of an epoch a tenth of it is enough."""
    checkpoint_activations: bool = False
    """Keep the input of each block only and compute the rest again: less memory, more time."""
    keep_epochs: tuple[int, ...] | None = None
    """Epochs after which the weights are kept, where the training goes on; None: its schedule's milestones."""
    default_threads: int | None = None
    """Threads to begin with where `threads` says nothing: this run's share of the cores."""

    shares: tuple[str, ...] = ()
    """Where runs are shared: what they have of a run is gone on from, or taken as it is where it has ended."""
    push: bool = False
    """Send checkpoints, and runs that have ended, to the first of the shares that can be written to."""

    trust_code: bool = False
    """Run the code of a network that is not from a file of this user's own (`reslab.lab.folder.own_networks`)."""

    def __post_init__(self) -> None:
        """Raise `ResLabError` for a value that nothing can be executed with, before a folder is made for it."""
        check_device(self.device)
        object.__setattr__(self, "threads", as_plain(self.threads))
        threads: object = self.threads
        seconds: object = self.checkpoint_seconds
        if threads is not None and (type(threads) is not int or not 1 <= threads <= MOST_THREADS):
            raise ResLabError(f"threads must be a whole number from 1 to {MOST_THREADS}, not {threads!r}")
        if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds < math.inf:
            raise ResLabError(f"checkpoint_seconds must be a number of seconds, 0 or more, not {seconds!r}")
        object.__setattr__(self, "keep_epochs", kept_epochs(self.keep_epochs))

    def arguments(self) -> list[str]:
        """Return these settings as arguments of `python -m reslab.lab.execute`."""
        given: list[tuple[str, object]] = [
            ("--device", self.device),
            ("--checkpoint-seconds", self.checkpoint_seconds),
            ("--data-root", self.data_root),
            ("--threads", self.threads),
            ("--default-threads", self.default_threads),
        ]
        words = [word for flag, value in given if value is not None for word in (flag, str(value))]
        if self.keep_epochs is not None:
            words += ["--keep-epochs", ",".join(map(str, self.keep_epochs)) or "none"]
        words += [word for url in self.shares for word in ("--share", url)]
        switches = [
            ("--checkpoint-activations", self.checkpoint_activations),
            ("--trust-code", self.trust_code),
            ("--push", self.push),
        ]
        return [*words, *(flag for flag, is_on in switches if is_on)]


def kept_epochs(given: Iterable[int] | None) -> tuple[int, ...] | None:
    """Return epochs as the settings have them; None stays None, which leaves the choice to the schedule.

    Raises `ResLabError` for anything but whole numbers, 1 or more.
    """
    if given is None:
        return None
    epochs = list(map(as_plain, given))
    if odd := [epoch for epoch in epochs if type(epoch) is not int or epoch < 1]:
        raise ResLabError(f"keep_epochs must be whole numbers, 1 or more, not {odd[0]!r}")
    return tuple(sorted(set(epochs)))
