"""How fast this machine trains with several processes side by side: measured once and remembered.

Used to choose how many runs train at a time, to estimate times if no run of that precision has measured a speed, and
for what `reslab bench` says about runs side by side and studies.  Bench measures again; its comparison with the
textbook is a separate measurement (`reslab.lab.speeds.bench`).  Results stay in the user's cache until the device, the
number of cores, torch, the kernels or ResLab's version change.  Does not import torch, so that commands whose runs
train elsewhere start without it.
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
    """Return the speed of one of `jobs` runs that train ResNet-20 side by side, in the planner's work per second.

    Takes a few seconds the first time, and with `again`.  Without `again`, a measurement on a busy machine is not
    remembered.
    """
    path = _memory(device, precision, jobs)
    speed = None if again else _remembered(path)
    if speed is None:
        keep = again or not host.is_busy()
        speed = _side_by_side(device, precision, jobs)
        if keep and path is not None:
            with contextlib.suppress(OSError):  # an unwritable cache is no reason to stop
                path.parent.mkdir(parents=True, exist_ok=True)
                write_json(path, {_SPEED: speed})
    return speed


def is_measured(device: str, precision: str, jobs: int) -> bool:
    """Return whether `work_per_second` is remembered, so need not be measured."""
    return _remembered(_memory(device, precision, jobs)) is not None


def best_jobs(device: str, precision: str, most: int) -> int:
    """Return how many runs at a time, at most `most`, train the most images in total.

    Measures unknown speeds; on a busy machine, where that would be meaningless, returns the largest choice instead.
    """
    choices = [jobs for jobs in candidates(device) if jobs <= most]
    if len(choices) < 2:
        return 1
    if not all(is_measured(device, precision, jobs) for jobs in choices) and host.is_busy():
        return max(choices)
    return max(choices, key=lambda jobs: jobs * work_per_second(device, precision, jobs))


def candidates(device: str) -> tuple[int, ...]:
    """Return the numbers of runs at a time worth comparing: one, half the cores, all cores; up to six on a GPU."""
    kind, _ = machine_of(device)
    cores = host.usable_cores()
    return (
        tuple(sorted({1, max(1, cores // 2), cores})) if kind == "cpu" else (1, 2, 3, 4, 6) if kind == "cuda" else (1,)
    )


def share_threads(jobs: int) -> int:
    """Return the threads of each of `jobs` processes on this machine."""
    return max(1, host.usable_cores() // jobs)


def runs_each(device: str, jobs: int) -> int:
    """Return how many of `jobs` runs share a process: on a CUDA GPU, where processes only take turns, all; else one.

    But no more than can have two of PyTorch's streams each.
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
        # In their own sessions: Ctrl-C ends this process, which ends them, and they print nothing about it.
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
            with contextlib.suppress(BrokenPipeError):  # it has ended, which is reported below
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
    with contextlib.suppress(ResLabError, LookupError, ValueError, TypeError):  # if damaged, measure again
        if path is not None:
            return float((read_json(path) or {})[_SPEED])
    return None


_SPEED = "work_per_second"


def _memory(device: str, precision: str, jobs: int) -> Path | None:
    """Return the file that remembers the speed, one for each combination; None if there is no folder for it."""
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
    """Return the kind and name of the device."""
    if host.computes_on_cpu(device):
        return "cpu", host.cpu_name()
    from reslab.training.hardware import device_name, pick_device

    chosen = pick_device(device)
    return chosen.type, device_name(chosen)
