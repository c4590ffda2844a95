"""Compile the C++ beside this file once, with the machine's own compiler, and load it.

The library has a plain C interface with pointers: no torch headers, so that compiling takes seconds, and no Python.
"""

import ctypes
import hashlib
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from reslab.cache import cached
from reslab.errors import ResLabError
from reslab.files import write_whole
from reslab.host import cpu_features, torch_folder, torch_version

if TYPE_CHECKING:
    from torch import Tensor

HEADERS = tuple(Path(__file__).with_name(name) for name in ("numbers.h", "pieces.h", "tiles.h"))
SOURCES = tuple(
    Path(__file__).with_name(f"{name}.cpp")
    for name in ("norm", "convolution", "first", "winograd", "tiles", "tiles_weights")
)
AVX2_LANES = 8
SWITCHED_OFF = "switched off by RESLAB_KERNELS=0"
NO_COMPILER = "there is no C++ compiler"
NOT_HERE = f"not tried on {sys.platform}"
FLAGS = ("-std=c++17", "-O3", "-march=native", "-fno-math-errno", "-fno-trapping-math", "-fPIC")


@dataclass(frozen=True, slots=True)
class Kernels:
    """The loaded library, or None and why there is none."""

    library: ctypes.CDLL | None
    reason: str
    lanes: int = 0
    """Floats per register in its convolutions: 16 with AVX-512, `AVX2_LANES` with AVX2, or 0 with neither."""
    multiplies_bfloat16: bool = False
    """Whether the CPU has AVX-512's bfloat16 dot products; without, bfloat16 maps are multiplied in float32."""
    tiles: bool = False
    """Whether it has bfloat16 matrix tiles (Intel's AMX), and the system lets us use them."""

    @property
    def convolves(self) -> bool:
        """Whether the kernels can convolve, not only do batch norm."""
        return self.lanes > 0

    @property
    def are_missed(self) -> bool:
        """Whether there are none although there is a compiler and nobody switched them off."""
        return self.library is None and self.reason not in (SWITCHED_OFF, NO_COMPILER, NOT_HERE)

    @property
    def words(self) -> str:
        """What these kernels do on this machine, or why there are none."""
        if self.library is None:
            return f"none: {self.reason}"
        half = "bf16" if self.multiplies_bfloat16 else "bf16 (stored; multiplied in fp32)"
        ways = "in fp32 (Winograd) and bf16 (tiles)" if self.tiles else f"(Winograd) in fp32 and {half}"
        convolution = f", 3x3 convolution {ways}" if self.convolves else ""
        return f"batch norm{convolution}; {self.reason}"


@cache
def kernels() -> Kernels:
    """Return the kernels for this machine, compiled if they are not cached; RESLAB_KERNELS=0 disables them.

    They are in the user's cache (`reslab.cache`), keyed by a hash of the source, the compiler and the processor.  A
    cached library that cannot be loaded is compiled again.
    """
    tools = _tools()
    if isinstance(tools, str):
        return Kernels(None, tools)
    loaded = _loaded(tools.path) if tools.path.exists() else None
    if not isinstance(loaded, ctypes.CDLL):
        try:
            tools.path.unlink(missing_ok=True)
            _compile(tools)
        except (OSError, subprocess.SubprocessError) as error:
            said = getattr(error, "stderr", None)
            return Kernels(None, f"{tools.compiler} failed: {(said or str(error)).strip()[:300]}")
        loaded = _loaded(tools.path)
    if isinstance(loaded, OSError):
        return Kernels(None, f"what {tools.compiler} made cannot be loaded: {loaded}")
    has = (
        int(loaded.reslab_winograd_lanes()),
        bool(loaded.reslab_multiplies_bfloat()),
        bool(loaded.reslab_ask_for_tiles()),
    )
    return Kernels(loaded, f"compiled by {tools.compiler}", *has)


def source_key() -> str:
    """Return a key of these kernels' source, compiler and processor; nothing is compiled."""
    tools = _tools()
    return tools if isinstance(tools, str) else tools.path.stem


