"""The live page beside a command that trains: a process of its own, which ends with the command."""

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def page_beside(root: Path, out: Path) -> Iterator[None]:
    """Serve the page of a folder of runs while this lasts; its address is printed on standard error."""
    command = [sys.executable, "-m", "reslab", "watch", "--runs", str(root), "--out", str(out)]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
