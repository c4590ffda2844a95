"""A Ray cluster of three nodes: one is killed while it trains, and all runs end with the bits of one machine."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cluster_runs import RECIPE, RUNS, bits, wait_for

from reslab.lab import launch as here
from reslab.lab.clusters import ray_cluster
from reslab.lab.folder.store import run_files
from reslab.lab.launch import Event
from reslab.lab.settings import Settings
from reslab.recipe import Run, vary

ray = pytest.importorskip("ray", reason="needs Ray: make test-cluster installs it")
pytestmark = [
    pytest.mark.cluster,
    pytest.mark.filterwarnings("ignore"),  # Ray's own
]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Three nodes of two processors, the first without any, so that it only keeps the cluster."""
    from ray.cluster_utils import Cluster

    found: Any = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    ray.init(address=found.address, log_to_driver=False, logging_level="error")
    yield found
    ray.shutdown()
    found.shutdown()


def test_six_runs_survive_a_node_and_have_the_bits_of_one_machine(cluster: Any, tmp_path: Path) -> None:
    nodes = [cluster.add_node(num_cpus=2) for _ in range(3)]
    events: list[Event] = []
    done: list[bool] = []
    settings = Settings(device="cpu", threads=1, checkpoint_seconds=0.5)
    root = tmp_path / "runs"
    begun = time.monotonic()
    thread = threading.Thread(
        target=lambda: done.append(ray_cluster.launch(root, RUNS, settings=settings, on_event=events.append))
    )
    thread.start()
    wait_for(lambda: all(run_files(root, run).metrics() for run in RUNS), seconds=180)
    cluster.remove_node(nodes[0], allow_graceful=False)
    thread.join(timeout=400)
    there = time.monotonic() - begun
    assert done == [True]

    begun = time.monotonic()
    assert here.launch(tmp_path / "alone", RUNS, jobs=2, arguments=["--threads", "1"])
    print(f"three nodes, one killed: {there:.0f} s; this machine alone: {time.monotonic() - begun:.0f} s")
    for run in RUNS:
        assert bits(run_files(root, run)) == bits(run_files(tmp_path / "alone", run))
    starts = [event for event in events if event["event"] == "start"]
    assert len({event["run"] for event in starts if event["iteration"] > 0}) >= 1
    assert len({event["run"] for event in events if event["event"] == "end"}) == 6


def test_nodes_that_see_nothing_but_a_share_survive_one_of_them(
    cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RESLAB_LEASE", "3")
    nodes = [cluster.add_node(num_cpus=2) for _ in range(2)]
    events: list[Event] = []
    done: list[bool] = []
    share, root = tmp_path / "share", tmp_path / "runs"
    share.mkdir()
    settings = Settings(device="cpu", threads=1, checkpoint_seconds=0.5, shares=(str(share),), push=True)
    thread = threading.Thread(
        target=lambda: done.append(ray_cluster.launch(root, RUNS[:4], settings=settings, on_event=events.append))
    )
    thread.start()
    reached = [share / "unfinished" / run.id / "files" for run in RUNS[:4]]
    wait_for(lambda: all(len(list(path.glob("*"))) > 3 for path in reached), seconds=180)
    cluster.remove_node(nodes[0], allow_graceful=False)
    thread.join(timeout=400)
    assert done == [True]

    assert here.launch(tmp_path / "alone", RUNS[:4], jobs=2, arguments=["--threads", "1"])
    for run in RUNS[:4]:
        assert bits(run_files(root, run)) == bits(run_files(tmp_path / "alone", run))
        assert bits(run_files(share, run)) == bits(run_files(root, run))
    assert any(event["iteration"] > 0 for event in events if event["event"] == "start")
    assert not (share / "unfinished").exists()


def test_a_stop_checkpoints_everywhere(cluster: Any, tmp_path: Path) -> None:
    cluster.add_node(num_cpus=2)
    runs = [Run(vary(RECIPE, learning_rate=0.05), seed) for seed in range(2)]
    places = [run_files(tmp_path, run) for run in runs]
    settings = Settings(device="cpu", threads=1)
    assert not ray_cluster.launch(
        tmp_path, runs, settings=settings, stop=lambda: all(files.metrics() for files in places)
    )
    assert [files.status() for files in places] == ["interrupted", "interrupted"]
    assert all(files.checkpoints.exists() for files in places)
