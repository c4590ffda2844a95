"""The machine: which device, which precision, how much memory."""

import os
import platform
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from reslab.errors import ResLabError
from reslab.training import hardware
from reslab.training.hardware import (
    arithmetic,
    deterministic,
    device_name,
    fast_precision,
    make_deterministic,
    peak_memory_bytes,
    pick_device,
)

CPU = torch.device("cpu")


def test_the_processor_is_always_there() -> None:
    assert pick_device("cpu") == CPU
    assert device_name(CPU)


def test_auto_takes_what_is_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert pick_device() == CPU
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert pick_device() == torch.device("cuda")
    assert pick_device("cuda:1") == torch.device("cuda:1")
    with pytest.raises(ResLabError, match=r"cuda:2 is not on this machine"):
        pick_device("cuda:2")


@pytest.mark.parametrize("name", ["gpu", "", "cuda:x", "cuda:-1", "tpu:0"])
def test_an_unknown_device_is_refused_with_the_names(name: str) -> None:
    with pytest.raises(ResLabError, match="device must be auto, cpu, cuda, cuda:N or mps"):
        pick_device(name)


def test_a_device_that_is_not_here_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    with pytest.raises(ResLabError, match="is not on this machine; try auto"):
        pick_device("cuda")


@pytest.mark.parametrize(
    ("features", "precision"),
    [({"avx2"}, "fp32"), ({"avx512_bf16"}, "bf16"), ({"amx_bf16", "avx2"}, "bf16"), (set[str](), "fp32")],
)
def test_bf16_is_taken_where_the_processor_has_it(
    monkeypatch: pytest.MonkeyPatch, features: set[str], precision: str
) -> None:
    monkeypatch.setattr("reslab.host.cpu_features", lambda: frozenset(features))
    assert fast_precision(CPU) == precision


def test_arithmetic_is_bf16_only_where_asked() -> None:
    left, right = torch.randn(4, 4), torch.randn(4, 4)
    with arithmetic(CPU, "fp32"):
        assert (left @ right).dtype == torch.float32
    with arithmetic(CPU, "bf16"):
        assert (left @ right).dtype == torch.bfloat16
    assert (left @ right).dtype == torch.float32


@pytest.mark.usefixtures("torch_settings")
def test_determinism_is_asked_of_torch() -> None:
    make_deterministic()
    assert torch.are_deterministic_algorithms_enabled()
    assert not torch.backends.cudnn.benchmark
    assert not torch.backends.cuda.matmul.allow_tf32


def test_determinism_is_set_back_once_the_last_of_several_threads_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", True)
    assert not torch.are_deterministic_algorithms_enabled()
    fills = torch.utils.deterministic.fill_uninitialized_memory  # type: ignore[attr-defined]
    first_in, second_out = threading.Event(), threading.Event()

    def outlast() -> bool:
        with deterministic():
            first_in.set()
            second_out.wait(60)
            return torch.are_deterministic_algorithms_enabled()

    with ThreadPoolExecutor(1) as pool:
        held = pool.submit(outlast)
        first_in.wait(60)
        with deterministic():
            assert torch.are_deterministic_algorithms_enabled()
            assert not torch.backends.cudnn.benchmark
            assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"
        second_out.set()
        assert held.result()
    assert not torch.are_deterministic_algorithms_enabled()
    assert torch.backends.cudnn.benchmark
    assert torch.utils.deterministic.fill_uninitialized_memory == fills
    assert "CUBLAS_WORKSPACE_CONFIG" not in os.environ


FREED = """
import ctypes, os
from pathlib import Path
from reslab.training import hardware

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")

def freed():  # how much of 256 MiB in pieces below the threshold goes back to the system when it is freed
    pieces = [ctypes.create_string_buffer(16 << 20) for _ in range(16)]
    taken = resident()
    pieces.clear()
    return (taken - resident()) / (256 << 20)

with hardware.keeping_freed_memory():
    print(freed())
print(freed())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library has other means")
def test_freed_memory_is_kept_only_as_long_as_asked() -> None:
    """In a process of its own: what other tests have left between the pieces of a heap stays there."""
    said = subprocess.check_output([sys.executable, "-c", FREED], text=True)
    during, after = map(float, said.split())
    assert during < 0.2
    assert after > 0.8


def test_memory_is_that_of_this_process() -> None:
    resident = int(subprocess.check_output(["ps", "-o", "rss=", "-p", str(os.getpid())], text=True)) * 1024
    assert peak_memory_bytes(CPU) >= 0.9 * resident
    assert peak_memory_bytes(CPU) < 100 * resident


def test_keeping_freed_memory_changes_no_number() -> None:
    noise = torch.randn(64, 64, 64, generator=torch.Generator().manual_seed(0))
    before = (noise @ noise).sum()
    hardware.keep_freed_memory()
    assert (noise @ noise).sum() == before
