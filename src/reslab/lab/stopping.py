"""The wish to stop, as signals, a limit of time or the program itself bring it about."""

import contextlib
import signal
import time
from collections.abc import Iterator
from types import FrameType


class StopRequest:
    """Becomes true at Ctrl-C, SIGTERM or a limit, or when told; a second Ctrl-C ends the process at once."""

    def __init__(self, limit_seconds: float | None = None) -> None:
        self._end = None if limit_seconds is None else time.monotonic() + limit_seconds
        self._at_once = False
        self.interrupted = False
        """Whether it was asked for, and not only time that was over."""
        signal.signal(signal.SIGTERM, self._on_signal)
        signal.signal(signal.SIGINT, self._on_signal)

    def __call__(self) -> bool:
        """Say whether to stop."""
        return self.interrupted or (self._end is not None and time.monotonic() >= self._end)

    @contextlib.contextmanager
    def at_once(self) -> Iterator[None]:
        """Let the first signal raise KeyboardInterrupt within this, where a stop loses nothing that was begun."""
        self._at_once = True
        try:
            if self.interrupted:
                raise KeyboardInterrupt
            yield
        finally:
            self._at_once = False

    def ask(self) -> None:
        """Ask for the stop."""
        self.interrupted = True

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        again, self.interrupted = self.interrupted, True
        if self._at_once or (again and number == signal.SIGINT):
            raise KeyboardInterrupt
