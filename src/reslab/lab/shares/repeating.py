"""A call made again and again, on a thread beside what takes longer."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def repeating(call: Callable[[], bool], seconds: float, *, patience: float) -> Iterator[None]:
    """Call after every so many seconds within this, until the call returns False.

    Leaving waits at most `patience` seconds for a call under way.  What one raises ends the repeating alone.
    """
    done = threading.Event()

    def keep() -> None:
        while not done.wait(seconds) and call():
            pass

    keeper = threading.Thread(target=keep, daemon=True)
    keeper.start()
    try:
        yield
    finally:
        done.set()
        keeper.join(timeout=patience)
