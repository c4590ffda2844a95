"""Settings of the whole process that training needs: determinism, and memory that is kept.

The process may be a user's own, so each can be held for a while and is then restored.
"""

import ctypes
import os
import platform
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch


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
