"""How fast this machine trains, by processes that train side by side: measured once and remembered.

It serves the choice of how many runs train at a time, the estimates where no run of that precision is there to tell the
speed, and what `reslab bench` says of runs side by side and of studies.  Bench measures anew; its table beside the
textbook's way is a measurement of its own (`reslab.lab.speeds.bench`).  What is measured is kept in the user's cache
until the device, the number of cores, torch, the kernels or ResLab's version change.  Imports no torch, so that a
command whose runs train elsewhere starts without it.
"""

import contextlib
import hashlib
import json
import os
import subprocess
from pathlib import Path

import reslab
from reslab import host
from reslab.cache import cached
from reslab.errors import ResLabError
from reslab.files import read_json, write_json
from reslab.kernels.build import gpu_source_key, source_key

MOST_SIDE_BY_SIDE = 16


def work_per_second(device: str, precision: str, jobs: int, *, again: bool = False) -> float:
    """Return the speed of one of `jobs` processes that train ResNet-20 side by side, in the planner's work.

    Takes some seconds the first time, and whenever `again` is asked for.  What is measured on a busy machine without
    being asked for is not remembered.
    """
    path = _memory(device, precision, jobs)
    speed = None if again else _remembered(path)
    if speed is None:
        keep = again or not host.is_busy()
        speed = _side_by_side(device, precision, jobs)
        if keep and path is not None:
            with contextlib.suppress(OSError):  # a cache that cannot be written is no reason to stop
                path.parent.mkdir(parents=True, exist_ok=True)
                write_json(path, {_SPEED: speed})
    return speed


def is_measured(device: str, precision: str, jobs: int) -> bool:
    """Return whether `work_per_second` is remembered, so that it need not measure."""
    return _remembered(_memory(device, precision, jobs)) is not None


def best_jobs(device: str, precision: str, most: int) -> int:
    """Return how many runs at a time, at most `most`, train the most images in all.

    Measured where not known; on a busy machine, where that would tell nothing, it is the most that it could be.
    """
    choices = [jobs for jobs in candidates(device) if jobs <= most]
    if len(choices) < 2:
        return 1
    if not all(is_measured(device, precision, jobs) for jobs in choices) and host.is_busy():
        return max(choices)
    return max(choices, key=lambda jobs: jobs * work_per_second(device, precision, jobs))


def candidates(device: str) -> tuple[int, ...]:
    """Return the numbers of runs at a time worth comparing: one, half the cores, each core; up to six share a card."""
    kind, _ = machine_of(device)
    cores = host.usable_cores()
    return (
        tuple(sorted({1, max(1, cores // 2), cores})) if kind == "cpu" else (1, 2, 3, 4, 6) if kind == "cuda" else (1,)
    )


def share_threads(jobs: int) -> int:
    """Return the threads of each of `jobs` processes on this machine."""
    return max(1, host.usable_cores() // jobs)


def runs_each(device: str, jobs: int) -> int:
    """Return how many of `jobs` runs share a process: on a CUDA card, where processes only take turns, all; else one.

    But no more than have two streams each to themselves, of those that PyTorch deals out.
    """
    return min(jobs, MOST_SIDE_BY_SIDE) if machine_of(device)[0] == "cuda" else 1


def _side_by_side(device: str, precision: str, jobs: int) -> float:
    each = runs_each(device, jobs)
    command = [
        *host.python(),
        "-m",
        "reslab.lab.speeds.stepping",
        device,
        precision,
        str(share_threads(jobs)),
        str(each),
    ]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    processes = [
        # In sessions of their own: Ctrl-C ends this process, which ends them, and they say nothing of it.
        subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
            start_new_session=True,
        )
        for _ in range(-(-jobs // each))
    ]
    try:
        heard = [_line(process) for process in processes]  # each is ready
        for process in processes:
            with contextlib.suppress(BrokenPipeError):  # it has ended, which is told below
                print("go", file=process.stdin, flush=True)
        heard = [_line(process) for process in processes]
        return sum(map(float, heard)) / jobs
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def _line(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise ResLabError(
            f"the speed could not be measured: a process ended with exit code {process.wait()}; "
            "set the number of runs to train at a time with --jobs"
        )
    return line


def _remembered(path: Path | None) -> float | None:
    with contextlib.suppress(ResLabError, LookupError, ValueError, TypeError):  # what is damaged is measured again
        if path is not None:
            return float((read_json(path) or {})[_SPEED])
    return None


_SPEED = "work_per_second"


def _memory(device: str, precision: str, jobs: int) -> Path | None:
    """Return the file that remembers, one for each number of processes; None where no folder takes it."""
    kind, name = machine_of(device)
    facts = (
        kind,
        name,
        host.usable_cores(),
        host.torch_version(),
        gpu_source_key() if kind == "cuda" else source_key(),
        reslab.__version__,
        precision,
        jobs,
    )
    with contextlib.suppress(ResLabError):
        return cached("speed", f"{hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]}.json")
    return None


def machine_of(device: str) -> tuple[str, str]:
    """Return kind and name of what is computed with."""
    if host.computes_on_cpu(device):
        return "cpu", host.cpu_name()
    from reslab.training.hardware import device_name, pick_device

    chosen = pick_device(device)
    return chosen.type, device_name(chosen)
