"""Slurm's own daemons: an array that is preempted and loses a node ends with the bits of one machine."""

import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from cluster_runs import RECIPE, RUNS, bits, wait_for
from slurm_cluster import Cluster, missing, slurm_cluster

from reslab.lab import launch as here
from reslab.lab.clusters import slurm
from reslab.lab.folder.store import run_files
from reslab.lab.launch import Event
from reslab.lab.settings import Settings
from reslab.lab.shares.folder_place import Folder
from reslab.recipe import Run, vary

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(bool(missing()), reason=missing() or "there is Slurm"),
]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A cluster below a short path: sockets have no longer ones."""
    with tempfile.TemporaryDirectory(prefix="slurm") as root, slurm_cluster(Path(root)) as found:
        yield found


def test_six_runs_survive_a_preemption_and_a_dead_node(cluster: Cluster, tmp_path: Path) -> None:
    events: list[Event] = []
    done: list[bool] = []
    arguments = ["--checkpoint-seconds", "0.5"]

    def follow() -> None:
        done.append(
            slurm.launch(
                tmp_path / "runs", RUNS, options=["cpus-per-task=1"], arguments=arguments, on_event=events.append
            )
        )

    follower = threading.Thread(target=follow)
    follower.start()
    begun = [run_files(tmp_path / "runs", run) for run in RUNS]
    wait_for(lambda: sum(bool(files.metrics()) for files in begun) >= 4)

    cluster.run("sbatch", "-p", "high", "-w", "n1", "--exclusive", "-o", "/dev/null", "--wrap", "sleep 1")
    wait_for(lambda: any("requeued" in event.get("words", "") for event in events))

    wait_for(lambda: "n2" in cluster.run("squeue", "-h", "-t", "R", "-o", "%N"))
    cluster.kill_node("n2")
    wait_for(lambda: "down" in cluster.run("sinfo", "-h", "-n", "n2", "-o", "%T"))
    cluster.start_node("n2")
    follower.join(timeout=400)
    assert done == [True]

    assert here.launch(tmp_path / "alone", RUNS, jobs=2, arguments=["--threads", "1"])
    for run in RUNS:
        assert bits(run_files(tmp_path / "runs", run)) == bits(run_files(tmp_path / "alone", run))
    resumed = {event["run"] for event in events if event["event"] == "start" and event["iteration"] > 0}
    assert len(resumed) >= 2


def test_what_is_queued_is_followed_and_not_submitted_again(cluster: Cluster, tmp_path: Path) -> None:
    said: list[str] = []
    stops = iter([False, True])
    runs = [Run(vary(RECIPE, learning_rate=0.05), seed) for seed in range(2)]
    assert not slurm.launch(tmp_path, runs[:1], tell=said.append, stop=lambda: next(stops))
    assert "scancel" in said[-1]
    said.clear()
    assert slurm.launch(tmp_path, runs, tell=said.append)
    assert said[0].startswith("1 already queued")
    assert "1 task," in said[1]
    assert [run_files(tmp_path, run).status() for run in runs] == ["finished", "finished"]


def test_nodes_that_see_nothing_but_a_share_survive_one_of_them(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RESLAB_LEASE", "3")
    monkeypatch.setattr(slurm, "ASK_SECONDS", 1.0)
    share, root, runs = tmp_path / "share", tmp_path / "runs", RUNS[:3]
    share.mkdir()
    events: list[Event] = []
    done: list[bool] = []
    settings = Settings(checkpoint_seconds=0.5, shares=(str(share),), push=True)

    def follow() -> None:
        options, where = ["cpus-per-task=1", "nodelist=n2"], Folder(share)
        arguments = settings.arguments()
        done.append(slurm.launch(root, runs, options=options, arguments=arguments, on_event=events.append, where=where))

    follower = threading.Thread(target=follow)
    follower.start()
    wait_for(lambda: sum(event["event"] == "epoch" for event in events) >= 2)
    cluster.kill_node("n2")
    wait_for(lambda: "down" in cluster.run("sinfo", "-h", "-n", "n2", "-o", "%T"))
    cluster.start_node("n2")
    follower.join(timeout=400)
    assert done == [True]

    assert here.launch(tmp_path / "alone", runs, jobs=2, arguments=["--threads", "1"])
    for run in runs:
        assert bits(run_files(root, run)) == bits(run_files(tmp_path / "alone", run))
    assert {event["run"] for event in events if event["event"] == "end"} >= {run.id for run in runs}
    attempts = [(run_files(root, run).provenance() or {})["attempts"] for run in runs]
    assert any(one["from_iteration"] > 0 for of_run in attempts for one in of_run)
    assert not list(root.glob("slurm/*/*.events"))
    assert not (share / "unfinished").exists()
