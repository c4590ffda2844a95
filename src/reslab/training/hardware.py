"""What this machine computes with, and how: device, fast precision, streams, the same bits for a seed, memory, name."""

import contextlib
import ctypes
import os
import platform
import resource
import sys
from contextlib import AbstractContextManager

import torch

from reslab.errors import ResLabError
from reslab.host import cpu_name, cpu_precision, usable_cores
from reslab.kernels.gpu_device import stream_of_thread
from reslab.recipe import unhandled


def pick_device(name: str = "auto") -> torch.device:
    """Return the device called auto, cpu, cuda, cuda:1 or mps; auto is the first of cuda, mps, cpu that is here."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    kind, colon, index = name.partition(":")
    available = {
        "cpu": 1,
        "cuda": torch.cuda.device_count(),
        "mps": int(torch.backends.mps.is_available()),
    }
    if kind not in available or index.isdecimal() != bool(colon):
        raise ResLabError(f"device must be auto, cpu, cuda, cuda:N or mps; not {name!r}")
    if int(index or 0) >= available[kind]:
        raise ResLabError(f"device {name} is not on this machine; try --device auto")
    return torch.device(name)


def fast_precision(device: torch.device) -> str:
    """Return bf16 where the processor multiplies it natively (AVX-512 bf16, AMX, NVIDIA from Ampere on), else fp32."""
    if device.type == "cuda":
        return "bf16" if torch.cuda.get_device_capability(device) >= (8, 0) else "fp32"
    return cpu_precision() if device.type == "cpu" else "fp32"


def arithmetic(device: torch.device, precision: str) -> AbstractContextManager[object]:
    """Return the context in which a network computes in `precision`; weights stay fp32 in both."""
    match precision:
        case "bf16":
            return torch.autocast(device.type, torch.bfloat16)
        case "fp32":
            return contextlib.nullcontext()
    raise unhandled("precision", precision)


def stream_of_its_own(device: torch.device) -> "torch.cuda.Stream | None":
    """Return a new stream of a CUDA device, whose work runs beside that of others; None elsewhere."""
    return torch.cuda.Stream(device) if device.type == "cuda" else None  # type: ignore[no-untyped-call]


def stream_of_this_thread(device: torch.device) -> "torch.cuda.Stream | None":
    """Return this thread's stream of a CUDA device, the same at every call; None elsewhere."""
    return stream_of_thread(device, "first")


def on_stream(stream: "torch.cuda.Stream | None") -> AbstractContextManager[object]:
    """Return the context in which work goes to a stream, if there is one."""
    return contextlib.nullcontext() if stream is None else torch.cuda.stream(stream)


def most_threads() -> int:
    """Return the threads to compute with at most: torch's own choice, within what a container's limit leaves.

    Who sets OMP_NUM_THREADS has chosen.
    """
    threads = torch.get_num_threads()
    return threads if "OMP_NUM_THREADS" in os.environ else min(threads, usable_cores())


def make_deterministic() -> None:
    """Let the same seed give the same bits: no algorithm that is chosen by timing or adds in a random order."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # nothing reads it, and filling takes time
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False


def keep_freed_memory() -> None:
    """Let the C library keep what is freed, where it is glibc's: a training step asks for the same memory again.

    Otherwise each step hands its maps back to the system and gets them again page by page, which took a third of
    the time of a step of ResNet-20.
    """
    if platform.libc_ver()[0] != "glibc":
        return
    library = ctypes.CDLL(None)
    library.mallopt(_M_MMAP_THRESHOLD, 32 << 20)  # the most that glibc takes
    library.mallopt(_M_TRIM_THRESHOLD, 1 << 30)


_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
"""glibc's names of what `mallopt` sets (malloc.h)."""


def device_name(device: torch.device) -> str:
    """Return the name of the processor or graphics card, for people."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else cpu_name()


def peak_memory_bytes(device: torch.device) -> int:
    """Return the most memory taken so far: the card's on CUDA, otherwise this process's resident set."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak
