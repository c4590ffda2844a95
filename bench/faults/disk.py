"""The disk: a process that dies, or finds it full, at each of its changes of the disk in turn."""

import builtins
import errno
import io
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from plan import Plan, Tally, as_json, must, only_run, outcome, reslab, timed, timeless, train_arguments, whole

SAME = "the same command goes on to equal weights, metrics (but times) and result, manifest whole"
CHANGES = ("fsync", "replace", "rename", "unlink", "rmdir", "truncate", "mkdir")
"""Functions of the module os that change the disk, besides opening to write."""


def training(root: Path) -> list[str]:
    """Return a training of two epochs of two iterations, with all that a run may save."""
    return train_arguments(root, "fp32", 2, train_share=0.04, batch_size=32, keep_epochs="1")


def diagnosing(root: Path) -> list[str]:
    """Return a diagnosis of the run below a folder, of two cheap diagnostics."""
    return [
        "diagnose",
        str(only_run(root).path),
        "--which",
        "gap,responses",
        "--budget",
        "quick",
        "--device",
        "cpu",
        "--json",
    ]


def killed_while_training(plan: Plan) -> Tally:
    """SIGKILL right before each change of the disk, from the first to the last, within every phase of saving."""
    tally = Tally(
        "phases",
        "SIGKILL before each change of the disk in turn: checkpoint, metrics, kept weights, weights, manifest, result",
        SAME,
    )
    with timed(tally):
        place = plan.fresh("phases")
        must(training(place / "whole"), place)
        expected = outcome(place / "whole")
        for step in _steps(plan):
            root = place / f"step {step}"
            ended = reslab(training(root), place, before=partial(dies_at, step)).wait()
            again = reslab(training(root), place).wait()
            same = again.code == 0 and outcome(root) == expected and whole(root)
            tally.note(same and ended.code in (0, -signal.SIGKILL), f"step {step}: {ended.code}, {again.err[-200:]}")
            shutil.rmtree(root)
            if ended.code == 0:
                break
    return tally


def killed_while_diagnosing(plan: Plan) -> Tally:
    """SIGKILL right before each change of the disk while a finished run is measured."""
    tally = Tally(
        "phases",
        "SIGKILL before each change of the disk in turn: diagnostics",
        "no file looks damaged; the same command ends as if nothing had been",
    )
    with timed(tally):
        place = plan.fresh("diagnosed")
        must(training(place / "whole"), place)
        shutil.copytree(place / "whole", place / "measured")
        expected = _diagnosis(reslab(diagnosing(place / "measured"), place).wait().out)
        for step in _steps(plan):
            root = shutil.copytree(place / "whole", place / f"step {step}")
            ended = reslab(diagnosing(root), place, before=partial(dies_at, step)).wait()
            is_whole = whole(root)
            again = reslab(diagnosing(root), place).wait()
            same = again.code == 0 and _diagnosis(again.out) == expected
            tally.note(
                is_whole and same and whole(root), f"step {step}: {ended.code}, whole {is_whole}, {again.err[-200:]}"
            )
            shutil.rmtree(root)
            if ended.code == 0:
                break
    return tally


def full_while_training(plan: Plan) -> Tally:
    """The disk is full from each write on in turn, until the command has ended; then there is room again."""
    tally = Tally("full disk", "disk full from each write on in turn: `train`", f"said in words (exit code 2); {SAME}")
    with timed(tally):
        place = plan.fresh("full")
        must(training(place / "whole"), place)
        expected = outcome(place / "whole")
        for step in _steps(plan):
            root = place / f"step {step}"
            ended = reslab(training(root), place, before=partial(full_from, step)).wait()
            again = reslab(training(root), place).wait()
            in_words = ended.code == 0 or (ended.code == 2 and ended.is_in_words and "No space left" in ended.err)
            same = again.code == 0 and outcome(root) == expected and whole(root)
            tally.note(in_words and same, f"step {step}: {ended.code} {ended.err[-300:]}, {again.err[-200:]}")
            shutil.rmtree(root)
            if ended.code == 0:
                break
    return tally


