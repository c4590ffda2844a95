"""What all kinds of fault share: runs to try them on, children that run `reslab`, and what a try came to.

The process that forks has imported torch and read the digits, so that a child starts at once.  It runs no operation of
torch's: the children start as fresh as a new process would.
"""

import contextlib
import itertools
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reslab.files import Json
from reslab.lab.folder.finding import find_runs
from reslab.lab.folder.store import RunFiles

TIMED = ("seconds", "images_per_second", "peak_memory_bytes")
DAMAGED, DATA, LOCKED, INTERRUPTED = 5, 4, 8, 130


@dataclass
class Tally:
    """What one kind of fault came to: `tried` times, `held` as often as what is promised held."""

    kind: str
    fault: str
    promise: str
    tried: int = 0
    held: int = 0
    broken: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def note(self, holds: object, words: str) -> None:
        """Count a try; `words` say which it was, and are kept where the promise did not hold."""
        self.tried += 1
        if holds:
            self.held += 1
        else:
            self.broken.append(words)


@dataclass(frozen=True)
class Plan:
    """How much is tried, by which seed, and where."""

    folder: Path
    seed: int = 0
    is_short: bool = False
    data_root: Path | None = None
    """Of the real CIFAR, where it is there."""

    def chance(self, name: str) -> random.Random:
        """Return the random numbers of one kind."""
        return random.Random(f"{self.seed} {name}")

    def some(self, *what: str) -> tuple[str, ...]:
        """Return all of these, or the first in the short form."""
        return what[:1] if self.is_short else what

    def fresh(self, name: str) -> Path:
        """Return a new folder of this name."""
        path = self.folder / name
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir(parents=True)
        return path


@dataclass(frozen=True)
class Ended:
    """How a child ended: exit code (negative for a signal), what it printed, and the most memory that it had."""

    code: int
    out: str
    err: str
    memory_bytes: int

    @property
    def is_in_words(self) -> bool:
        """Whether it says what is wrong as ResLab does, without a traceback."""
        return "reslab: " in self.err and "Traceback" not in self.out + self.err


