"""What is submitted to Slurm and how it is followed, with commands of Slurm's that are small scripts."""

import json
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from lab_runs import small

from reslab.errors import ResLabError
from reslab.lab.clusters import slurm
from reslab.lab.folder import ending
from reslab.lab.folder.store import run_files
from reslab.lab.launch import Event
from reslab.lab.shares.folder_place import Folder
from reslab.recipe import Run
from reslab.session.progress import Board

RUNS = [Run(small(1), seed) for seed in range(2)]

SBATCH = """\
for task in 0 1; do
  if [ -n "$(sed -n "$((task + 1))p" "$(dirname "$2")/folders.txt")" ]; then
    SLURM_ARRAY_JOB_ID=42 SLURM_ARRAY_TASK_ID=$task bash "$2" > "$(dirname "$2")/$task.log" 2>&1
  fi
done
echo "42;cluster"
"""
"""Runs the tasks before it answers."""

NOTHING_QUEUED = "echo 'slurm_load_jobs error: Invalid job id specified' >&2; exit 1"


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Put commands of Slurm's before all others."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setattr(slurm, "POLL_SECONDS", 0.01)

    def make(**scripts: str) -> None:
        for name, body in {"scontrol": "echo MaxArraySize = 1001", **scripts}.items():
            path = folder / name
            path.write_text(f"#!/bin/bash\n{body}\n")
            path.chmod(path.stat().st_mode | stat.S_IXUSR)

    return make


@pytest.mark.deep
def test_an_array_trains_the_runs_wherever_their_folder_is(tmp_path: Path, commands: Callable[..., None]) -> None:
    commands(sbatch=SBATCH, squeue=NOTHING_QUEUED)
    root, events, said = tmp_path / "runs of o'Brien $HOME", list[Event](), list[str]()
    assert slurm.launch(root, RUNS, on_event=events.append, tell=said.append)
    assert [run_files(root, run).status() for run in RUNS] == ["finished", "finished"]
    ended = [(event["run"], event["status"]) for event in events if event["event"] == "end"]
    assert ended == [(run.id, "finished") for run in RUNS]
    assert said == [f"submitted Slurm job 42: 2 tasks, script {next((root / 'slurm').iterdir())}/job.sh"]


@pytest.mark.parametrize(("code", "requeued"), [(130, True), (0, False), (3, False)])
def test_a_task_that_was_stopped_is_queued_again(
    tmp_path: Path, commands: Callable[..., None], monkeypatch: pytest.MonkeyPatch, code: int, requeued: bool
) -> None:
    python = tmp_path / "python"
    python.write_text(f"#!/bin/bash\ntrap 'sleep 0.2; exit {code}' TERM\nkill -TERM $PPID\nsleep 5 & wait\nexit 1\n")
    python.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(python))
    commands(sbatch=SBATCH, squeue=NOTHING_QUEUED, scontrol=f'echo "$@" >> {tmp_path}/asked')
    slurm.launch(tmp_path / "runs", RUNS[:1])
    asked = (tmp_path / "asked").read_text().splitlines()
    assert ("requeue 42_0" in asked) == requeued


def test_what_slurm_says_reaches_the_user(tmp_path: Path, commands: Callable[..., None]) -> None:
    commands(sbatch="echo 'sbatch: error: invalid partition specified: gpx' >&2; exit 1", squeue=NOTHING_QUEUED)
    with pytest.raises(ResLabError, match="invalid partition specified: gpx"):
        slurm.launch(tmp_path / "runs", RUNS)


def test_a_controller_that_is_silent_for_a_while_is_waited_for(
    tmp_path: Path, commands: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slurm, "ASK_SECONDS", 0.05)
    silent = "echo 'slurm_load_jobs error: Unable to contact slurm controller' >&2; exit 1"
    commands(sbatch="echo 42", squeue=f"[ -e {tmp_path}/asked ] && exit 0; touch {tmp_path}/asked; {silent}")
    assert slurm.launch(tmp_path / "once", RUNS)  # right after it took the job
    commands(sbatch="echo 42", squeue=silent)
    monkeypatch.setattr(slurm, "SILENCE_SECONDS", 0.1)
    with pytest.raises(ResLabError, match="Unable to contact slurm controller"):
        slurm.launch(tmp_path / "always", RUNS)


@pytest.mark.parametrize(
    ("log", "why"),
    [
        ("echo 'job.sh: line 9: python: not found'", "0.log: job.sh: line 9: python: not found"),
        ("rm -f $(dirname $2)/0.log", "as when a job is cancelled (sacct -j 42 says more)"),
    ],
)
def test_a_task_that_never_begins_its_run_has_failed(
    tmp_path: Path, commands: Callable[..., None], log: str, why: str
) -> None:
    commands(sbatch=f"{log} > $(dirname $2)/0.log; {log if log[0] == 'r' else ''}\necho 42", squeue=NOTHING_QUEUED)
    events: list[Event] = []
    assert slurm.launch(tmp_path / "runs", RUNS[:1], on_event=events.append)
    files = run_files(tmp_path / "runs", RUNS[0])
    assert files.status() == "failed"
    message = (files.failure() or {})["message"]
    assert message.startswith("task 0 of Slurm job 42 left the queue before it started its run; ")
    assert message.endswith(why)
    assert events[-1] == {"event": "settled", "run": RUNS[0].id, "exit_code": 1, "message": message}


def test_a_task_that_is_killed_after_it_began_is_told(tmp_path: Path, commands: Callable[..., None]) -> None:
    begun = '{"event": "start", "name": "it", "iteration": 0, "num_iterations": 9, "num_epochs": 3}'
    commands(
        sbatch=f"echo '{begun}' > $(dirname $2)/0.events; echo oom_kill > $(dirname $2)/0.log; echo 42",
        squeue=NOTHING_QUEUED,
    )
    events: list[Event] = []
    assert slurm.launch(tmp_path / "runs", RUNS[:1], on_event=events.append)
    message = (run_files(tmp_path / "runs", RUNS[0]).failure() or {})["message"]
    assert message.startswith("task 0 of Slurm job 42 left the queue before its run ended; ")
    assert message.endswith("0.log: oom_kill")
    assert events[-1]["message"] == message


def test_what_a_run_says_of_its_failure_stays_whatever_became_of_an_earlier_job(
    tmp_path: Path, commands: Callable[..., None]
) -> None:
    root = tmp_path / "runs"
    commands(sbatch="echo 41", squeue="echo 0 PENDING")
    slurm.launch(root, RUNS[:1], stop=lambda: True)  # its task is cancelled before it begins
    event = '{"event": "start", "name": "it", "iteration": 0, "num_iterations": 9, "num_epochs": 3}'
    commands(sbatch=f"echo '{event}' > $(dirname $2)/0.events; echo 42", squeue=NOTHING_QUEUED)
    files = run_files(root, RUNS[0])
    ending.fail(files, "error", "CUDA error: an illegal memory access", "Traceback")
    events: list[Event] = []
    assert slurm.launch(root, RUNS[:1], on_event=events.append)
    assert (files.failure() or {})["message"] == "CUDA error: an illegal memory access"
    assert not [event for event in events if event["event"] == "settled"]


@pytest.mark.parametrize("name", ["plain", "form\x0cfeed", "caf\udce9"])
def test_a_job_is_found_again_whatever_its_folder_is_called(
    tmp_path: Path, commands: Callable[..., None], name: str
) -> None:
    commands(sbatch="echo 42", squeue="echo 0 PENDING")
    said: list[str] = []
    for _ in range(2):
        slurm.launch(tmp_path / name, RUNS[:1], stop=lambda: True, tell=said.append)
    assert sum(words.startswith("submitted") for words in said) == 1
    assert "1 already queued: Slurm job 42" in said


def test_a_task_that_never_begins_on_a_node_of_its_own_has_failed(
    tmp_path: Path, commands: Callable[..., None]
) -> None:
    commands(sbatch="echo 42", squeue=NOTHING_QUEUED)
    root, where, events = tmp_path / "runs", Folder(tmp_path / "share"), list[Event]()
    assert slurm.launch(root, RUNS[:1], on_event=events.append, where=where)
    message = (run_files(root, RUNS[0]).failure() or {})["message"]
    assert message.endswith("left the queue before it started its run; its node keeps /tmp/reslab-42_0.log")
    assert events == [{"event": "settled", "run": RUNS[0].id, "exit_code": 1, "message": message}]


def test_an_answer_of_sbatch_that_is_no_job_is_told(tmp_path: Path, commands: Callable[..., None]) -> None:
    commands(sbatch="echo queued by the portal", squeue=NOTHING_QUEUED)
    with pytest.raises(ResLabError, match="not answer with a job number but with 'queued by the portal'"):
        slurm.launch(tmp_path / "runs", RUNS)


@pytest.mark.parametrize(
    "said",
    [
        "scontrol: error: resolve_ctls_from_dns_srv: Unknown host\nfatal: Could not establish a configuration source",
        "slurm_load_ctl_conf error: Unable to contact slurm controller (connect failure)",
    ],
)
def test_without_a_controller_it_is_said_that_none_answers(
    tmp_path: Path, commands: Callable[..., None], said: str
) -> None:
    commands(scontrol=f"echo '{said}' >&2; exit 1", sbatch="exit 1", squeue=NOTHING_QUEUED)
    with pytest.raises(ResLabError, match=r"^no Slurm controller answers here") as found:
        slurm.launch(tmp_path / "runs", RUNS)
    assert said.splitlines()[-1] in str(found.value)
    assert "resolve_ctls" not in str(found.value)
    assert "scontrol: scontrol" not in str(found.value)
    assert not (tmp_path / "runs").exists()


