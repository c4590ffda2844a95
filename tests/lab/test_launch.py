"""Many runs at once: failures that stay their own, stops that lose nothing, and nobody left behind."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from lab_runs import outcome, small, wait_for

from reslab.errors import ResLabError
from reslab.lab import launch as launching
from reslab.lab.folder.store import run_files
from reslab.lab.launch import launch
from reslab.recipe import Run

QUICK = ["--device", "cpu", "--threads", "1", "--checkpoint-seconds", "0.1"]

LAUNCHER = """
import json, sys
from pathlib import Path
from reslab.lab.launch import launch
from reslab.lab.folder.store import RunFiles
run = RunFiles(Path(sys.argv[1])).read_run()
tell = lambda event: print(json.dumps(event), flush=True)
launch(Path(sys.argv[1]).parents[1], [run], jobs=1, arguments=sys.argv[2:], on_event=tell)
"""


def workers(root: Path) -> list[int]:
    """Return the processes that were started, by this process or by one of its own, to train below `root`."""
    table = subprocess.check_output(["ps", "-eww", "-o", "pid=,args="], text=True)
    lines = [line.split(None, 1) for line in table.splitlines()]
    return [int(pid) for pid, command in lines if "reslab.lab.execute" in command and str(root) in command]


def arguments(root: Path) -> list[str]:
    """Return the workers' arguments; the data root, which holds no images, tells whose workers they are."""
    return [*QUICK, "--data-root", str(root)]


class Seen:
    """The events of a launch."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []

    def __call__(self, event: dict[str, Any]) -> None:
        """Note an event."""
        self.events.append(event)

    def settled(self) -> dict[str, int]:
        """Return the exit code of each run that was left."""
        return {event["run"]: event["exit_code"] for event in self.events if event["event"] == "settled"}

    def has(self, name: str, run: Run) -> bool:
        """Tell whether there was such an event of a run."""
        return any(event["event"] == name and event["run"] == run.id for event in self.events)


def test_failures_and_kills_leave_the_other_runs_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    long, missing, short, last = (
        Run(small(400)),
        Run(small(2, dataset="cifar10")),
        Run(small(1)),
        Run(small(1), seed=1),
    )
    seen, known, done = Seen(), list[Any](), threading.Event()

    class Known(launching._Worker):
        def __post_init__(self) -> None:
            super().__post_init__()
            known.append(self)

    def kill_the_long_one() -> None:
        try:
            wait_for(lambda: seen.has("epoch", long) and seen.settled().get(missing.id) == 4)
            (holder,) = [worker for worker in known if long in worker.runs.values()]
            holder.process.send_signal(signal.SIGKILL)
            wait_for(lambda: len(seen.settled()) == 4)
        finally:
            done.set()

    monkeypatch.setattr(launching, "_Worker", Known)
    killer = threading.Thread(target=kill_the_long_one)
    killer.start()
    runs = [long, missing, short, last]
    launch(tmp_path, runs, jobs=2, arguments=arguments(tmp_path), on_event=seen, stop=done.is_set)
    killer.join()
    assert len(known) in (2, 3)  # a new one where there was still something to train
    assert all(worker.process.returncode is not None for worker in known)
    assert seen.settled() == {long.id: 1, missing.id: 4, short.id: 0, last.id: 0}
    statuses = [run_files(tmp_path, run).status() for run in (long, missing, short, last)]
    assert statuses == ["failed", "failed", "finished", "finished"]
    lost, failed = run_files(tmp_path, long).failure(), run_files(tmp_path, missing).failure()
    assert lost is not None
    assert failed is not None
    assert (lost["kind"], failed["kind"]) == ("killed", "error")
    assert "SIGKILL" in lost["message"]
    assert "try fewer runs at a time" in lost["message"]
    assert lost["epoch"] == len(run_files(tmp_path, long).metrics()) >= 1
    assert "reslab data fetch cifar10" in failed["message"]
    assert workers(tmp_path) == []


@pytest.mark.deep
def test_runs_that_share_a_process_are_what_they_are_alone(tmp_path: Path) -> None:
    """In a folder whose name has a line's end, quotes and a byte that is no UTF-8."""
    *others, missing = runs = [Run(small(1), seed) for seed in range(2)] + [Run(small(1, dataset="cifar10"))]
    alone, together = tmp_path / "alone", tmp_path / os.fsdecode(b'two\nlines, a "quoted" caf\xe9')
    for root, each in ((alone, 1), (together, 3)):
        seen = Seen()
        assert launch(root, runs, jobs=each, runs_each=each, arguments=arguments(root), on_event=seen)
        failure = run_files(root, missing).failure()
        assert failure is not None
        assert "reslab data fetch cifar10" in failure["message"]
        assert failure["message"].encode()
        assert seen.settled() == {**{run.id: 0 for run in others}, missing.id: 4}
    for run in others:
        assert outcome(run_files(together, run)) == outcome(run_files(alone, run))


