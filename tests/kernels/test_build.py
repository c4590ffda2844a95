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


def _tools_or_skip() -> build._Tools:
    """Return what is compiled with; skip where nothing is, as where torch brings no OpenMP library."""
    tools = build._tools()
    if isinstance(tools, str):
        assert "failed" not in tools
        pytest.skip(tools)
    return tools


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
    tools = _tools_or_skip()
    assert kernels().library is None
    assert kernels().reason == f"{tools.compiler} failed: no such option"


def test_ctrl_c_does_not_reach_the_compilers(machine: Path, tmp_path: Path) -> None:
    """A terminal sends it to the session that it belongs to."""
    script = f"#!/bin/sh\n[ $1 = --version ] && exit 0\nps -o sid= -p $$ >> {tmp_path}/sessions\nexit 1\n"
    machine.write_text(script)
    _tools_or_skip()
    kernels()
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


@pytest.fixture
def calls(machine: Path, tmp_path: Path) -> Path:
    """Have the compiler make a small library without any kernel; return the file that each call of it is a line of."""
    _tools_or_skip()
    real = shutil.which("g++")
    if real is None:
        pytest.skip("there is no g++")
    source, made, calls = tmp_path / "stub.cpp", tmp_path / "stub.so", tmp_path / "calls"
    names = ("winograd_lanes", "multiplies_bfloat", "ask_for_tiles")
    source.write_text("".join(f'extern "C" int reslab_{name}() {{ return 0; }}\n' for name in names))
    subprocess.run([real, "-shared", "-fPIC", str(source), "-o", str(made)], check=True)
    last = f'for to; do :; done\ncp {made} "$to"'
    machine.write_text(f"#!/bin/sh\n[ $1 = --version ] && exit 0\necho call >> {calls}\n{last}\n")
    return calls


def test_what_is_compiled_is_not_compiled_again(calls: Path) -> None:
    assert must_compile()
    assert kernels().library is not None
    assert not must_compile()
    once = calls.read_text()
    _forget()
    assert kernels().library is not None
    assert calls.read_text() == once


@pytest.mark.parametrize("content", [b"", b"\x7fELF", b"no library"])
def test_a_damaged_library_is_compiled_again(calls: Path, content: bytes) -> None:
    """A power cut may have left it empty, before its content was seen on the disk."""
    tools = _tools_or_skip()
    tools.path.parent.mkdir(parents=True)
    tools.path.write_bytes(content)
    assert kernels().library is not None
    assert calls.exists()
    assert not kernels().are_missed


def test_a_library_that_cannot_be_loaded_is_compiled_once_and_not_the_compilers_failure(
    machine: Path, calls: Path
) -> None:
    machine.write_text(machine.read_text() + ': > "$to"\n')
    assert kernels().library is None
    assert "cannot be loaded" in kernels().reason
    assert "failed" not in kernels().reason
    assert len(calls.read_text().split()) == len(build.SOURCES) + 1


@pytest.mark.usefixtures("calls")
def test_a_library_has_its_name_when_it_is_whole_and_on_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process may be loading the one before."""
    tools, fsync, synced = _tools_or_skip(), os.fsync, list[int]()
    tools.path.parent.mkdir(parents=True)
    tools.path.write_bytes(b"one before")

    def note(handle: int) -> None:
        synced.append(os.fstat(handle).st_ino)
        fsync(handle)

    monkeypatch.setattr(os, "fsync", note)
    with tools.path.open("rb") as before:
        build._compile(tools)
        assert before.read() == b"one before"
    assert tools.path.stat().st_ino in synced
    assert [path.name for path in tools.path.parent.iterdir()] == [tools.path.name]


def test_kernels_are_missed_where_a_compiler_is_there_and_nobody_switched_them_off() -> None:
    assert build.Kernels(None, "c++ failed: no such option").are_missed
    for reason in (build.SWITCHED_OFF, build.NO_COMPILER, build.NOT_HERE):
        assert not build.Kernels(None, reason).are_missed
    assert not build.Kernels(ctypes.CDLL(None), "compiled by c++").are_missed


def test_they_say_what_they_do() -> None:
    library = ctypes.CDLL(None)
    assert build.Kernels(library, "by c++").words == "batch norm; by c++"
    assert "convolution (Winograd) in fp32 and bf16;" in build.Kernels(library, "by c++", 16, True).words
    assert "convolution in fp32 (Winograd) and bf16 (tiles);" in build.Kernels(library, "by c++", 16, True, True).words
    assert "fp32 and bf16 (stored; multiplied in fp32);" in build.Kernels(library, "by c++", 8).words


@pytest.mark.deep
def test_an_assembler_that_knows_no_tiles_costs_only_those(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is that of another version than the compiler's."""
    real = shutil.which("g++")
    if real is None:
        pytest.skip("there is no g++")
    refuses = 'case "$*" in *NO_TILES*) ;; *-c*tiles*) echo "no such instruction: tdpbf16ps" >&2; exit 1;; esac'
    machine.write_text(f'#!/bin/sh\n{refuses}\nexec {real} "$@"\n')
    monkeypatch.setattr(build, "FLAGS", tuple(flag.replace("-O3", "-O0") for flag in build.FLAGS))
    _tools_or_skip()
    found = kernels()
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
    _tools_or_skip()
    assert "no such option" in kernels().reason


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
    tools = _tools_or_skip()
    words = [*build._words(tools.compiler), "-std=c++17", "-fPIC", "-fopenmp", "-I", str(Path(build.__file__).parent)]
    subprocess.run([*words, "-shared", str(source), str(tools.openmp), "-o", str(made)], check=True)
    library = ctypes.CDLL(str(made))
    monkeypatch.setattr(build, "library", lambda: library)
    for name in ("buffer", "team"):
        build.call(name, ctypes.c_int64(8))
        with pytest.raises(MemoryError, match="not enough memory for a kernel"):
            build.call(name, ctypes.c_int64(2**58))
