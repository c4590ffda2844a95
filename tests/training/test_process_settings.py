"""Settings of the whole process: made when they are needed, undone when the last thread is done."""

import os
import platform
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from reslab.training import process_settings
from reslab.training.process_settings import deterministic, make_deterministic


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
from reslab.training import process_settings

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")

def freed():  # how much of 256 MiB in pieces below the threshold goes back to the system when it is freed
    pieces = [ctypes.create_string_buffer(16 << 20) for _ in range(16)]
    taken = resident()
    pieces.clear()
    return (taken - resident()) / (256 << 20)

with process_settings.keeping_freed_memory():
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


def test_keeping_freed_memory_changes_no_number() -> None:
    noise = torch.randn(64, 64, 64, generator=torch.Generator().manual_seed(0))
    before = (noise @ noise).sum()
    process_settings.keep_freed_memory()
    assert (noise @ noise).sum() == before
