"""A process that trains runs, one after another or side by side; when told to stop, it writes checkpoints.

python -m reslab.lab.execute RUN_DIR [RUN_DIR ...]     on a compute node, with a source checkout
python -m reslab.lab.execute -                         a worker: folders come in as lines, plain or JSON, events go out
"""

import argparse
import contextlib
import json
import math
import os
import stat
import sys
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TextIO

from reslab.arguments import check_least
from reslab.cache import settle_home
from reslab.errors import ResLabError, ShareError
from reslab.lab.folder.store import RunFiles
from reslab.lab.one_run import Event, execute
from reslab.lab.settings import Settings
from reslab.lab.stopping import INTERRUPTED, StopRequest
from reslab.training.schedule import parse_epochs

SPARSE_SECONDS = 10.0
"""Time between two progress lines of a run, when output goes to a file."""

_SPOILED = ("CUDA error", "INTERNAL ASSERT")
"""Words in errors from which the process cannot recover."""


def work(
    folders: Iterable[str],
    settings: Settings,
    stop: StopRequest,
    side_by_side: int = 1,
    write: Callable[[str], object] | None = None,
) -> int:
    """Train the runs in `folders`, reporting each event as a line of JSON; return the exit code.

    `side_by_side` of them train at a time, each in its own thread and, on a GPU, its own stream.  A failed run does not
    stop the others.  Lines go to `write`, one at a time, or are printed; when the reader of the output is gone, the
    current runs are checkpointed and left.
    """
    telling = threading.Lock()

    def report(event: Event) -> None:
        with telling:
            (write or partial(_print_line, sys.stdout, stop))(json.dumps(event) + "\n")

    def train(name: str) -> int:
        if stop():
            return 0
        folder = Path(name)
        code, message = 0, ""
        try:
            execute(RunFiles(folder), settings, on_event=report, stop=stop)
        except ResLabError as error:
            code, message = error.exit_code, str(error)
        except Exception as error:  # failure.json has the details; the next run may do better
            code, message = 1, repr(error)
        if any(words in message for words in _SPOILED):
            report({"event": "spoiled"})
        report({"event": "settled", "folder": str(folder), "message": message, "exit_code": code})
        return code

    if side_by_side == 1:
        codes = [train(name) for name in folders]
    else:
        with ThreadPoolExecutor(side_by_side) as pool:
            under_way = [pool.submit(train, name) for name in folders]
        codes = [one.result() for one in under_way]
    failures = [code for code in codes if code]
    if ShareError.exit_code in failures:  # takes precedence: this folder has what could not be sent
        return ShareError.exit_code
    return INTERRUPTED if stop() else failures[-1] if failures else 0


class _Sparse:
    """Leaves out most progress lines: a file of events is kept, and read repeatedly, throughout a long run."""

    def __init__(self, write: Callable[[str], object]) -> None:
        self._write = write
        self._last: dict[str, float] = {}

    def __call__(self, line: str) -> None:
        event, now = json.loads(line), time.monotonic()
        if event["event"] == "progress":
            if now - self._last.get(event["run"], -math.inf) < SPARSE_SECONDS:
                return
            self._last[event["run"]] = now
        self._write(line)


def _is_file(out: TextIO) -> bool:
    with contextlib.suppress(OSError, ValueError):
        return stat.S_ISREG(os.fstat(out.fileno()).st_mode)
    return False


def _print_line(out: TextIO, stop: StopRequest, line: str) -> None:
    try:
        out.write(line)  # in one piece, even where output is unbuffered
        out.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), out.fileno())
        stop.ask()


def main() -> int:
    """Parse the command line of `python -m reslab.lab.execute`, with which `reslab` starts workers, and work."""
    parser = argparse.ArgumentParser(
        prog="python -m reslab.lab.execute",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "folders", nargs="+", metavar="RUN_DIR", help="folders of runs, or - to read them as lines, plain or JSON"
    )
    parser.add_argument("--data-root", type=Path, help="where the images are")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N or mps")
    parser.add_argument("--threads", type=int, help="CPU threads, fixed; default: follow the load")
    parser.add_argument("--default-threads", type=int, help="threads to start with")
    parser.add_argument("--side-by-side", type=int, default=1, help="runs at a time, which share the device")
    parser.add_argument("--checkpoint-seconds", type=float, default=60.0)
    parser.add_argument("--checkpoint-activations", action="store_true")
    parser.add_argument("--trust-code", action="store_true", help="run the network code that the folders hold")
    parser.add_argument("--share", action="append", default=[], metavar="URL", help="where runs are shared, in order")
    parser.add_argument(
        "--push", action="store_true", help="send checkpoints and completed runs to the first share that takes them"
    )
    parser.add_argument("--keep-epochs", type=_epochs, help="epochs whose weights are kept, as in 1,41,82, or none")
    arguments = vars(parser.parse_args())
    folders, side_by_side = arguments.pop("folders"), arguments.pop("side_by_side")
    arguments["shares"] = tuple(arguments.pop("share"))
    settle_home()
    given = map(_folder, sys.stdin) if folders == ["-"] else folders
    out = sys.stdout
    # What a user's network prints must not get into the lines of the events.
    with StopRequest() as stop, contextlib.redirect_stdout(sys.stderr):
        write: Callable[[str], object] = partial(_print_line, out, stop)
        if _is_file(out):
            write = _Sparse(write)
        try:
            check_least("--side-by-side", side_by_side, 1)
            return work(given, Settings(**arguments), stop, side_by_side, write)
        except ResLabError as error:  # in the settings: those of a run are reported as events
            print(f"{parser.prog}: {error}", file=sys.stderr)
            return error.exit_code


def _folder(line: str) -> str:
    """Return the folder that a line names: as a string of JSON, as the launcher writes it, or as it is."""
    line = line.rstrip("\n")
    with contextlib.suppress(ValueError):
        if isinstance(name := json.loads(line), str):
            return name
    return line


def _epochs(text: str) -> tuple[int, ...]:
    try:
        return parse_epochs(text)
    except ResLabError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


if __name__ == "__main__":
    sys.exit(main())
