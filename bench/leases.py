"""Two machines that repeatedly race for the same run, where the system's locks do not reach.

python bench/leases.py [TRIES]

Each try has two processes that pretend to be different machines, with system locks that do nothing, clocks that differ
by an hour, and one run.  Exactly one may hold it.  Every fourth try, the holder is killed, and the other must take the
run over.
"""

import contextlib
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SECONDS = 0.6

MACHINE = """
import contextlib, os, socket, sys, time
name, folder, ahead, patience = sys.argv[1], sys.argv[2], float(sys.argv[3]), float(sys.argv[4])
socket.gethostname = lambda: name
now = time.time
time.time = lambda: now() + ahead
from pathlib import Path
from reslab.errors import LockedError
from reslab.lab.folder import locks
locks.FileLock = lambda path, **_: (path.touch(), contextlib.nullcontext())[1]
end = time.monotonic() + patience
print("ready", flush=True)
sys.stdin.readline()
while True:
    try:
        with locks.hold(Path(folder)) as held:
            print("held", flush=True)
            sys.stdin.readline()
            locks.check_same(Path(folder), held)
        break
    except LockedError:
        if time.monotonic() > end:
            print("left", flush=True)
            break
"""


def machine(name: str, folder: Path, ahead: float, patience: float) -> "subprocess.Popen[str]":
    """Start a machine that tries to hold the run for up to `patience` seconds, once told to begin."""
    process = subprocess.Popen(
        [sys.executable, "-c", MACHINE, name, str(folder), str(ahead), str(patience)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "RESLAB_LEASE": str(SECONDS)},
    )
    assert said(process) == "ready"
    return process


def said(process: "subprocess.Popen[str]") -> str:
    """Return the next line of a machine."""
    assert process.stdout is not None
    return process.stdout.readline().strip()


def tell(process: "subprocess.Popen[str]") -> None:
    """Let a machine continue."""
    assert process.stdin is not None
    with contextlib.suppress(BrokenPipeError):
        process.stdin.write("\n")
        process.stdin.flush()


def race(folder: Path, *, kill: bool) -> list[str]:
    """Let two machines race for one run; return what each said, the winner first."""
    folder.mkdir()
    patience = 30.0 if kill else 0.0
    both = [machine(name, folder, ahead, patience) for name, ahead in (("one", 3600.0), ("other", -3600.0))]
    for process in both:
        tell(process)
    try:
        first = waits(both)
        loser = both[1 - both.index(first)]
        words = [said(first)]
        if kill:
            first.send_signal(signal.SIGKILL)
        words.append(said(loser))
        return words
    finally:
        for process in both:
            tell(process)
            process.kill()
            process.communicate()


def waits(both: list["subprocess.Popen[str]"]) -> "subprocess.Popen[str]":
    """Return the machine that speaks first."""
    ready, _, _ = select.select([process.stdout.fileno() for process in both if process.stdout], [], [], 60)
    return next(process for process in both if process.stdout and process.stdout.fileno() in ready)


def main() -> None:
    """Race as often as requested, and count."""
    tries = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    good, begun = 0, time.monotonic()
    with tempfile.TemporaryDirectory() as root:
        for number in range(tries):
            kill = number % 4 == 3
            words = race(Path(root) / str(number), kill=kill)
            good += words == (["held", "held"] if kill else ["held", "left"])
            if number % 20 == 19:
                print(f"{number + 1} tries: {good} with one trainer at a time", flush=True)
    print(f"{good} of {tries} with one trainer at a time, in {time.monotonic() - begun:.0f} s")
    sys.exit(good != tries)


if __name__ == "__main__":
    main()