def full_while_diagnosing(plan: Plan) -> Tally:
    """The disk is full from each write on in turn while a finished run is measured."""
    tally = Tally(
        "full disk",
        "disk full from each write on in turn: `diagnose`",
        "said in words (exit code 2); goes on afterwards",
    )
    with timed(tally):
        place = plan.fresh("full diagnosis")
        must(training(place / "whole"), place)
        for step in _steps(plan):
            root = shutil.copytree(place / "whole", place / f"step {step}")
            ended = reslab(diagnosing(root), place, before=partial(full_from, step)).wait()
            is_whole = whole(root)
            again = reslab(diagnosing(root), place).wait()
            in_words = ended.code == 0 or (ended.code == 2 and ended.is_in_words and "No space left" in ended.err)
            tally.note(
                in_words and is_whole and again.code == 0 and whole(root),
                f"step {step}: {ended.code} {ended.err[-300:]}",
            )
            shutil.rmtree(root)
            if ended.code == 0:
                break
    return tally


def full_while_reporting(plan: Plan) -> Tally:
    """The disk is full from each write on in turn while a report is written."""
    tally = Tally(
        "full disk", "disk full from each write on in turn: `report`", "said in words (exit code 2); written afterwards"
    )
    with timed(tally):
        place = plan.fresh("full report")
        root = place / "runs"
        must(training(root), place)
        report = ["report", "--runs", str(root), "--out"]
        must([*report, str(place / "whole")], place)
        expected = (place / "whole" / "report.md").read_bytes()
        for step in _steps(plan, sparse=5):
            out = place / f"report {step}"
            ended = reslab([*report, str(out)], place, before=partial(full_from, step)).wait()
            in_words = ended.code == 0 or (ended.code == 2 and ended.is_in_words and "No space left" in ended.err)
            again = reslab([*report, str(out)], place).wait()
            same = again.code == 0 and (out / "report.md").read_bytes() == expected
            tally.note(in_words and same, f"step {step}: {ended.code} {ended.err[-300:]}, {again.err[-200:]}")
            if ended.code == 0:
                break
    return tally


def _steps(plan: Plan, sparse: int = 1) -> Iterator[int]:
    """Yield the steps to fail at, some only in the short form; who asks stops after the last that there is."""
    yield from range(0, 10_000, 45 if plan.is_short else sparse)


def _diagnosis(text: str) -> Any:
    content = as_json(text) or {}
    return {name: timeless(entry) for name, entry in content.get("diagnostics", {}).items()}


def dies_at(step: int) -> None:
    """Let this process die right before its n-th change of the disk, counted from 0."""

    def die() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    _at(step, die, is_lasting=False)


def full_from(step: int) -> None:
    """Let every change of the disk from the n-th on fail as on a full disk; half of what is written gets there."""

    def fail() -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    _at(step, fail, is_lasting=True, spares=("unlink", "rmdir"))


def _at(step: int, act: Callable[[], None], *, is_lasting: bool, spares: tuple[str, ...] = ()) -> None:
    left = [step]

    def count() -> None:
        left[0] -= 1
        if left[0] == -1 or (is_lasting and left[0] < 0):
            act()

    def counting(real: Callable[..., Any]) -> Callable[..., Any]:
        def change(*arguments: Any, **options: Any) -> Any:
            count()
            return real(*arguments, **options)

        return change

    for name in CHANGES:
        if name not in spares:
            setattr(os, name, counting(getattr(os, name)))
    real_os_open, real_open = os.open, io.open

    def os_open(path: Any, flags: int, *arguments: Any, **options: Any) -> int:
        if flags & os.O_CREAT:
            count()
        return real_os_open(path, flags, *arguments, **options)

    def open_(file: Any, mode: str = "r", *arguments: Any, **options: Any) -> Any:
        if not isinstance(file, int) and set(mode) & set("wax+"):
            count()
            return _Written(real_open(file, mode, *arguments, **options), count)
        return real_open(file, mode, *arguments, **options)

    os.open = os_open
    io.open = builtins.open = open_


class _Written:
    """A file whose writes are counted; of one that fails, half is written."""

    def __init__(self, file: Any, count: Callable[[], None]) -> None:
        self._file, self._count = file, count

    def write(self, content: Any) -> Any:
        """Write, or fail with half of it written."""
        try:
            self._count()
        except OSError:
            self._file.write(content[: len(content) // 2])
            self._file.flush()
            raise
        return self._file.write(content)

    def __enter__(self) -> "_Written":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __iter__(self) -> Iterator[Any]:
        return iter(self._file)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


KINDS: dict[str, Callable[[Plan], list[Tally]]] = {
    "phases": lambda plan: [killed_while_training(plan), killed_while_diagnosing(plan)],
    "full-disk": lambda plan: [full_while_training(plan), full_while_diagnosing(plan), full_while_reporting(plan)],
}
