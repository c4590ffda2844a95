"""How the kernels are found, compiled and gone without."""

import ctypes
import os
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
    assert "fp32 and bf16 (stored; multiplied in fp32);" in build.Kernels(library, "by c++", 8).words


def test_any_change_of_the_source_is_another_library(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = build._key(str(machine))
    assert build._key(str(machine)) == before
    monkeypatch.setattr(build, "FLAGS", (*build.FLAGS, "-DX"))
    assert build._key(str(machine)) != before
