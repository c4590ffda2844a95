"""How a run is executed; does not import torch, so that commands whose runs train elsewhere start without it."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from reslab.arguments import as_plain
from reslab.errors import ResLabError
from reslab.host import check_device

MOST_THREADS = 1024
"""With more, the numerical libraries run out of memory and kill the process."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How a run is executed: nothing here changes its results by more than rounding."""

    data_root: Path | None = None
    device: str = "auto"
    threads: int | None = None
    checkpoint_seconds: float = 60.0
    """Minimum time between checkpoints within an epoch; at the end of an epoch, a tenth of it."""
    checkpoint_activations: bool = False
    """Keep only each block's input and recompute the rest: less memory, more time."""
    keep_epochs: tuple[int, ...] | None = None
    """Epochs before the last whose weights are kept; None: the schedule's milestones."""
    default_threads: int | None = None
    """Threads to start with where `threads` is None: this run's share of the cores."""

    shares: tuple[str, ...] = ()
    """Where runs are shared: a run is resumed from there, or copied if it has ended there."""
    push: bool = False
    """Send checkpoints and ended runs to the first writable share."""

    trust_code: bool = False
    """Run a network's code even if it is not from one of this user's files (`reslab.lab.folder.own_networks`)."""

    def __post_init__(self) -> None:
        """Raise `ResLabError` for an unusable value, before a folder is made for the run."""
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
    """Return epochs sorted, without duplicates; None stays None, which leaves the choice to the schedule.

    Raises `ResLabError` for anything but whole numbers, 1 or more.
    """
    if given is None:
        return None
    epochs = list(map(as_plain, given))
    if odd := [epoch for epoch in epochs if type(epoch) is not int or epoch < 1]:
        raise ResLabError(f"keep_epochs must be whole numbers, 1 or more, not {odd[0]!r}")
    return tuple(sorted(set(epochs)))
