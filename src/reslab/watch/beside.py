"""The live page beside a training process: a separate process, which ends with it and never delays it."""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from threading import Thread
from typing import Any

from reslab.errors import ResLabError
from reslab.host import python
from reslab.session.progress import Tell
from reslab.watch.report import Report

END_SECONDS = 5.0
"""Seconds that the page may take to end before it is killed."""

NICENESS = 10
"""Priority: the page waits for the training, not the other way round."""


@contextlib.contextmanager
def page_beside(report: Report, tell: Tell) -> Iterator[None]:
    """Serve the page of a report's runs within this context; `tell` gets its address as soon as there is one.

    Ctrl-C on the terminal does not reach the page, so that it can show how the runs end.  However this process ends,
    the page ends with it, because its standard input closes.
    """
    try:
        process = start(report)
    except OSError as error:
        tell(f"The live page did not start ({error.strerror or error}); the runs go on without it.")
        yield
        return
    telling = telling_all(process, tell)
    try:
        yield
    finally:
        end(process, telling)


def start(report: Report, **options: Any) -> "subprocess.Popen[str]":
    """Start a page with these options of `serve`; it prints its messages on its standard output."""
    return subprocess.Popen(
        [*python(), "-m", "reslab.watch.beside", json.dumps({"report": report.as_text(), **options})],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def telling_all(process: "subprocess.Popen[str]", tell: Tell) -> Thread:
    """Pass on what a page prints from now on, as it comes."""

    def tell_all() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            tell(line.rstrip("\n"))

    thread = Thread(target=tell_all, daemon=True)
    thread.start()
    return thread


def end(process: "subprocess.Popen[str]", telling: Thread | None) -> None:
    """End a page, whatever it is doing."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.close()
    try:
        process.wait(timeout=END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if telling is not None:
        telling.join()
    process.stdout.close()


def _say(words: str) -> bool:
    print(words, flush=True)
    return True


def main() -> int:
    """Serve the page until standard input, whose other end the parent process holds, closes."""
    from reslab.watch.serve import serve

    os.nice(NICENESS)
    options = json.loads(sys.argv[1])
    report = Report.of_text(options.pop("report"))
    try:
        serve(report, **options, ends_with=sys.stdin, tell=_say)
    except ResLabError as error:
        _say(f"The live page did not start: {error}")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
