"""What this machine computes with: device, precision, streams, threads, peak memory."""

import contextlib
import os
import platform
import resource
import sys
from contextlib import AbstractContextManager

import torch

from reslab.errors import ResLabError
from reslab.host import check_device, cpu_name, cpu_precision, usable_cores
from reslab.kernels.gpu_device import stream_of_thread
from reslab.recipe import unhandled


def pick_device(name: str = "auto") -> torch.device:
    """Return the device called auto, cpu, cuda, cuda:1 or mps; auto is the first available of cuda, mps, cpu."""
    check_device(name)
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    kind, _, index = name.partition(":")
    available = {
        "cpu": 1,
        "cuda": torch.cuda.device_count(),
        "mps": int(torch.backends.mps.is_available()),
    }
    if int(index or 0) >= available[kind]:
        raise ResLabError(f"device {name} is not on this machine; try auto")
    return torch.device(name)


def fast_precision(device: torch.device) -> str:
    """Return bf16 if the hardware multiplies it natively (AVX-512 BF16, AMX, NVIDIA from Ampere on), else fp32."""
    if device.type == "cuda":
        return "bf16" if torch.cuda.get_device_capability(device) >= (8, 0) else "fp32"
    return cpu_precision() if device.type == "cpu" else "fp32"


def arithmetic(device: torch.device, precision: str) -> AbstractContextManager[object]:
    """Return a context in which a network computes in `precision`; weights stay fp32 in either."""
    match precision:
        case "bf16":
            return torch.autocast(device.type, torch.bfloat16)
        case "fp32":
            return contextlib.nullcontext()
    raise unhandled("precision", precision)


def evaluating_precision(device: torch.device, precision: str) -> str:
    """Return the precision, but fp32 in place of bf16 on an x86 CPU that only emulates it, ten times as slowly."""
    is_x86 = device.type == "cpu" and platform.machine() in ("x86_64", "AMD64")
    emulates = precision == "bf16" and is_x86 and cpu_precision() == "fp32"
    return "fp32" if emulates else precision


def stream_of_its_own(device: torch.device) -> "torch.cuda.Stream | None":
    """Return a new stream of a CUDA device, which runs concurrently with others; None elsewhere."""
    return torch.cuda.Stream(device) if device.type == "cuda" else None  # type: ignore[no-untyped-call]


def stream_of_this_thread(device: torch.device) -> "torch.cuda.Stream | None":
    """Return this thread's stream of a CUDA device, the same at every call; None elsewhere."""
    return stream_of_thread(device, "first")


def on_stream(stream: "torch.cuda.Stream | None") -> AbstractContextManager[object]:
    """Return a context in which work goes to a stream, if there is one."""
    return contextlib.nullcontext() if stream is None else torch.cuda.stream(stream)


def most_threads() -> int:
    """Return the most threads to compute with: torch's own choice, within a container's limit.

    OMP_NUM_THREADS overrides the limit.
    """
    threads = torch.get_num_threads()
    return threads if "OMP_NUM_THREADS" in os.environ else min(threads, usable_cores())


def device_name(device: torch.device) -> str:
    """Return the name of the CPU or GPU for readers."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else cpu_name()


def peak_memory_bytes(device: torch.device) -> int:
    """Return the peak memory so far: on CUDA torch's allocations on the GPU, else this process's resident set."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak
