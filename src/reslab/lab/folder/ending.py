"""How a run ends: its manifest, then its last file; and the completion of what a kill right after that left undone."""

import contextlib
import shutil
from collections.abc import Mapping
from typing import Any, Literal

from reslab.errors import ResLabError
from reslab.files import Json, json_bytes, now, printable, write_whole, writing
from reslab.lab.folder import manifest, metrics
from reslab.lab.folder.store import FORMAT, RunFiles, signed_where_read


def end(files: RunFiles, name: Literal["result.json", "failure.json"], content: Mapping[str, Any]) -> None:
    """Write the manifest of all the run's files, then the file that ends the run."""
    files.check_held()
    last = json_bytes(signed_where_read(name, content))
    with writing(files.path):
        manifest.seal(files.path, {name: last})
        write_whole(files.path / name, last)


def fail(files: RunFiles, kind: str, message: str, trace: str | None = None) -> None:
    """Write failure.json for a run that can be retried; `kind` is out-of-memory, killed or error.

    The failure is dated to the last epoch written.
    """
    files.write("failure.json", _failure(files, kind, message, trace, None))


def lost(files: RunFiles, message: str, trace: str | None = None) -> None:
    """Record that a run was lost with its process, unless the process recorded the end, or nothing can be written."""
    with contextlib.suppress(ResLabError):
        if files.ended() is None and files.failure() is None:
            fail(files, "killed", message, trace)


def diverge(files: RunFiles, message: str, at: tuple[int, int]) -> None:
    """End the run as diverged; `at` is the epoch and the number of iterations."""
    end(files, "failure.json", _failure(files, "diverged", message, None, at))


def settle(files: RunFiles) -> None:
    """Complete what a kill right after the end, or an older version, left undone: the manifest, and tidying up."""
    seal(files)
    tidy(files)


def seal(files: RunFiles) -> None:
    """Write the manifest of an ended run that has none, such as one from an older version.

    Does nothing if the weights are not those that the run ended with, or if nothing can be written; weights may be
    absent, as in a partial copy.
    """
    if manifest.exists(files.path) or files.ended() is None or not files.is_of(files.read_run()):
        return
    files.check()
    if files.weights.exists() and not files.has_its_weights():
        return
    with contextlib.suppress(ResLabError), files.lock(), writing(files.path):
        manifest.seal(files.path, {})


def tidy(files: RunFiles) -> None:
    """Remove what is no longer needed once the run has ended."""
    shutil.rmtree(files.checkpoints, ignore_errors=True)
    with contextlib.suppress(OSError):
        metrics.forget_sums(files.path)


def _failure(files: RunFiles, kind: str, message: str, trace: str | None, at: tuple[int, int] | None) -> Json:
    rows: list[Json] = []
    name = "/".join(files.path.resolve().parts[-2:])
    with contextlib.suppress(ResLabError):  # damaged files may be the failure itself
        name = files.read_run().id
        rows = files.metrics()
    epoch, iteration = at or ((rows[-1]["epoch"], rows[-1].get("iteration") or 0) if rows else (0, 0))
    return {
        "format": FORMAT,
        "run": name,
        "kind": kind,
        "message": printable(message),
        "traceback": None if trace is None else printable(trace),
        "epoch": epoch,
        "iteration": iteration,
        "time": now(),
    }
