"""Requests to stop: from signals, a time limit or the program."""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any, Self

PATIENCE_SECONDS = 1.0
"""How long a computation may delay a signal that should be handled at once."""

INTERRUPTED = 130


class StopRequest:
    """Becomes true after a time limit in minutes or on `ask`; as a context manager, on Ctrl-C and SIGTERM, too.

    A second Ctrl-C raises KeyboardInterrupt at once.  Signals reach the main thread only: on any other, such as a
    notebook's, entering changes nothing.  Leaving restores the previous handlers.
    """

    def __init__(self, time_limit: float | None = None) -> None:
        self._end = None if time_limit is None else time.monotonic() + 60 * time_limit
        self._at_once = False
        self.interrupted = False
        """Whether a stop was requested, rather than the time limit reached."""
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                self._before[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            # None: it was not set from Python, which cannot restore it.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        self._before.clear()

    def __call__(self) -> bool:
        """Say whether to stop."""
        return self.interrupted or (self._end is not None and time.monotonic() >= self._end)

    @contextlib.contextmanager
    def at_once(self, leave: Callable[[], None] | None = None) -> Iterator[None]:
        """Within this, let the first signal raise KeyboardInterrupt: for work that a stop does not lose.

        Python handles signals only between operations, and one of torch's can take half a minute.  If `leave` is given
        and a signal is not handled within a second, `leave` is called on a separate thread and the process exits with
        code 130, as if killed: fine for a command, not for a notebook.
        """
        self._at_once = True
        try:
            if self.interrupted:
                raise KeyboardInterrupt
            with contextlib.nullcontext() if leave is None else _not_heard(leave):
                yield
        finally:
            self._at_once = False

    def ask(self) -> None:
        """Request the stop."""
        self.interrupted = True

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        again, self.interrupted = self.interrupted, True
        if self._at_once or (again and number == signal.SIGINT):
            raise KeyboardInterrupt


@contextlib.contextmanager
def _not_heard(leave: Callable[[], None]) -> Iterator[None]:
    """Watch for signals that the main thread does not get to handle; on any other thread, do nothing."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    before = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    heard = threading.Event()

    def watch() -> None:
        for number in iter(lambda: os.read(reading, 1), b""):
            if number[0] in (signal.SIGINT, signal.SIGTERM) and not heard.wait(PATIENCE_SECONDS):
                with contextlib.suppress(Exception):
                    leave()
                os._exit(INTERRUPTED)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        heard.set()
        signal.set_wakeup_fd(before)
        os.close(writing)  # ends the watcher's loop
        watcher.join()
        os.close(reading)