def test_a_process_of_several_runs_stops_with_a_checkpoint_of_each(tmp_path: Path) -> None:
    runs = [Run(small(400), seed) for seed in range(2)]
    seen, names = Seen(), set[int]()

    class Known(launching._Worker):
        def __post_init__(self) -> None:
            super().__post_init__()
            names.add(self.process.pid)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(launching, "_Worker", Known)
        begun = lambda: all(seen.has("epoch", run) for run in runs)  # noqa: E731
        assert not launch(tmp_path, runs, jobs=2, runs_each=2, arguments=arguments(tmp_path), on_event=seen, stop=begun)
    assert len(names) == 1
    for run in runs:
        files = run_files(tmp_path, run)
        assert files.status() == "interrupted"
        assert any(files.checkpoints.glob("*/manifest.json"))


def test_a_stop_leaves_checkpoints_and_a_second_launch_finishes(tmp_path: Path) -> None:
    runs = [Run(small(2), seed) for seed in (0, 1)]
    seen = Seen()
    stopped = launch(
        tmp_path,
        runs,
        jobs=1,
        arguments=arguments(tmp_path),
        on_event=seen,
        stop=lambda: seen.has("epoch", runs[0]),
    )
    assert not stopped
    files = [run_files(tmp_path, run) for run in runs]
    statuses = [each.status() for each in files]
    assert statuses == ["interrupted", "pending"]  # nothing new was begun
    assert any(files[0].checkpoints.glob("*/manifest.json"))
    assert workers(tmp_path) == []
    assert launch(tmp_path, runs, jobs=1, arguments=arguments(tmp_path))
    assert [each.status() for each in files] == ["finished"] * 2
    assert outcome(files[0]) != outcome(files[1])
    attempts = (files[0].provenance() or {})["attempts"]
    assert len(attempts) == 2
    assert attempts[1]["from_iteration"] > 0
    assert workers(tmp_path) == []


