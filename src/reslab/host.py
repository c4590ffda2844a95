"""What can be known of this machine without importing torch, which takes seconds."""

import contextlib
import importlib.metadata
import importlib.util
import math
import os
import platform
import re
import sys
from functools import cache
from pathlib import Path, PurePosixPath

from reslab.errors import ResLabError, nearest

NATIVE_BF16 = frozenset({"avx512_bf16", "amx_bf16"})
"""Processor features that multiply bfloat16."""


SHARED_FILE_SYSTEMS = frozenset(
    [
        *("9p", "afs", "beegfs", "ceph", "ceph-fuse", "cifs", "glusterfs", "gpfs", "juicefs", "lustre", "nfs", "nfs4"),
        *("orangefs", "panfs", "pvfs2", "smb3", "sshfs", "wekafs"),
    ]
)
"""File system types, as Linux names them, that several machines can mount."""


def python() -> list[str]:
    """Return the command that starts Python without importing modules from the working folder.

    In a source checkout, where ResLab itself is imported from there, it does import from it.
    """
    with contextlib.suppress(OSError):  # the folder may be gone
        if Path(__file__).absolute().parents[1].samefile("."):
            return [sys.executable]
    return [sys.executable, "-P"]


def usable_cores() -> int:
    """Return the number of processor cores that this process may use, within a container's limit.

    A fraction of 0.25 or more rounds up: two threads beat one with the time of 1.25 cores, but not with less.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    limit = cores_in_time()
    return cores if limit is None else min(cores, max(1, int(limit + 0.75)))


def cores_in_time(proc: Path = Path("/proc"), groups: Path = Path("/sys/fs/cgroup")) -> float | None:
    """Return how many cores' time Linux's control groups (v1 and v2) allow this process, e.g. 1.5; None for no limit.

    That is the lowest limit of its group and all parent groups.
    """
    limits: list[float] = []
    for line in _lines(proc / "self" / "cgroup"):
        _, _, of = line.partition(":")
        controllers, _, path = of.partition(":")
        if controllers and "cpu" not in controllers.split(","):
            continue
        root = groups / controllers if (groups / controllers).exists() else groups / "cpu"
        group = PurePosixPath(path)
        for folder in (root / str(above).lstrip("/") for above in (group, *group.parents)):
            fields = " ".join(
                line for name in ("cpu.max", "cpu.cfs_quota_us", "cpu.cfs_period_us") for line in _lines(folder / name)
            ).split()
            if len(fields) == 2 and all(map(str.isdecimal, fields)) and int(fields[1]):  # max and -1 are no limit
                limits.append(int(fields[0]) / int(fields[1]))
    return min(limits, default=None)


def is_busy(proc: Path = Path("/proc")) -> bool:
    """Say whether other processes load the processor, so that no measurement made now is worth keeping.

    They must have done so over the last minute and still do: the load average alone would also count a training of
    ours that has just ended.
    """
    most = usable_cores() / 2
    return hasattr(os, "getloadavg") and os.getloadavg()[0] > most and _others_ready(proc) > most


def _others_ready(proc: Path) -> float:
    """Return how many other threads are ready to run (proc_loadavg(5)); infinity if that is unknown."""
    fields = " ".join(_lines(proc / "loadavg")).split()
    ready = fields[3].partition("/")[0] if len(fields) > 3 else ""
    return int(ready) - 1 if ready.isdecimal() else math.inf


def cpu_features() -> frozenset[str]:
    """Return the processor's feature flags as Linux names them; empty where they cannot be read."""
    for line in _cpu_lines():
        if line.startswith(("flags", "Features")):
            return frozenset(line.partition(":")[2].split())
    return frozenset()


def cpu_name() -> str:
    """Return the processor's name for readers."""
    for line in _cpu_lines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def default_precision(device: str = "auto") -> str:
    """Return the precision that is fast on this machine; RESLAB_PRECISION overrides.

    Imports torch only if the device may not be the CPU.
    """
    if chosen := os.environ.get("RESLAB_PRECISION"):
        return chosen
    if computes_on_cpu(device):
        return cpu_precision()
    hardware = importlib.import_module("reslab.training.hardware")  # by name: planning and reporting need no torch
    return str(hardware.fast_precision(hardware.pick_device(device)))


def cpu_precision() -> str:
    """Return bf16 if the processor multiplies it natively (AVX-512 BF16, AMX), else fp32."""
    return "bf16" if NATIVE_BF16 & cpu_features() else "fp32"


def torch_version() -> str:
    """Return the version of torch that is installed, e.g. 2.13.0+cpu, or "none"."""
    try:
        return importlib.metadata.version("torch")
    except importlib.metadata.PackageNotFoundError:
        return "none"


def torch_folder() -> Path | None:
    """Return where torch is installed, if it is."""
    spec = importlib.util.find_spec("torch")
    return None if spec is None or spec.origin is None else Path(spec.origin).parent


def check_device(device: str) -> None:
    """Raise `ResLabError` unless this is the name of a device; only torch knows whether this machine has it."""
    if not re.fullmatch(r"auto|(cpu|cuda|mps)(:\d+)?", device):
        hint = nearest(device, ("auto", "cpu", "cuda", "mps"))
        raise ResLabError(f"device must be auto, cpu, cuda, cuda:N or mps; not {device!r}{hint}")


def computes_on_cpu(device: str) -> bool:
    """Say whether `device` (auto, cpu, cuda ...) is certainly the CPU: requested, or all that torch is built for."""
    return device == "cpu" or (device == "auto" and torch_version().endswith("+cpu"))


@cache  # called for each batch of an evaluation
def _cpu_lines() -> list[str]:
    return _lines(Path("/proc/cpuinfo"))


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []


def is_shared(path: Path, mounts: Path = Path("/proc/self/mounts")) -> bool:
    """Say whether a path is on a file system that other machines may have mounted, as far as Linux reports."""
    there = path.absolute()
    while not there.exists() and there != there.parent:
        there = there.parent
    there, best, kind = there.resolve(), -1, ""
    for line in _lines(mounts):
        fields = line.split()
        if len(fields) < 3:
            continue
        point = Path(fields[1].replace("\\040", " "))
        if (there == point or point in there.parents) and len(point.parts) >= best:  # the last one mounted counts
            best, kind = len(point.parts), fields[2]
    return kind.removeprefix("fuse.") in SHARED_FILE_SYSTEMS
