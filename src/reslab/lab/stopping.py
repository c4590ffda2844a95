"""The wish to stop, as signals, a limit of time or the program itself bring it about."""

import signal
import time
from types import FrameType


class StopRequest:
    """Becomes true at Ctrl-C, SIGTERM or a limit, or when told; a second Ctrl-C ends the process at once."""

    def __init__(self, limit_seconds: float | None = None) -> None:
        self._end = None if limit_seconds is None else time.monotonic() + limit_seconds
        self.interrupted = False
        """Whether it was asked for, and not only time that was over."""
        signal.signal(signal.SIGTERM, self._on_signal)
        signal.signal(signal.SIGINT, self._on_signal)

    def __call__(self) -> bool:
        """Say whether to stop."""
        return self.interrupted or (self._end is not None and time.monotonic() >= self._end)

    def ask(self) -> None:
        """Ask for the stop."""
        self.interrupted = True

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self.interrupted and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.interrupted = True
