"""What runs on a Ray cluster have to do with Ray, without it: which one is joined, and what a task reports."""

import json
import socket
import sys
import tempfile
import types
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from reslab.lab.clusters import ray_cluster
from reslab.lab.clusters.ray_cluster import _reporting, _train
from reslab.lab.launch import Event
from reslab.lab.settings import Settings
from reslab.lab.stopping import StopRequest
from reslab.recipe import Run
from synthetic import small


@pytest.mark.parametrize("noted", ["127.0.0.1:{closed}", "nonsense", "127.0.0.1:99999999", ""])
def test_a_cluster_that_is_gone_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, noted: str) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    assert ray_cluster._default_address() is None
    (tmp_path / "ray").mkdir()
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        closed = one.getsockname()[1]
    (tmp_path / "ray" / "ray_current_cluster").write_text(noted.format(closed=closed))
    assert ray_cluster._default_address() == "local"


def test_a_cluster_that_answers_is_joined(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    (tmp_path / "ray").mkdir()
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        one.listen()
        (tmp_path / "ray" / "ray_current_cluster").write_text(f"127.0.0.1:{one.getsockname()[1]}")
        assert ray_cluster._default_address() is None


class Mail:
    """Stands for the actor that takes what tasks report, and for its method."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.events: list[Event] = []
        self.stopped = False
        fake: Any = types.ModuleType("ray")
        fake.get = lambda answer: answer
        monkeypatch.setitem(sys.modules, "ray", fake)

    @property
    def put(self) -> "Mail":
        return self

    def remote(self, events: list[Event]) -> bool:
        self.events += events
        return self.stopped


def test_what_a_process_says_of_itself_harms_no_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mail = Mail(monkeypatch)
    with _reporting(mail, StopRequest()) as write:
        write(json.dumps({"event": "spoiled"}))
        write(json.dumps({"event": "progress", "run": "a/seed0", "iteration": 1}))
        write(json.dumps({"event": "settled", "folder": str(tmp_path / "a" / "seed0"), "exit_code": 0}))
    assert [(event["event"], event["run"]) for event in mail.events] == [
        ("progress", "a/seed0"),
        ("settled", "a/seed0"),
    ]


def test_progress_that_is_superseded_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    mail = Mail(monkeypatch)
    with _reporting(mail, StopRequest()) as write:
        for iteration in range(3):
            for run in ("a/seed0", "b/seed0"):
                write(json.dumps({"event": "progress", "run": run, "iteration": iteration}))
        write(json.dumps({"event": "epoch", "run": "a/seed0", "epoch": 1}))
    assert [(event["event"], event["run"], event.get("iteration")) for event in mail.events] == [
        ("progress", "a/seed0", 2),
        ("progress", "b/seed0", 2),
        ("epoch", "a/seed0", None),
    ]


def test_each_event_is_sent_once_however_fast_they_come(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_cluster, "MAIL_SECONDS", 0.0)
    mail, before = Mail(monkeypatch), sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with _reporting(mail, StopRequest()) as write:
            for number in range(5000):
                write(json.dumps({"event": "epoch", "run": "a/seed0", "epoch": number}))
                write(json.dumps({"event": "progress", "run": "a/seed0", "iteration": number}))
    finally:
        sys.setswitchinterval(before)
    assert [event["epoch"] for event in mail.events if event["event"] == "epoch"] == list(range(5000))


@pytest.mark.parametrize(("codes", "kept"), [([0, 0], False), ([0, 1], False), ([6, 1], True), ([6, 0], True)])
def test_a_run_that_could_not_be_sent_is_kept_whatever_came_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, codes: list[int], kept: bool
) -> None:
    def work(
        folders: list[str], settings: Settings, stop: StopRequest, side_by_side: int, write: Callable[[str], None]
    ) -> int:
        for folder, code in zip(folders, codes, strict=True):
            Path(folder).mkdir(parents=True)
            write(json.dumps({"event": "settled", "folder": folder, "exit_code": code}))
        return codes[-1]

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr("reslab.lab.execute.work", work)
    _train(None, ["a/seed0", "a/seed1"], Settings(), Mail(monkeypatch), 1)
    assert bool(list(tmp_path.rglob("seed0"))) == kept


def test_the_wish_to_stop_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    mail, stop = Mail(monkeypatch), StopRequest()
    mail.stopped = True
    with _reporting(mail, stop):
        assert not stop()
    assert stop()


@pytest.mark.parametrize(
    ("device", "cluster", "cards"),
    [("auto", {"CPU": 4.0, "GPU": 2.0}, 1), ("auto", {"CPU": 4.0}, 0), ("cpu", {"GPU": 2.0}, 0), ("cuda", {}, 1)],
)
def test_a_task_asks_for_a_card_where_its_runs_train_on_one(
    tmp_path: Path, device: str, cluster: dict[str, float], cards: int
) -> None:
    assert ray_cluster._needs(tmp_path, Settings(device=device), cluster).get("num_gpus", 0) == cards


class Cluster:
    """Stands for Ray: it ends one task at a time, and counts how many are with it at once."""

    def __init__(self) -> None:
        self.most = 0
        self.trained: list[str] = []

    def remote(self, _: object) -> "Cluster":
        return self

    def options(self, **_: object) -> SimpleNamespace:
        return SimpleNamespace(remote=lambda _, group, *__: tuple(group))

    def cluster_resources(self) -> dict[str, float]:
        return {"CPU": 8.0}

    def nodes(self) -> list[dict[str, Any]]:
        return [
            {"Alive": True, "Resources": {"CPU": 8.0, "memory": 2e9}},
            {"Alive": False, "Resources": {"memory": 9e9}},
        ]

    def wait(self, tasks: list[tuple[str, ...]], timeout: float) -> tuple[list[tuple[str, ...]], list[tuple[str, ...]]]:
        self.most = max(self.most, len(tasks))
        self.trained += tasks[0]
        return tasks[:1], tasks[1:]

    def get(self, answer: object) -> object:
        return answer


@pytest.mark.parametrize(("at_a_time", "most"), [(None, 5), (2, 2), (9, 5)])
def test_a_cluster_has_as_many_tasks_at_a_time_as_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_a_time: int | None, most: int
) -> None:
    mail = SimpleNamespace(take=SimpleNamespace(remote=list))
    monkeypatch.setattr(ray_cluster, "_mail", lambda _: mail)
    monkeypatch.setattr(ray_cluster, "_bury", lambda *_: None)
    cluster, runs = Cluster(), [Run(small(8), seed) for seed in range(5)]
    assert ray_cluster._launch(cluster, tmp_path, runs, 1, at_a_time, Settings(), lambda _: None, lambda: False)
    assert cluster.most == most
    assert cluster.trained == [run.id for run in runs]
