"""What is known of the machine without torch."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from reslab import host

SOURCE = Path(host.__file__).parents[1]


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


def test_no_process_of_ours_runs_what_lies_in_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "random.py").write_text("raise SystemExit('not named by anybody')\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(SOURCE))
    for command in (["-c", "import random"], ["-m", "reslab.lab.execute", "--help"]):
        subprocess.run([*host.python(), *command], capture_output=True, check=True)
    found = [path for path in SOURCE.rglob("*.py") if '[sys.executable, "-' in path.read_text()]
    assert found == [SOURCE / "reslab" / "host.py"], "start it by host.python()"


def test_a_source_checkout_is_found_from_within(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("PYTHONPATH", raising=False)
    monkeypatch.chdir(SOURCE)
    command = [*host.python(), "-c", "import reslab; print(reslab.__file__)"]
    assert subprocess.check_output(command, text=True).strip() == str(SOURCE / "reslab" / "__init__.py")
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert host.python() == [sys.executable, "-P"]


@pytest.mark.parametrize(
    ("average", "loadavg", "is_busy"),
    [
        (4.0, "4.00 1.00 0.50 5/136 2248", True),
        (4.0, "4.00 1.00 0.50 2/136 2248", False),  # one thread beside this: what made the average has ended
        (1.0, "1.00 1.00 0.50 9/136 2248", False),  # for a moment
        (4.0, None, True),
        (4.0, "", True),
        (4.0, "4.00 1.00 0.50 x/y z", True),
    ],
)
def test_work_that_has_just_ended_does_not_make_a_machine_busy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, average: float, loadavg: str | None, is_busy: bool
) -> None:
    monkeypatch.setattr(host, "usable_cores", lambda: 4)
    monkeypatch.setattr(os, "getloadavg", lambda: (average, 0.0, 0.0), raising=False)
    if loadavg is not None:
        (tmp_path / "loadavg").write_text(loadavg)
    assert host.is_busy(tmp_path) is is_busy


GROUPS = {
    "none": ("0::/\n", {"cpu.max": "max 100000\n"}, None),
    "version 2": ("0::/\n", {"cpu.max": "150000 100000\n"}, 1.5),
    "version 2, of a group above": (
        "0::/user/session\n",
        {"user/session/cpu.max": "max 100000\n", "user/cpu.max": "25000 50000\n"},
        0.5,
    ),
    "version 1": (
        "9:memory:/a\n4:cpu,cpuacct:/a/b\n0::/a\n",
        {"cpu,cpuacct/a/b/cpu.cfs_quota_us": "300000\n", "cpu,cpuacct/a/b/cpu.cfs_period_us": "100000\n"},
        3.0,
    ),
    "version 1, none": (
        "4:cpu:/\n0::/\n",
        {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"},
        None,
    ),
    "version 1, in a container, whose group is the root of what it sees": (
        "4:cpu,cpuacct:/docker/0123\n",
        {"cpu/cpu.cfs_quota_us": "150000\n", "cpu/cpu.cfs_period_us": "100000\n"},
        1.5,
    ),
    "damaged": ("0::/\nwhat\n\n", {"cpu.max": "many\n"}, None),
    "no groups": ("", {}, None),
}


@pytest.mark.parametrize("case", GROUPS)
def test_the_limit_of_a_container_is_read(tmp_path: Path, case: str) -> None:
    groups, files, limit = GROUPS[case]
    (tmp_path / "proc" / "self").mkdir(parents=True)
    (tmp_path / "proc" / "self" / "cgroup").write_text(groups)
    for name, content in files.items():
        path = tmp_path / "groups" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    assert host.cores_in_time(tmp_path / "proc", tmp_path / "groups") == limit
    assert host.cores_in_time(tmp_path / "nowhere", tmp_path / "groups") is None


@pytest.mark.parametrize(
    ("limit", "cores"), [(None, 8), (0.5, 1), (1.0, 1), (1.2, 1), (1.25, 2), (1.5, 2), (3.0, 3), (64.0, 8)]
)
def test_a_limit_is_worth_as_many_cores_as_make_use_of_it(
    limit: float | None, cores: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    monkeypatch.setattr(host, "cores_in_time", lambda: limit)
    assert host.usable_cores() == cores


def test_torch_is_found_without_its_import() -> None:
    import torch

    found = host.torch_version()
    assert torch.__version__ == found or torch.__version__.startswith(f"{found}+cu")  # PyPI's builds do not name CUDA
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
