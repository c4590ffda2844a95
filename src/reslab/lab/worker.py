"""A process that trains runs one after the other, and stops when it is asked to, with a checkpoint."""

import argparse
import json
import os
import signal
import sys
from collections.abc import Iterable
from pathlib import Path
from types import FrameType

from reslab.errors import ResLabError
from reslab.lab.execute import Event, Settings, execute
from reslab.lab.store import RunFiles
from reslab.training.schedule import parse_epochs

INTERRUPTED = 130


class StopRequest:
    """Becomes true at Ctrl-C or SIGTERM, or when told; a second Ctrl-C ends the process at once."""

    def __init__(self) -> None:
        self._asked = False
        signal.signal(signal.SIGTERM, self._on_signal)
        signal.signal(signal.SIGINT, self._on_signal)

    def __call__(self) -> bool:
        """Say whether to stop."""
        return self._asked

    def ask(self) -> None:
        """Ask for the stop."""
        self._asked = True

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self._asked and number == signal.SIGINT:
            raise KeyboardInterrupt
        self._asked = True


def work(folders: Iterable[str], settings: Settings, stop: StopRequest) -> int:
    """Train the runs in `folders`, reporting each event as a line of JSON; return the exit code.

    A run that fails does not keep the next from being trained.  When nobody reads the events any more, the
    run at hand is checkpointed and left.
    """

    def report(event: Event) -> None:
        try:
            sys.stdout.write(json.dumps(event) + "\n")  # in one piece, even where output is unbuffered
            sys.stdout.flush()
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            stop.ask()

    code = 0
    for line in folders:
        if stop():
            break
        folder = Path(line.strip())
        try:
            execute(RunFiles(folder), settings, on_event=report, stop=stop)
        except ResLabError as error:
            code = error.exit_code
            report({"event": "settled", "folder": str(folder), "message": str(error), "exit_code": code})
        except Exception as error:  # what it was is in failure.json; the next run may do better
            code = 1
            report({"event": "settled", "folder": str(folder), "message": repr(error), "exit_code": code})
        else:
            report({"event": "settled", "folder": str(folder), "message": "", "exit_code": 0})
    return INTERRUPTED if stop() else code


def main() -> int:
    """Parse the command line of `python -m reslab.lab.worker` and work."""
    parser = argparse.ArgumentParser(prog="python -m reslab.lab.execute", description=__doc__)
    parser.add_argument("folders", nargs="+", metavar="RUN_DIR", help="folders of runs, or - to read them as lines")
    parser.add_argument("--data-root", type=Path, help="where the images are")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N or mps")
    parser.add_argument("--threads", type=int, help="threads of the processor")
    parser.add_argument("--checkpoint-seconds", type=float, default=60.0)
    parser.add_argument("--checkpoint-activations", action="store_true")
    parser.add_argument("--keep-epochs", type=_epochs, help="epochs whose weights are kept, as in 1,41,82, or none")
    arguments = vars(parser.parse_args())
    folders = arguments.pop("folders")
    return work(sys.stdin if folders == ["-"] else folders, Settings(**arguments), StopRequest())


def _epochs(text: str) -> tuple[int, ...]:
    try:
        return parse_epochs(text)
    except ResLabError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
