"""Hardware and how to compute on it: device, fast precision, streams, determinism, memory, name."""

import contextlib
import ctypes
import os
import platform
import resource
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

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


def make_deterministic() -> None:
    """Make the same seed give the same bits: allow no algorithm that is chosen by timing or adds in a random order."""
    for name, value in _EXACT.items():
        os.environ.setdefault(name, value)
    # `use_deterministic_algorithms` would import torch's compiler, which takes two seconds.
    torch.set_deterministic_debug_mode("error")
    _set_compiler(True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # nothing reads it, and filling takes time
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False


def _set_compiler(exact: bool) -> None:
    """Forbid torch's compiler to choose by timing, or allow it again, if something has imported it."""
    if (compiler := sys.modules.get(_COMPILER)) is not None:
        compiler.deterministic = exact  # type: ignore[attr-defined]


_COMPILER = "torch._inductor.config"
_EXACT = {"CUBLAS_WORKSPACE_CONFIG": ":4096:8", "TORCHINDUCTOR_DETERMINISTIC": "1"}
"""Environment variables read by cuBLAS and, if a user's network is compiled, by torch's compiler."""


@contextmanager
def deterministic() -> Iterator[None]:
    """Compute as after `make_deterministic`, then restore all settings; of several threads, the last restores them."""
    with _DETERMINISM.held():
        yield


@contextmanager
def keeping_freed_memory() -> Iterator[None]:
    """Keep freed memory as `keep_freed_memory` does, then stop; of several threads, the last one to leave stops it."""
    with _ALLOCATOR.held():
        yield


def keep_freed_memory() -> None:
    """Let glibc, if it is the C library, keep freed memory: each training step requests the same memory again.

    Otherwise each step returns its mappings to the system and gets them back page by page, which took a third of the
    time of a ResNet-20 step.
    """
    _set_allocator(mmap_threshold=32 << 20, trim_threshold=1 << 30)  # the former is the most that glibc takes


_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
"""Parameters of glibc's `mallopt` (malloc.h)."""

_GLIBC_THRESHOLD = 128 << 10
"""glibc's default for both thresholds.  They cannot be read, and once set they no longer adjust themselves."""


def _set_allocator(*, mmap_threshold: int, trim_threshold: int) -> bool:
    """Set glibc's thresholds, in bytes; return False if the C library is not glibc."""
    if platform.libc_ver()[0] != "glibc":
        return False
    library = ctypes.CDLL(None)
    library.mallopt(_M_MMAP_THRESHOLD, mmap_threshold)
    library.mallopt(_M_TRIM_THRESHOLD, trim_threshold)
    return True


def _free_memory_again() -> None:
    chosen = [os.environ.get(name, "") for name in ("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_")]
    mmap, trim = (int(words) if words.isdecimal() else _GLIBC_THRESHOLD for words in chosen)
    if _set_allocator(mmap_threshold=mmap, trim_threshold=trim):
        ctypes.CDLL(None).malloc_trim(0)


class _Held:
    """A process-wide setting, made when the first thread needs it and undone when the last one is done."""

    def __init__(self, make: Callable[[], Callable[[], None]]) -> None:
        """Take a function that makes the setting and returns a function that undoes it."""
        self._make = make
        self._lock = threading.Lock()
        self._holders = 0

    @contextmanager
    def held(self) -> Iterator[None]:
        with self._lock:
            self._holders += 1
            if self._holders == 1:
                self._undo = self._make()
        try:
            yield
        finally:
            with self._lock:
                self._holders -= 1
                if not self._holders:
                    self._undo()


def _hold_determinism() -> Callable[[], None]:
    environment = {name: os.environ.get(name) for name in _EXACT}
    mode = torch.get_deterministic_debug_mode()
    fills = torch.utils.deterministic.fill_uninitialized_memory  # type: ignore[attr-defined]
    places = (torch.backends.cudnn, "benchmark"), (torch.backends.cudnn, "allow_tf32")
    flags = [(*place, getattr(*place)) for place in (*places, (torch.backends.cuda.matmul, "allow_tf32"))]
    compiles = getattr(sys.modules.get(_COMPILER), "deterministic", False)
    make_deterministic()

    def undo() -> None:
        for name in (name for name, value in environment.items() if value is None):
            os.environ.pop(name, None)
        torch.set_deterministic_debug_mode(mode)
        _set_compiler(compiles)
        torch.utils.deterministic.fill_uninitialized_memory = fills  # type: ignore[attr-defined]
        for owner, name, value in flags:
            setattr(owner, name, value)

    return undo


def _hold_memory() -> Callable[[], None]:
    keep_freed_memory()
    return _free_memory_again


_DETERMINISM, _ALLOCATOR = _Held(_hold_determinism), _Held(_hold_memory)


def device_name(device: torch.device) -> str:
    """Return the name of the CPU or GPU for readers."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else cpu_name()


def peak_memory_bytes(device: torch.device) -> int:
    """Return the peak memory so far: on CUDA torch's allocations on the GPU, else this process's resident set."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak
