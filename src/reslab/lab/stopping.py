"""Requests to stop: from signals, a time limit or the program itself."""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any, Self

PATIENCE_SECONDS = 1.0
"""How long a computation may keep a signal from being heard, where it is to be answered at once."""

INTERRUPTED = 130


class StopRequest:
    """Becomes true after a limit in minutes, or when told; within it as a context, at Ctrl-C and SIGTERM, too.

    A second Ctrl-C raises KeyboardInterrupt at once.  Signals reach the main thread alone: on another thread, as in a
    notebook's, entering changes nothing.  Leaving puts back what handled them before.
    """

    def __init__(self, time_limit: float | None = None) -> None:
        self._end = None if time_limit is None else time.monotonic() + 60 * time_limit
        self._at_once = False
        self.interrupted = False
        """Whether it was asked for, and not only time that was over."""
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                self._before[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            # None: it was not set from Python, which cannot set it back.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        self._before.clear()

    def __call__(self) -> bool:
        """Say whether to stop."""
        return self.interrupted or (self._end is not None and time.monotonic() >= self._end)

    @contextlib.contextmanager
    def at_once(self, leave: Callable[[], None] | None = None) -> Iterator[None]:
        """Let the first signal raise KeyboardInterrupt within this, where a stop loses nothing that was begun.

        Python hears a signal between two operations only, and one of torch can take half a minute.  Where it is not
        heard in a second, and `leave` is given, that is called on a thread of its own, and the process ends as if
        killed, with code 130: a command may end so, a notebook may not.
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
        """Ask for the stop."""
        self.interrupted = True

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        again, self.interrupted = self.interrupted, True
        if self._at_once or (again and number == signal.SIGINT):
            raise KeyboardInterrupt


@contextlib.contextmanager
def _not_heard(leave: Callable[[], None]) -> Iterator[None]:
    """Watch for signals that the main thread does not come to hear; elsewhere than on the main thread, do nothing."""
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
        os.close(writing)  # ends the reading
        watcher.join()
        os.close(reading)