def gpu_source_key() -> str:
    """Return a key of the GPU kernels' source and Triton version; "" without them."""
    if gpu_reason():
        return ""
    digest = hashlib.sha256(triton_version().encode())
    for path in sorted(Path(__file__).parent.glob("gpu*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def gpu_reason() -> str:
    """Say why our kernels are not used on a GPU from Ampere on; "" if they are."""
    if os.environ.get("RESLAB_KERNELS") == "0":
        return SWITCHED_OFF
    return "" if triton_version() else "Triton is not installed"


def triton_version() -> str:
    """Return the version of Triton; "" without it."""
    try:
        return version("triton")
    except PackageNotFoundError:
        return ""


def must_compile() -> bool:
    """Say whether the next call of `kernels` compiles, which takes a few seconds."""
    tools = _tools()
    return not isinstance(tools, str) and not tools.path.exists()


def library() -> ctypes.CDLL:
    """Return the loaded library; check with `kernels` first that there is one."""
    loaded = kernels().library
    assert loaded is not None
    return loaded


def call(name: str, *arguments: object) -> None:
    """Call a function of the library; raise `MemoryError` if it ran out of memory."""
    if getattr(library(), name)(*arguments):
        raise MemoryError("not enough memory for a kernel")


def at(tensor: "Tensor | None") -> ctypes.c_void_p:
    """Return a pointer to a tensor's data for the library; a null pointer for None."""
    return ctypes.c_void_p(None if tensor is None else tensor.data_ptr())


@dataclass(frozen=True, slots=True)
class _Tools:
    compiler: str
    """The command, as in CXX: a path, or several words such as ccache g++."""
    openmp: Path
    path: Path
    """Of the compiled library, which may not exist yet."""


@cache
def _tools() -> _Tools | str:
    """Return what to compile with, or why we cannot compile."""
    if os.environ.get("RESLAB_KERNELS") == "0":
        return SWITCHED_OFF
    if sys.platform != "linux":
        return NOT_HERE
    compiler = os.environ.get("CXX") or next(filter(None, map(shutil.which, ("g++", "c++", "clang++"))), None)
    if compiler is None:
        return NO_COMPILER
    torch = torch_folder()
    openmp = None if torch is None else next(iter(sorted((torch / "lib").glob("libgomp*.so*"))), None)
    if openmp is None:
        return "torch brings no OpenMP library to share threads with"
    try:
        return _Tools(compiler, openmp, cached("kernels", f"{_key(compiler)}.so"))
    except ResLabError as error:
        return str(error)
    except (OSError, ValueError, subprocess.SubprocessError) as error:  # ValueError: an unclosed quote
        return f"{compiler} failed: {error}"


def _compile(tools: _Tools) -> None:
    tools.path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=tools.path.parent) as folder:
        linked = Path(folder) / "kernels.so"
        made = [Path(folder) / f"{source.stem}.o" for source in SOURCES]
        with ThreadPoolExecutor(len(SOURCES)) as pool:  # in parallel: one after the other takes several seconds
            list(pool.map(partial(_compile_one, tools.compiler), SOURCES, made))
        # Linked by path to the OpenMP library that torch has loaded: two of them would compete for the cores.
        command = (*_words(tools.compiler), "-shared", *map(str, made), str(tools.openmp), "-o", str(linked))
        _call(*command, scratch=Path(folder))
        write_whole(tools.path, linked.read_bytes())  # another process may have compiled it too: either will do


def _loaded(path: Path) -> ctypes.CDLL | OSError:
    """Return a library, or why it cannot be loaded."""
    try:
        return ctypes.CDLL(str(path))
    except OSError as error:
        return error


def _compile_one(compiler: str, source: Path, to: Path) -> None:
    command = (*_words(compiler), *FLAGS, *_vector_width(), "-fopenmp", "-c", str(source), "-o", str(to))
    try:
        _call(*command, scratch=to.parent)
    except subprocess.CalledProcessError:  # an assembler may be older than its compiler and not know tiles
        _call(*command, "-DRESLAB_NO_TILES", scratch=to.parent)


def _words(compiler: str) -> list[str]:
    """Return a compiler's command as words: it may have options, and its path may have spaces."""
    return [compiler] if shutil.which(compiler) else shlex.split(compiler)


def _vector_width() -> tuple[str, ...]:
    is_x86 = platform.machine() in ("x86_64", "AMD64")
    return ("-mprefer-vector-width=512",) if is_x86 else ()


def _call(*command: str, scratch: Path) -> None:
    # In a session of its own, so that Ctrl-C stops the training without killing the compiler.
    environment = {**os.environ, "TMPDIR": str(scratch)}
    subprocess.run(
        command, check=True, capture_output=True, text=True, timeout=120, start_new_session=True, env=environment
    )


def _key(compiler: str) -> str:
    words = _words(compiler)
    version = subprocess.run([*words, "--version"], check=True, capture_output=True, text=True, timeout=10).stdout
    flags = sorted(cpu_features())
    parts = (*(path.read_text() for path in (*HEADERS, *SOURCES)), *FLAGS, *words[1:], version, torch_version(), *flags)
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
