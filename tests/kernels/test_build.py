"""How the kernels are found, compiled and gone without."""

import ctypes
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from reslab.kernels import build
from reslab.kernels.build import kernels, must_compile


def _forget() -> None:
    kernels.cache_clear()
    build._tools.cache_clear()


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Start anew, with an empty cache and a compiler that fails; return the compiler."""
    compiler = tmp_path / "c++"
    compiler.write_text("#!/bin/sh\n[ $1 = --version ] && exit 0\necho no such option >&2\nexit 1\n")
    compiler.chmod(0o755)
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.delenv("RESLAB_KERNELS", raising=False)
    monkeypatch.setenv("CXX", str(compiler))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    _forget()
    yield compiler
    _forget()


@pytest.mark.usefixtures("machine")
def test_without_a_compiler_there_is_a_reason(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("CXX")
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    assert kernels().library is None
    assert kernels().words == "none: there is no C++ compiler"
    assert not must_compile()


@pytest.mark.usefixtures("machine")
def test_a_compiler_that_fails_is_quoted() -> None:
    found = kernels()
    assert found.library is None
    assert "no such option" in found.reason or "torch brings no OpenMP" in found.reason


def test_ctrl_c_does_not_reach_the_compilers(machine: Path, tmp_path: Path) -> None:
    """A terminal sends it to the session that it belongs to."""
    script = f"#!/bin/sh\n[ $1 = --version ] && exit 0\nps -o sid= -p $$ >> {tmp_path}/sessions\nexit 1\n"
    machine.write_text(script)
    if "torch brings no OpenMP" in kernels().reason:
        pytest.skip(kernels().reason)
    sessions = (tmp_path / "sessions").read_text().split()
    assert sessions
    assert str(os.getsid(0)) not in sessions


@pytest.mark.usefixtures("machine")
def test_a_compiler_that_cannot_be_run_is_no_accident(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CXX", str(tmp_path / "nothing"))
    assert kernels().library is None
    assert not must_compile()


@pytest.mark.usefixtures("machine")
def test_they_can_be_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESLAB_KERNELS", "0")
    assert kernels().library is None
    assert not must_compile()


@pytest.mark.usefixtures("machine")
def test_what_is_compiled_is_not_compiled_again() -> None:
    tools = build._tools()
    if isinstance(tools, str):
        pytest.skip(tools)
    assert must_compile()
    tools.path.parent.mkdir(parents=True)
    tools.path.write_bytes(b"")
    assert not must_compile()


def test_they_say_what_they_do() -> None:
    library = ctypes.CDLL(None)
    assert build.Kernels(library, "by c++").words == "batch norm; by c++"
    assert "convolution (Winograd) in fp32 and bf16;" in build.Kernels(library, "by c++", 16, True).words
    assert "convolution in fp32 (Winograd) and bf16 (tiles);" in build.Kernels(library, "by c++", 16, True, True).words
    assert "fp32 and bf16 (stored; multiplied in fp32);" in build.Kernels(library, "by c++", 8).words


def test_an_assembler_that_knows_no_tiles_costs_only_those(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is that of another version than the compiler's."""
    real = shutil.which("g++")
    if real is None:
        pytest.skip("there is no g++")
    refuses = 'case "$*" in *NO_TILES*) ;; *-c*tiles*) echo "no such instruction: tdpbf16ps" >&2; exit 1;; esac'
    machine.write_text(f'#!/bin/sh\n{refuses}\nexec {real} "$@"\n')
    monkeypatch.setattr(build, "FLAGS", tuple(flag.replace("-O3", "-O0") for flag in build.FLAGS))
    found = kernels()
    if "torch brings no OpenMP" in found.reason:
        pytest.skip(found.reason)
    assert found.library is not None, found.reason
    assert not found.tiles


def test_any_change_of_the_source_is_another_library(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = build._key(str(machine))
    assert build._key(str(machine)) == before
    monkeypatch.setattr(build, "FLAGS", (*build.FLAGS, "-DX"))
    assert build._key(str(machine)) != before


@pytest.mark.parametrize("folder", ["tools", "my tools"])
def test_a_compiler_may_be_several_words_or_a_path_with_spaces(
    machine: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, folder: str
) -> None:
    launcher = tmp_path / folder / "ccache"
    launcher.parent.mkdir()
    launcher.write_text(f'#!/bin/sh\n[ "$1" = {machine} ] && shift\nexec {machine} "$@"\n')
    launcher.chmod(0o755)
    monkeypatch.setenv("CXX", str(launcher) if " " in folder else f"{launcher} {machine}")
    found = kernels()
    assert "no such option" in found.reason or "torch brings no OpenMP" in found.reason


@pytest.mark.usefixtures("machine")
def test_a_compiler_in_an_open_quote_is_no_accident(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", 'g++ "-pipe')
    assert kernels().library is None


STARVED = r"""
#include "pieces.h"
using namespace reslab;
extern "C" int buffer(int64_t words) { return unless_starved([&] { Buffer numbers(words); }); }
extern "C" int team(int64_t words) {
  return unless_starved([&] { in_pieces(4, 2, [&] { return [sum = std::vector<float>(words)](int) {}; }); });
}
"""


def test_too_little_memory_is_an_error_and_not_the_end_of_the_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, made = tmp_path / "starved.cpp", tmp_path / "starved.so"
    source.write_text(STARVED)
    tools = build._tools()
    if isinstance(tools, str):
        pytest.skip(tools)
    words = [*build._words(tools.compiler), "-std=c++17", "-fPIC", "-fopenmp", "-I", str(Path(build.__file__).parent)]
    subprocess.run([*words, "-shared", str(source), str(tools.openmp), "-o", str(made)], check=True)
    library = ctypes.CDLL(str(made))
    monkeypatch.setattr(build, "library", lambda: library)
    for name in ("buffer", "team"):
        build.call(name, ctypes.c_int64(8))
        with pytest.raises(MemoryError, match="not enough memory for a kernel"):
            build.call(name, ctypes.c_int64(2**58))
