"""The command `reslab`, which is also `python -m reslab`: Ctrl-C ends it with one line and code 130 at any moment."""

import os
import signal
import sys

INTERRUPTED = 130


def main() -> int:
    """Run the command line and return its exit code."""
    heard = signal.getsignal(signal.SIGINT) is signal.default_int_handler  # not where a script leaves it in the shade
    if heard:
        signal.signal(signal.SIGINT, _leave)  # while modules load, an exception would be a traceback or be lost
    try:
        from reslab.cli import main as run

        if heard:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        code = run()
    except KeyboardInterrupt:  # a second one, while the first was answered
        code = INTERRUPTED
    if heard:
        signal.signal(signal.SIGINT, _leave)
    exec("")  # else Python, if it was interrupted in such a text (a dataclass has some), ends by the signal itself
    return code


def _leave(*_: object) -> None:
    os.write(2, b"reslab: interrupted\n")
    os._exit(INTERRUPTED)


if __name__ == "__main__":
    sys.exit(main())
