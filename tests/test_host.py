"""What is known of the machine without torch."""

import os
from pathlib import Path

import pytest

from reslab import host


def test_features_and_name_are_read_as_linux_writes_them(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = ["processor\t: 0", "model name\t: Some: Chip 9", "flags\t\t: fpu avx2 avx512_bf16", ""]
    monkeypatch.setattr(host, "_cpu_lines", lambda: lines)
    assert host.cpu_features() == {"fpu", "avx2", "avx512_bf16"}
    assert host.cpu_name() == "Some: Chip 9"
    monkeypatch.setattr(host, "_cpu_lines", list)
    assert host.cpu_features() == frozenset()
    assert host.cpu_name()


def test_cores_are_those_of_this_process() -> None:
    assert 1 <= host.usable_cores() <= (os.cpu_count() or 1)


def test_torch_is_found_without_its_import() -> None:
    import torch

    assert host.torch_version() == torch.__version__
    assert str(host.torch_folder()) == str(Path(torch.__file__).parent)


@pytest.mark.parametrize(
    ("version", "device", "surely"),
    [
        ("2.13.0+cpu", "auto", True),
        ("2.13.0", "auto", False),
        ("2.13.0+cu128", "auto", False),
        ("2.13.0+cu128", "cpu", True),
        ("2.13.0+cpu", "cuda", False),
    ],
)
def test_only_a_build_for_the_processor_settles_auto(
    version: str, device: str, surely: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host, "torch_version", lambda: version)
    assert host.computes_on_cpu(device) == surely