def test_without_slurm_it_is_said_where_to_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ResLabError, match="there is no sbatch here"):
        slurm.launch(tmp_path / "runs", RUNS)


def test_many_runs_are_several_arrays_and_what_is_queued_is_not_submitted_again(
    tmp_path: Path, commands: Callable[..., None]
) -> None:
    runs = [Run(small(1), seed) for seed in range(5)]
    commands(
        scontrol="echo 'MaxArraySize            = 3'",
        sbatch=f"n=$(cat {tmp_path}/n 2>/dev/null || echo 0); echo $((n + 1)) | tee {tmp_path}/n",
        squeue="printf '0 RUNNING\\n1 PENDING\\n'",
    )
    said: list[str] = []
    stops = iter([True] * 9)
    assert not slurm.launch(tmp_path / "runs", runs, tell=said.append, stop=lambda: next(stops))
    assert [words.partition(",")[0] for words in said[:3]] == [
        "submitted Slurm job 1: 2 tasks",
        "submitted Slurm job 2: 2 tasks",
        "submitted Slurm job 3: 1 task",
    ]
    assert said[3].endswith("(scancel 1 2 3 stops them)")
    said.clear()
    assert not slurm.launch(tmp_path / "runs", runs, tell=said.append, stop=lambda: next(stops))
    assert said[0] == "5 already queued: Slurm job 1, Slurm job 2, Slurm job 3"


def test_what_is_followed_again_has_begun(tmp_path: Path, commands: Callable[..., None]) -> None:
    """Whoever shows the runs hears of the last beginning of each, and of nothing else that was told before."""
    commands(sbatch="echo 42", squeue="printf '0 RUNNING\\n1 PENDING\\n'")
    root = tmp_path / "runs"
    stops = iter([True] * 2)
    assert not slurm.launch(root, RUNS, stop=lambda: next(stops))
    (place,) = (root / "slurm").iterdir()
    lengths = {"num_iterations": 20, "num_epochs": 2}
    told = [
        *({"event": "start", "iteration": iteration, **lengths} for iteration in (0, 5)),
        {"event": "progress", "iteration": 6},
    ]
    events = place / "0.events"
    events.write_text("".join(json.dumps(event) + "\n" for event in told))
    heard: list[Event] = []

    def stop() -> bool:
        with events.open("a") as file:
            file.write(json.dumps({"event": "progress", "iteration": 7}) + "\n")
        return len(heard) > 1

    with Board({run.id: (1.0, 1.0) for run in RUNS}, quiet=True) as board:

        def on_event(event: Event) -> None:
            heard.append(event)
            board(event)

        assert not slurm.launch(root, RUNS, on_event=on_event, stop=stop)
    assert [event["event"] for event in heard][:2] == ["start", "progress"]
    assert [event["iteration"] for event in heard][:2] == [5, 7]


@pytest.mark.parametrize(("patience", "ends"), [(1800.0, True), (-1.0, False)])
def test_a_controller_that_is_silent_for_a_while_ends_no_following(
    tmp_path: Path, commands: Callable[..., None], monkeypatch: pytest.MonkeyPatch, patience: float, ends: bool
) -> None:
    monkeypatch.setattr(slurm, "ASK_SECONDS", 0.0)
    monkeypatch.setattr(slurm, "SILENCE_SECONDS", patience)
    commands(
        sbatch="echo 42",
        squeue=f"""n=$(cat {tmp_path}/n 2>/dev/null || echo 0); echo $((n + 1)) > {tmp_path}/n
case $n in
  0) printf '0 RUNNING\\n1 PENDING\\n' ;;
  1|2) echo 'slurm_load_jobs error: Socket timed out on send/recv operation' >&2; exit 1 ;;
  *) {NOTHING_QUEUED} ;;
esac""",
    )
    if ends:
        assert slurm.launch(tmp_path / "runs", RUNS)
    else:
        with pytest.raises(ResLabError, match="Socket timed out"):
            slurm.launch(tmp_path / "runs", RUNS)


def test_a_folder_that_sbatch_cannot_be_told_is_refused_before_anything_is_submitted(
    tmp_path: Path, commands: Callable[..., None]
) -> None:
    commands(sbatch=f"touch {tmp_path}/submitted; echo 42", squeue=NOTHING_QUEUED)
    with pytest.raises(ResLabError, match="choose a folder without line breaks"):
        slurm.launch(tmp_path / "two\nlines", RUNS)
    assert not (tmp_path / "submitted").exists()
