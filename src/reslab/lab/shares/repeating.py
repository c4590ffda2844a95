"""A call repeated on a background thread."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def repeating(call: Callable[[], bool], seconds: float, *, patience: float) -> Iterator[None]:
    """Within this, make the call every `seconds` until it returns False.

    Leaving waits at most `patience` seconds for a call in progress.  An error in a call only ends the repetition.
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
