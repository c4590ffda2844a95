"""The machine: which device, which precision, how much memory."""

import os
import subprocess

import pytest
import torch

from reslab.errors import ResLabError
from reslab.training.hardware import arithmetic, device_name, fast_precision, peak_memory_bytes, pick_device

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


def test_memory_is_that_of_this_process() -> None:
    resident = int(subprocess.check_output(["ps", "-o", "rss=", "-p", str(os.getpid())], text=True)) * 1024
    assert peak_memory_bytes(CPU) >= 0.9 * resident
    assert peak_memory_bytes(CPU) < 100 * resident
