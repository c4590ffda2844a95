"""The measured speed: in the planner's unit, remembered, and what the number of runs at a time is chosen by."""

import os
import sys
from pathlib import Path

import pytest

from reslab import host
from reslab.errors import ResLabError
from reslab.lab.speeds import speed

Measured = list[tuple[str, str, int]]


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Measured:
    """Pretend a machine of four cores on which two processes train the most; return what was measured on it."""
    measured: Measured = []

    def side_by_side(device: str, precision: str, jobs: int) -> float:
        measured.append((device, precision, jobs))
        return {1: 100.0, 2: 80.0, 4: 30.0}[jobs]

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(host, "usable_cores", lambda: 4)
    monkeypatch.setattr(host, "is_busy", lambda: False)
    monkeypatch.setattr(speed, "_side_by_side", side_by_side)
    return measured


@pytest.mark.usefixtures("machine")
def test_the_most_images_in_all_win() -> None:
    assert speed.best_jobs("cpu", "fp32", most=100) == 2
    assert speed.best_jobs("cpu", "fp32", most=2) == 2
    assert speed.best_jobs("cpu", "fp32", most=1) == 1


def test_a_measurement_is_remembered_until_asked_for_again(machine: Measured) -> None:
    assert speed.work_per_second("cpu", "fp32", 2) == speed.work_per_second("cpu", "fp32", 2) == 80
    assert machine == [("cpu", "fp32", 2)]
    speed.work_per_second("cpu", "fp32", 2, again=True)
    speed.work_per_second("cpu", "bf16", 2)
    assert machine == [("cpu", "fp32", 2)] * 2 + [("cpu", "bf16", 2)]


def test_two_that_measure_at_a_time_are_both_remembered(machine: Measured, monkeypatch: pytest.MonkeyPatch) -> None:
    usual = speed._side_by_side

    def slow(device: str, precision: str, jobs: int) -> float:
        monkeypatch.setattr(speed, "_side_by_side", usual)
        speed.work_per_second(device, precision, 2)  # as another process may meanwhile
        return usual(device, precision, jobs)

    monkeypatch.setattr(speed, "_side_by_side", slow)
    speed.work_per_second("cpu", "fp32", 1)
    assert all(speed.is_measured("cpu", "fp32", jobs) for jobs in (1, 2))


def test_a_damaged_memory_is_measured_again(machine: Measured, tmp_path: Path) -> None:
    speed.work_per_second("cpu", "fp32", 1)
    (remembered,) = tmp_path.rglob("*.json")
    remembered.write_text("{")
    assert speed.work_per_second("cpu", "fp32", 1) == 100
    assert len(machine) == 2


def test_what_is_measured_on_a_busy_machine_is_not_remembered(
    machine: Measured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host, "is_busy", lambda: True)
    assert speed.best_jobs("cpu", "fp32", most=100) == 4
    assert machine == []
    assert speed.work_per_second("cpu", "fp32", 4) == 30
    assert not speed.is_measured("cpu", "fp32", 4)
    assert speed.work_per_second("cpu", "fp32", 4) == 30
    assert len(machine) == 2
    speed.work_per_second("cpu", "fp32", 4, again=True)
    assert speed.is_measured("cpu", "fp32", 4)
    speed.work_per_second("cpu", "fp32", 4)
    assert len(machine) == 3
    monkeypatch.setattr(host, "is_busy", lambda: False)
    assert speed.best_jobs("cpu", "fp32", most=100) == 2
    monkeypatch.setattr(host, "is_busy", lambda: True)
    assert speed.best_jobs("cpu", "fp32", most=100) == 2


@pytest.mark.parametrize(("cores", "jobs", "threads"), [(2, 1, 2), (2, 2, 1), (2, 3, 1), (16, 3, 5), (1, 1, 1)])
def test_threads_are_shared_out(cores: int, jobs: int, threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "usable_cores", lambda: cores)
    assert speed.share_threads(jobs) == threads


def test_two_processes_measure_and_leave(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    worker = tmp_path / "worker"
    noted = f"echo $sign >> {tmp_path}/signs\nps -o sid= -p $$ >> {tmp_path}/sessions"
    worker.write_text(f"#!/bin/sh\necho ready\nread sign\n{noted}\necho 12.5\n")
    worker.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(worker))
    assert speed._side_by_side("cpu", "fp32", 2) == 12.5
    assert (tmp_path / "signs").read_text() == "go\ngo\n"
    assert str(os.getsid(0)) not in (tmp_path / "sessions").read_text().split()  # Ctrl-C reaches this process alone


def test_runs_on_a_card_share_a_process(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    worker = tmp_path / "worker"
    worker.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\necho ready\nread sign\necho 30\n')
    worker.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(worker))
    monkeypatch.setattr(speed, "machine_of", lambda device: (device, "a card"))
    assert speed._side_by_side("cuda", "bf16", 3) == 10
    assert speed._side_by_side("cpu", "bf16", 3) == 30
    asked = (tmp_path / "asked").read_text().splitlines()
    assert [line.split()[-1] for line in asked] == ["3", "1", "1", "1"]
    assert speed.runs_each("cuda", 4) == 4
    assert speed.runs_each("cpu", 4) == 1


def test_a_process_that_dies_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(ResLabError, match=r"exit code 1; set the number of runs to train at a time with --jobs"):
        speed._side_by_side("cpu", "fp32", 1)
