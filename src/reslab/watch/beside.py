"""The live page of a command that trains: a process of its own, which ends with the command and never holds it up."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import IO

from reslab.session.progress import Tell

END_SECONDS = 5.0
"""How long the page may take to end before it is killed."""

NICENESS = 10
"""The page waits for the training, not the other way round."""


@contextlib.contextmanager
def page_beside(root: Path, out: Path, *, tell: Tell) -> Iterator[None]:
    """Serve the page of a folder of runs while this lasts; `tell` gets its address as soon as there is one.

    Ctrl-C on the terminal does not reach the page: it shows how the runs end.  Whatever ends this process, the page
    ends with it, for its standard input closes.
    """
    command = [sys.executable, "-m", "reslab.watch.beside", str(root), str(out)]
    try:
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
    except OSError as error:
        tell(f"The live page did not start ({error.strerror or error}); the runs go on without it.")
        yield
        return
    assert process.stdin is not None
    assert process.stdout is not None
    telling = Thread(target=_tell_all, args=(process.stdout, tell), daemon=True)
    telling.start()
    try:
        yield
    finally:
        process.stdin.close()
        try:
            process.wait(timeout=END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        telling.join()
        process.stdout.close()


def _tell_all(said: IO[str], tell: Tell) -> None:
    for line in said:
        tell(line.rstrip("\n"))


def _say(words: str) -> bool:
    print(words, flush=True)
    return True


def main() -> None:
    """Serve the page of a command that holds the other end of standard input, until it closes."""
    from reslab.watch.serve import serve

    os.nice(NICENESS)
    serve(Path(sys.argv[1]), Path(sys.argv[2]), ends_with=sys.stdin, tell=_say)


if __name__ == "__main__":
    main()