def test_workers_leave_when_their_launcher_is_killed(tmp_path: Path) -> None:
    run = Run(small(2000))
    files = run_files(tmp_path, run)
    files.create(run)
    command = [sys.executable, "-c", LAUNCHER, str(files.path), *arguments(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as launcher:
        assert launcher.stdout is not None
        events = (json.loads(line)["event"] for line in launcher.stdout)
        assert next(event for event in events if event == "epoch")
        assert files.status() == "running"
        assert len(workers(tmp_path)) == 1
        launcher.kill()
        launcher.wait()
    wait_for(lambda: workers(tmp_path) == [], seconds=10)
    assert files.status() == "interrupted"
    assert any(files.checkpoints.glob("*/manifest.json"))


class DeadOnArrival:
    """A python whose workers do something else than train."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._path = folder / "python"
        monkeypatch.setattr(sys, "executable", str(self._path))

    def does(self, script: str) -> None:
        """Let the workers run a shell script, in which `take` reads a folder."""
        take = """take() { read -r line || return 1; folder=$(echo "$line" | tr -d '"'); }"""
        self._path.write_text(f"#!/bin/sh\n{take}\n{script}\n")
        self._path.chmod(0o755)


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DeadOnArrival:
    """Return a stand-in for the worker."""
    return DeadOnArrival(tmp_path, monkeypatch)


def test_workers_that_cannot_start_fail_each_run_with_what_they_said(tmp_path: Path, stand_in: DeadOnArrival) -> None:
    stand_in.does("echo 'No module named torch' >&2; exit 3")
    runs = [Run(small(1), seed) for seed in range(3)]
    seen = Seen()
    assert launch(tmp_path, runs, jobs=2, on_event=seen)
    assert seen.settled() == {run.id: 1 for run in runs}
    for run in runs:
        failure = run_files(tmp_path, run).failure()
        assert failure is not None
        assert failure["kind"] == "killed"
        assert failure["message"] == "its process ended with exit code 3"
        assert "No module named torch" in failure["traceback"]


def test_a_process_that_leaves_another_behind_is_missed_at_once(tmp_path: Path, stand_in: DeadOnArrival) -> None:
    stand_in.does(f"take; sleep 20 & echo $! > {tmp_path}/left; kill -9 $$")  # which keeps its output open
    runs, seen, since = [Run(small(1), seed) for seed in range(2)], Seen(), time.monotonic()
    try:
        assert launch(tmp_path, runs, jobs=1, on_event=seen)
    finally:
        os.kill(int((tmp_path / "left").read_text()), signal.SIGKILL)
    assert time.monotonic() - since < 15
    assert seen.settled() == {run.id: 1 for run in runs}
    assert "SIGKILL" in (run_files(tmp_path, runs[0]).failure() or {})["message"]


@pytest.mark.parametrize(
    ("name", "content", "status"),
    [
        ("result.json", '{"status": "finished"}', "finished"),
        ("failure.json", '{"kind": "diverged"}', "diverged"),
        ("failure.json", '{"kind": "out-of-memory", "message": "m"}', "failed"),
    ],
)
def test_what_a_run_itself_has_written_outlasts_the_death_of_its_process(
    tmp_path: Path, stand_in: DeadOnArrival, name: str, content: str, status: str
) -> None:
    stand_in.does(f"take; echo '{content}' > \"$folder/{name}\"; kill -9 $$")
    run = Run(small(1))
    assert launch(tmp_path, [run], jobs=1)
    files = run_files(tmp_path, run)
    assert files.status() == status
    assert (files.path / name).read_text().strip() == content


def test_lines_that_are_no_events_are_passed_over(tmp_path: Path, stand_in: DeadOnArrival) -> None:
    settled = json.dumps({"event": "settled", "folder": "FOLDER", "message": "", "exit_code": 0})
    tell = f"echo '{settled}' | sed \"s:FOLDER:$folder:\""
    stand_in.does(f"take; echo 'some library says hello'; echo 7; {tell}; take; exit 0")
    seen = Seen()
    run = Run(small(1))
    assert launch(tmp_path, [run], jobs=1, on_event=seen)
    assert seen.settled() == {run.id: 0}


def test_output_in_any_encoding_is_no_hindrance(tmp_path: Path, stand_in: DeadOnArrival) -> None:
    settled = json.dumps({"event": "settled", "folder": "FOLDER", "message": "", "exit_code": 0})
    tell = f"echo '{settled}' | sed \"s:FOLDER:$folder:\""
    stand_in.does(f"take; printf 'caf\\351\\n'; printf 'caf\\351\\n' >&2; {tell}; take; exit 0")
    seen, run = Seen(), Run(small(1))
    assert launch(tmp_path, [run], jobs=1, on_event=seen)
    assert seen.settled() == {run.id: 0}


def test_a_process_whose_card_failed_is_replaced(tmp_path: Path, stand_in: DeadOnArrival) -> None:
    settled = json.dumps({"event": "settled", "folder": "FOLDER", "message": "", "exit_code": 0})
    tell = f"echo '{settled}' | sed \"s:FOLDER:$folder:\""
    count = f"echo started >> {tmp_path}/started"
    spoiled = 'echo \'{"event": "spoiled"}\''
    stand_in.does(f"{count}; while take; do {spoiled}; {tell}; done")
    seen = Seen()
    runs = [Run(small(1), seed) for seed in range(3)]
    assert launch(tmp_path, runs, jobs=1, on_event=seen)
    assert seen.settled() == {run.id: 0 for run in runs}
    assert (tmp_path / "started").read_text().count("started") == 3


def test_a_run_that_nobody_gave_is_passed_over(tmp_path: Path, stand_in: DeadOnArrival) -> None:
    odd = json.dumps({"event": "settled", "folder": "elsewhere", "message": "", "exit_code": 0})
    settled = json.dumps({"event": "settled", "folder": "FOLDER", "message": "", "exit_code": 0})
    stand_in.does(f"while take; do echo '{odd}'; echo '{settled}' | sed \"s:FOLDER:$folder:\"; done")
    seen, run = Seen(), Run(small(1))
    assert launch(tmp_path, [run], jobs=1, on_event=seen)
    assert seen.settled() == {run.id: 0}


def test_an_error_of_whoever_listens_leaves_no_process(tmp_path: Path, stand_in: DeadOnArrival) -> None:
    stand_in.does('take; echo \'{"event": "start"}\'; exec sleep 600.25')

    def failing(_: dict[str, Any]) -> None:
        raise RuntimeError("no terminal")

    with pytest.raises(RuntimeError, match="no terminal"):
        launch(tmp_path, [Run(small(1))], jobs=1, on_event=failing)
    assert "sleep 600.25" not in subprocess.check_output(["ps", "-eww", "-o", "args="], text=True)


def test_a_worker_that_does_not_leave_is_killed_in_the_end(
    tmp_path: Path, stand_in: DeadOnArrival, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reslab.lab.launch.PATIENCE_SECONDS", 0.3)
    stand_in.does("trap '' TERM; take; echo '{\"event\": \"start\"}'; while true; do sleep 0.05; done")
    seen = Seen()
    stop: Callable[[], bool] = lambda: len(seen.events) > 0  # noqa: E731
    assert not launch(tmp_path, [Run(small(1))], jobs=1, on_event=seen, stop=stop)
    assert run_files(tmp_path, Run(small(1))).failure() is None  # it was asked to go


def test_nothing_to_train_is_done_at_once(tmp_path: Path) -> None:
    assert launch(tmp_path, [], jobs=2)


def test_a_folder_that_cannot_be_written_is_refused_before_anything_starts(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("a file")
    with pytest.raises(ResLabError, match="cannot write to"):
        launch(tmp_path / "runs", [Run(small(1))], jobs=1)


@pytest.mark.parametrize(
    ("code", "words"), [(-9, "killed by SIGKILL: often"), (-40, "killed by signal 40"), (3, "code 3")]
)
def test_a_lost_process_is_told_by_its_signal_or_code(tmp_path: Path, code: int, words: str) -> None:
    run = Run(small(1))
    run_files(tmp_path, run).create(run)
    worker: Any = SimpleNamespace(process=SimpleNamespace(returncode=code), errors=["Traceback"])
    assert words in launching._write_loss(tmp_path, run, worker)["message"]
    failure = run_files(tmp_path, run).failure()
    assert failure is not None
    assert (failure["kind"], failure["traceback"]) == ("killed", "Traceback")
