"""The command `reslab` (or `python -m reslab`): Ctrl-C ends it at any moment with one line and exit code 130."""

import os
import signal
import sys

INTERRUPTED = 130


def main() -> int:
    """Run the command line and return its exit code."""
    heard = signal.getsignal(signal.SIGINT) is signal.default_int_handler  # a background job of a script ignores SIGINT
    if heard:
        signal.signal(signal.SIGINT, _leave)  # while modules load, KeyboardInterrupt would show a traceback or be lost
    try:
        from reslab.cli import main as run

        if heard:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        code = run()
    except KeyboardInterrupt:  # a second Ctrl-C while the first was being handled
        code = INTERRUPTED
    if heard:
        signal.signal(signal.SIGINT, _leave)
    exec("")  # else, if exec'd text (dataclasses use it) was interrupted, Python ends by killing itself with SIGINT
    return code


def _leave(*_: object) -> None:
    os.write(2, b"reslab: interrupted\n")
    os._exit(INTERRUPTED)


if __name__ == "__main__":
    sys.exit(main())
