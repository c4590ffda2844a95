"""The load as Linux counts it, read from a folder that looks like /proc."""

import os
import threading
import time
from pathlib import Path

import pytest

from reslab import load
from reslab.load import Load, Reading

TICK = os.sysconf("SC_CLK_TCK")


def fake_proc(folder: Path, *, stat: str, waits: dict[int, str]) -> Path:
    (folder / "stat").write_text(stat)
    for task, line in waits.items():
        place = folder / "self" / "task" / str(task)
        place.mkdir(parents=True, exist_ok=True)
        (place / "schedstat").write_text(line)
    return folder


def test_idle_time_is_that_of_the_cores_of_this_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 10})
    rows = [
        f"cpu  9 9 9 {99 * TICK} 9 0 0 0 0 0",
        f"cpu0 9 9 9 {5 * TICK} {2 * TICK} 1 1 1 0 0",
        f"cpu1 9 9 9 {50 * TICK} 0 0 0 0 0 0",
        f"cpu10 9 9 9 {1 * TICK} 0 0 0 0 0 0",
        "intr 5 6",
    ]
    proc = fake_proc(tmp_path, stat="\n".join(rows), waits={7: "5 1500000000 3\n", 8: "5 250000000 3\n"})
    found = load.read(proc)
    assert found is not None
    assert found.idle == pytest.approx(8)
    assert found.waited == pytest.approx(1.75)
    assert found.used == pytest.approx(time.process_time(), abs=1)


def test_a_thread_that_ends_meanwhile_is_left_out(tmp_path: Path) -> None:
    proc = fake_proc(tmp_path, stat="cpu0 0 0 0 0 0\n", waits={7: "5 1500000000 3\n"})
    (tmp_path / "self" / "task" / "8").mkdir()
    found = load.read(proc)
    assert found is not None
    assert found.waited == pytest.approx(1.5)


@pytest.mark.parametrize(
    ("stat", "waits"),
    [
        ("", {7: "1 2 3\n"}),
        ("cpu0 0 0 0 0 0\n", {}),
        ("cpu0 0 0 0 0 0\n", {7: "\n"}),
        ("cpu0 0 0 0 nothing 0\n", {7: "1 2 3\n"}),
        ("cpu0 0 0 0 0 0\n", {7: "none of your business\n"}),
    ],
)
def test_a_system_that_does_not_tell_gives_none(tmp_path: Path, stat: str, waits: dict[int, str]) -> None:
    assert load.read(fake_proc(tmp_path, stat=stat, waits=waits)) is None
    assert load.read(tmp_path / "not there") is None


def test_without_affinity_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)  # as on macOS
    assert load.read() is None


def test_the_load_is_what_grew_by_the_second() -> None:
    before = Reading(at=10.0, idle=100.0, used=3.0, waited=5.0)
    assert load.between(before, Reading(at=10.5, idle=100.25, used=3.75, waited=5.5)) == Load(0.5, 0.5, 1.5, 1.0)
    assert load.between(before, Reading(at=11.0, idle=90.0, used=3.0, waited=4.0)) == Load(1.0, 0.0, 0.0, 0.0)
    assert load.between(before, before) is None


@pytest.mark.skipif(load.read() is None, reason="this system does not tell its load")
def test_threads_that_share_one_core_are_seen_to_wait() -> None:
    """Two threads of C code on one core: together they have it, and one of them always waits."""
    all_cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(all_cores)})
    try:
        before = load.read()
        import hashlib

        def burn() -> None:
            until = time.monotonic() + 0.4
            while time.monotonic() < until:
                hashlib.sha256(bytes(1 << 22)).digest()  # without the interpreter's lock

        pair = [threading.Thread(target=burn) for _ in range(2)]
        for thread in pair:
            thread.start()
        time.sleep(0.3)
        after = load.read()
        for thread in pair:
            thread.join()
    finally:
        os.sched_setaffinity(0, all_cores)
    assert before is not None
    assert after is not None
    seen = load.between(before, after)
    assert seen is not None
    assert seen.waiting > 0.5
    assert seen.used < 1.2