class Child:
    """A process that runs a function, with its output in files."""

    def __init__(self, call: Callable[[], int], where: Path) -> None:
        where.mkdir(parents=True, exist_ok=True)
        self._out, self._err = where / "stdout", where / "stderr"
        sys.stdout.flush()
        sys.stderr.flush()
        self.pid = os.fork()
        if self.pid == 0:
            self._run(call)
        self._ended: Ended | None = None

    def _run(self, call: Callable[[], int]) -> None:
        code = 1
        try:
            os.setsid()
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            os.dup2(os.open(self._out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 1)
            os.dup2(os.open(self._err, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 2)
            sys.stdout, sys.stderr = open(1, "w", closefd=False), open(2, "w", closefd=False)  # noqa: SIM115
            code = call()
            sys.stdout.flush()
            sys.stderr.flush()
        except SystemExit as leaving:
            code = leaving.code if isinstance(leaving.code, int) else 1
        except KeyboardInterrupt:  # before or after `reslab` has its own word on it
            code = INTERRUPTED
        except BaseException:
            sys.excepthook(*sys.exc_info())
            sys.stderr.flush()
        finally:
            os._exit(code)

    def send(self, number: int) -> None:
        """Send a signal, unless the child has ended."""
        if not self.has_ended():
            os.kill(self.pid, number)

    def has_ended(self) -> bool:
        """Say whether the child has ended by now."""
        if self._ended is None:
            self._reap(os.WNOHANG)
        return self._ended is not None

    def wait(self, seconds: float = 300.0) -> Ended:
        """Wait for the end; a child that takes longer is killed."""
        end = time.monotonic() + seconds
        while not self.has_ended() and time.monotonic() < end:
            time.sleep(0.005)
        if self._ended is None:
            os.kill(self.pid, signal.SIGKILL)
            self._reap(0)
        assert self._ended is not None
        return self._ended

    def _reap(self, options: int) -> None:
        pid, status, usage = os.wait4(self.pid, options)
        if pid:
            out, err = (path.read_text(errors="replace") if path.exists() else "" for path in (self._out, self._err))
            self._ended = Ended(os.waitstatus_to_exitcode(status), out, err, usage.ru_maxrss * 1024)


def reslab(
    arguments: list[str], where: Path, *, before: Callable[[], object] = lambda: None, forks_workers: bool = True
) -> Child:
    """Start `reslab ARGUMENTS` in a child, after `before()` in it; its workers, if any, are forked as it was."""

    def call() -> int:
        from reslab.cli import main

        if forks_workers:
            _fork_workers()
        before()
        return main(arguments)

    return Child(call, where)


def must(arguments: list[str], where: Path) -> Ended:
    """Return how `reslab ARGUMENTS` ended that nothing disturbs; raise AssertionError unless that was well."""
    ended = reslab(arguments, where).wait()
    assert ended.code == 0, (arguments, ended)
    return ended


def train_arguments(root: Path, precision: str, epochs: int, **more: object) -> list[str]:
    """Return a `reslab train` of ResNet-8 on a tenth of the digits, 5 iterations an epoch."""
    given = {"train_share": 0.1, "threads": 1, "checkpoint_seconds": 0, "device": "cpu", **more}
    flags = [text for name, value in given.items() for text in (f"--{name.replace('_', '-')}", str(value))]
    size = ["--dataset", "digits", "--depth", "8", "--epochs", str(epochs), "--precision", precision]
    return ["train", *size, "--runs", str(root), *flags]


STUDY = """
name = "tiny"
dataset = "digits"
depth = 8
epochs = {epochs}
seeds = 1

[recipe]
train_share = 0.1

[vary]
learning_rate = [0.05, 0.1]
"""


def run_arguments(root: Path, precision: str, epochs: int) -> list[str]:
    """Return a `reslab run --jobs 2` of two such trainings."""
    root.mkdir(parents=True, exist_ok=True)
    study = root.parent / f"tiny-{epochs}.toml"
    study.write_text(STUDY.format(epochs=epochs))
    how = ["--jobs", "2", "--checkpoint-seconds", "0", "--device", "cpu", "--no-report", "--no-diagnose"]
    return ["run", str(study), "--precision", precision, "--runs", str(root), *how]


def outcome(root: Path) -> dict[str, Any]:
    """Return what the runs below a folder came to, but for times: weights, kept ones too, metrics, result."""
    found: dict[str, Any] = {}
    for files in find_runs(root):
        weights = {path.name: path.read_bytes() for path in sorted(files.path.rglob("*.safetensors"))}
        rows = [timeless(row) for row in files.metrics()]
        found["/".join(files.path.parts[-2:])] = (files.status(), weights, rows, timeless(files.result() or {}))
    return found


def differences(root: Path, expected: Mapping[str, Any]) -> list[str]:
    """Return what differs from the expected outcome, or is not as its manifest says; nothing where all is well."""
    found, words = outcome(root), []
    for run, (status, weights, rows, result) in expected.items():
        if run not in found:
            words.append(f"{run} is not there")
            continue
        parts = {
            "status": (status, found[run][0]),
            **{name: (weights.get(name), found[run][1].get(name)) for name in weights.keys() | found[run][1].keys()},
            **{f"epoch {n}": pair for n, pair in enumerate(itertools.zip_longest(rows, found[run][2]), start=1)},
            "result": (result, found[run][3]),
        }
        words += [f"{run}: {name}{_shown(*pair)}" for name, pair in parts.items() if pair[0] != pair[1]]
    return words + ([] if whole(root) else ["a manifest"])


def _shown(expected: Any, found: Any) -> str:
    if isinstance(expected, dict) and isinstance(found, dict):
        return str({name: (expected[name], found.get(name)) for name in expected if expected[name] != found.get(name)})
    return "" if bytes in (type(expected), type(found)) else f" {expected!r}, {found!r}"


def timeless(content: Mapping[str, Any]) -> Json:
    """Return a record without what depends on the clock and the machine."""
    return {name: value for name, value in content.items() if name not in TIMED}


def whole(root: Path) -> bool:
    """Say whether every file of every run below a folder is as its manifest says."""
    return all(not files.check_files() for files in find_runs(root))


def only_run(root: Path) -> RunFiles:
    """Return the one run below a folder."""
    (files,) = find_runs(root)
    return files


def bound(memory_bytes: int, cpu_seconds: int) -> None:
    """Let this process have no more than so much more memory than it has, and so much time."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + memory_bytes
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds))


@contextlib.contextmanager
def timed(tally: Tally) -> Iterator[Tally]:
    """Note how long a kind of fault takes."""
    begun = time.monotonic()
    yield tally
    tally.seconds += time.monotonic() - begun


def children_of(pid: int) -> list[int]:
    """Return the processes that a process has started and that have not ended."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, parent = path.read_text().rpartition(")")[2].split()[:2]
            if int(parent) == pid and state != "Z":
                found.append(int(path.parent.name))
    return found


def load_all() -> None:
    """Import what trains, measures and reports, and read the digits, without an operation of torch's."""
    import reslab.cli.diagnose
    import reslab.cli.evaluate
    import reslab.cli.overview
    import reslab.cli.run
    import reslab.cli.train  # noqa: F401
    from reslab.kernels.build import kernels
    from reslab.lab import attempt, diagnose, execute  # noqa: F401
    from reslab.lab.folder import provenance
    from reslab.lab.speeds import speed

    speed._side_by_side = lambda *_: 1e6  # an estimate is not what is looked at
    attempt.load_once("digits", None)
    provenance._source()
    kernels()


def _fork_workers() -> None:
    """Let the launcher fork its workers, where it would start `python -m reslab.lab.execute`."""
    from reslab.lab import launch

    launch.subprocess = _Forking  # type: ignore[attr-defined, assignment]


class _Forking:
    """As much of the module subprocess as the launcher uses."""

    PIPE = subprocess.PIPE

    class Popen:
        """A forked process that runs a worker's main()."""

        def __init__(self, command: list[str], **_: Any) -> None:
            pipes = [os.pipe() for _ in range(3)]
            self.returncode: int | None = None
            self.pid = os.fork()
            if self.pid == 0:
                given = command[command.index("-m") + 2 :]
                _work(given, [pipes[0][0], pipes[1][1], pipes[2][1]], [end for pipe in pipes for end in pipe])
            for end in (pipes[0][0], pipes[1][1], pipes[2][1]):
                os.close(end)
            self.stdin = os.fdopen(pipes[0][1], "w")
            self.stdout = os.fdopen(pipes[1][0], errors="replace")
            self.stderr = os.fdopen(pipes[2][0], errors="replace")

        def poll(self) -> int | None:
            """Return the exit code, if there is one."""
            return self._wait(os.WNOHANG)

        def wait(self) -> int | None:
            """Wait for the end."""
            return self._wait(0)

        def kill(self) -> None:
            """Send SIGKILL."""
            os.kill(self.pid, signal.SIGKILL)

        def send_signal(self, number: int) -> None:
            """Send a signal."""
            os.kill(self.pid, number)

        def _wait(self, options: int) -> int | None:
            if self.returncode is None:
                pid, status = os.waitpid(self.pid, options)
                self.returncode = os.waitstatus_to_exitcode(status) if pid else None
            return self.returncode


def _work(arguments: list[str], ends: list[int], pipes: list[int]) -> None:
    code = 1
    try:
        os.setsid()
        for number, end in enumerate(ends):
            os.dup2(end, number)
        os.closerange(3, max(pipes) + 1)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        sys.stdin, sys.stdout, sys.stderr = (open(number, mode) for number, mode in ((0, "r"), (1, "w"), (2, "w")))  # noqa: PTH123, SIM115
        from reslab.lab.execute import main

        sys.argv = ["reslab.lab.execute", *arguments]
        code = main()
        sys.stdout.flush()
    except BaseException:
        sys.excepthook(*sys.exc_info())
        sys.stderr.flush()
    finally:
        os._exit(code)


def as_json(text: str) -> Any:
    """Return what a verb printed with --json, or None where it printed none."""
    with contextlib.suppress(ValueError):
        return json.loads(text)
    return None
