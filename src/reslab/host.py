"""This machine as far as it can be known without torch, whose import takes seconds."""

import importlib.metadata
import importlib.util
import os
import platform
from pathlib import Path

NATIVE_BF16 = frozenset({"avx512_bf16", "amx_bf16"})
"""Processor features that multiply bfloat16."""


def usable_cores() -> int:
    """Return the number of processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def is_busy() -> bool:
    """Say whether other work than ours takes the processor, so that nothing measured now would be worth keeping."""
    return hasattr(os, "getloadavg") and os.getloadavg()[0] > usable_cores() / 2


def cpu_features() -> frozenset[str]:
    """Return the processor's feature flags as Linux names them; empty where they cannot be read."""
    for line in _cpu_lines():
        if line.startswith(("flags", "Features")):
            return frozenset(line.partition(":")[2].split())
    return frozenset()


def cpu_name() -> str:
    """Return the name of the processor, for people."""
    for line in _cpu_lines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def cpu_precision() -> str:
    """Return bf16 where the processor multiplies it natively (AVX-512 bf16, AMX), else fp32."""
    return "bf16" if NATIVE_BF16 & cpu_features() else "fp32"


def torch_version() -> str:
    """Return the version of torch that is installed, as in 2.13.0+cpu; none where there is none."""
    try:
        return importlib.metadata.version("torch")
    except importlib.metadata.PackageNotFoundError:
        return "none"


def torch_folder() -> Path | None:
    """Return where torch is installed, if it is."""
    spec = importlib.util.find_spec("torch")
    return None if spec is None or spec.origin is None else Path(spec.origin).parent


def computes_on_cpu(device: str) -> bool:
    """Say whether `device` (auto, cpu, cuda ...) is surely the processor: asked for, or torch is built for no other."""
    return device == "cpu" or (device == "auto" and torch_version().endswith("+cpu"))


def _cpu_lines() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text().splitlines() if path.exists() else []
