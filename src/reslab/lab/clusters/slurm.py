"""Many runs on a Slurm cluster: an array job whose tasks do what a worker does here, followed through their files.

    runs/slurm/20261128T101500-4242/
      job.sh          the submitted script
      folders.txt     each task's run folder, in order
      job             Slurm's job number of the array
      17.events       events of task 17, one line of JSON each; a requeued task appends
      17.log          its other output

If the nodes do not see this folder, they use a share (`where`): the script has the names of the runs, the tasks train
them in local folders of their nodes, and progress is followed on the share.

A task that is told to stop, because its time is nearly over or another job needs the node, writes a checkpoint and is
requeued.  Slurm requeues a task whose node died.  The submitting command may exit: repeated later, it follows what is
queued, and submits the rest.
"""

import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from reslab.errors import ResLabError
from reslab.files import new_folder, write_whole, writing
from reslab.lab.clusters.following import Event, Tasks, hand_on
from reslab.lab.clusters.slurm_script import check_options, check_place, log_apart, script
from reslab.lab.folder import ending
from reslab.lab.folder.store import run_files
from reslab.lab.launch import settled
from reslab.lab.shares.distant import Followed, ask_for_all
from reslab.lab.shares.places import Place
from reslab.recipe import Run

FOLDER = "slurm"
POLL_SECONDS = 1.0
TASKS_A_POLL = 1000
"""Tasks whose files are polled every second; with more tasks, polling is slower."""
ASK_SECONDS = 10.0
"""Time between queries to Slurm; the files are polled more often."""
SILENCE_SECONDS = 1800.0
"""How long a controller that has answered before may be silent, as when it restarts; the jobs continue meanwhile."""
LAST_LINES = 5
"""Lines of a task's log in the message that it was lost."""

_NO_CONTROLLER = re.compile(
    "contact slurm controller|resolve_ctls|configuration source|process configuration|config file|Connection refused|"
    "Socket timed out|Unable to connect",
    re.IGNORECASE,
)
"""Words of Slurm's commands when they cannot reach a controller, or do not know one."""


@dataclass
class Job(Tasks):
    """An array of tasks."""

    number: str = ""


def launch(
    root: Path,
    runs: Sequence[Run],
    *,
    name: str = "reslab",
    options: Sequence[str] = (),
    arguments: Sequence[str] = (),
    on_event: Callable[[Event], None] = lambda _: None,
    stop: Callable[[], bool] = lambda: False,
    tell: Callable[[str], object] = lambda _: None,
    where: Place | None = None,
    at_a_time: int | None = None,
) -> bool:
    """Submit the runs that are not queued yet, follow all of them, and return whether all have left the queue.

    `options` are sbatch's, without dashes, as in partition=gpu; `at_a_time` limits the tasks that run at once.
    `stop()` ends the following, not the jobs.  With a share (`where`) the nodes need not see the folder of the runs;
    the `arguments` must then include pushing there.  Raises `ResLabError` if there is no Slurm, or it rejects a job.
    """
    most = check(options)
    jobs: list[Job] = []
    under_way: set[Run] = set()
    for job in _earlier(root, runs):
        if queued := _queued(job):
            job.skip()
            jobs.append(job)
            under_way |= {run for task, run in job.runs.items() if task in queued}
    if under_way:
        numbers = ", ".join(f"Slurm job {job.number}" for job in jobs)
        tell(f"{len(under_way)} already queued: {numbers}")
    left = [run for run in runs if run not in under_way]
    parts = _parts(left, most)
    for run in left:
        run_files(root, run).create(run)
    if where is not None:
        ask_for_all(where, root, left)
    for part in parts:
        apart = where is not None
        job = submit(root, part, name=name, options=options, arguments=arguments, apart=apart, at_a_time=at_a_time)
        jobs.append(job)
        tell(f"submitted Slurm job {job.number}: {len(part)} task{'s' * (len(part) != 1)}, script {job.place}/job.sh")
    if _follow(root, jobs, on_event, stop, None if where is None else Followed(where, root)):
        return True
    numbers = " ".join(job.number for job in jobs)
    tell(f"no longer followed; the jobs continue, and the same command follows them (scancel {numbers} stops them)")
    return False


def check(options: Sequence[str] = ()) -> int:
    """Return the maximum number of tasks in an array here.

    Raises `ResLabError` if there is no Slurm, no controller answers, or an option is not allowed.
    """
    if shutil.which("sbatch") is None:
        raise ResLabError("there is no sbatch here; run this command where you submit Slurm jobs")
    check_options(options)
    found = re.search(r"MaxArraySize\s*=\s*(\d+)", _slurm("scontrol", "show", "config"))
    return max(1, int(found[1]) - 1) if found else 1000


def submit(
    root: Path,
    runs: Sequence[Run],
    *,
    name: str,
    options: Sequence[str] = (),
    arguments: Sequence[str] = (),
    apart: bool = False,
    at_a_time: int | None = None,
) -> Job:
    """Submit runs, whose folders exist, as one array job and return it."""
    if not apart:
        check_place(root.absolute())
    folders = [run_files(root, run) for run in runs]
    with writing(root):
        place = new_folder(root.absolute() / FOLDER)
        write_whole(place / "folders.txt", os.fsencode("".join(f"{files.path.absolute()}\n" for files in folders)))
        names = [run.id for run in runs] if apart else None
        written = script(place, len(runs), name, options, arguments, names, at_a_time)
        write_whole(place / "job.sh", os.fsencode(written))
    answer = _slurm("sbatch", "--parsable", str(place / "job.sh"))
    number = answer.partition(";")[0].strip()
    if not number.isdecimal():
        raise ResLabError(
            f"sbatch did not answer with a job number but with {answer.strip()[:200]!r}; if squeue lists the "
            "job, cancel it (scancel)"
        )
    with writing(place):
        write_whole(place / "job", f"{number}\n".encode())
    return Job(place, dict(enumerate(runs)), number=number)


def _follow(
    root: Path,
    jobs: Sequence[Job],
    on_event: Callable[[Event], None],
    stop: Callable[[], bool],
    followed: Followed | None,
) -> bool:
    """Pass on what the tasks report until none of them is queued; return False if `stop` came first."""

    def told(event: Event) -> None:
        stopped = event["event"] == "end" and event.get("status") == "interrupted"
        again = {"event": "remark", "words": "stopped with a checkpoint; requeued"}
        on_event({**again, "run": event["run"]} if stopped else event)

    asked, answered = -ASK_SECONDS, time.monotonic()
    queued: Mapping[str, Mapping[int, str]] = {job.number: dict.fromkeys(job.runs, "") for job in jobs}
    while any(queued.values()):
        if stop():
            return False
        if time.monotonic() - asked >= ASK_SECONDS:
            before, asked = queued, time.monotonic()
            try:
                queued, answered = {job.number: _queued(job) for job in jobs}, asked
            except ResLabError:
                if asked - answered > SILENCE_SECONDS:
                    raise
            if followed is not None:
                gone = followed.over(_gone(jobs, before, queued))
                for event in (*followed.training(_training(jobs, queued)), *gone):
                    told(event)
        if hand_on(jobs, told):
            asked = -ASK_SECONDS
        time.sleep(POLL_SECONDS * max(1.0, sum(len(job.runs) for job in jobs) / TASKS_A_POLL))
    hand_on(jobs, told)
    for event in followed.close() if followed is not None else ():
        told(event)
    for event in _lost(jobs, root, followed):
        told(event)
    return True


def _lost(jobs: Sequence[Job], root: Path, followed: Followed | None) -> Iterator[Event]:
    """Record the failure of runs whose tasks left the queue without reporting an end, and yield the events."""
    last = {run: (job, task) for job in jobs for task, run in job.runs.items()}
    for run, (job, task) in last.items():
        files, events = run_files(root, run), job.events_of(task)
        status = files.status()
        has_begun = events.exists() and events.stat().st_size if followed is None else followed.has_begun(run)
        if status not in ("pending", "interrupted", "failed") or (has_begun and status == "failed"):
            continue
        before = "its run ended" if has_begun else "it started its run"
        message = f"task {task} of Slurm job {job.number} left the queue before {before}; "
        message += _last_words(job, task) if followed is None else f"its node keeps {log_apart(job.number, task)}"
        ending.lost(files, message)
        yield settled(run, 1, message)


def _last_words(job: Job, task: int) -> str:
    log = job.place / f"{task}.log"
    try:
        last = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    except OSError:
        return f"there is no {log}, as when a job is cancelled (sacct -j {job.number} says more)"
    return f"the end of {log}: {' | '.join(last[-LAST_LINES:]) or 'it is empty'}"


def _training(jobs: Sequence[Job], queued: Mapping[str, Mapping[int, str]]) -> list[Run]:
    """Return the runs whose tasks have a node."""
    return [run for job in jobs for task, run in job.runs.items() if queued[job.number].get(task) == "RUNNING"]


def _gone(
    jobs: Sequence[Job], before: Mapping[str, Mapping[int, str]], queued: Mapping[str, Mapping[int, str]]
) -> list[Run]:
    """Return the runs whose tasks have left the queue."""
    return [job.runs[task] for job in jobs for task in before[job.number].keys() - queued[job.number].keys()]


def _queued(job: Job) -> dict[int, str]:
    """Return the states of a job's waiting and running tasks; Slurm forgets a job some minutes after its end."""
    try:
        answer = _slurm("squeue", "--noheader", "--array", "--jobs", job.number, "--format", "%K %T")
    except ResLabError as error:
        if "Invalid job id" in str(error):
            return {}
        raise
    lines = [line.split() for line in answer.splitlines()]
    ended = ("COMPLETED", "CANCELLED", "FAILED", "TIMEOUT", "NODE_FAIL", "OUT_OF_MEMORY", "BOOT_FAIL", "DEADLINE")
    found = {int(line[0]): line[1] for line in lines if len(line) == 2 and line[0].isdigit()}
    return {task: state for task, state in found.items() if task in job.runs and state not in ended}


def _earlier(root: Path, runs: Sequence[Run]) -> list[Job]:
    """Return the jobs that were submitted for some of these runs."""
    by_folder = {str(run_files(root, run).path.absolute()): run for run in runs}
    found = []
    for place in sorted((root / FOLDER).glob("*")):
        try:
            number = (place / "job").read_text(errors="replace").strip()
            folders = os.fsdecode((place / "folders.txt").read_bytes()).split("\n")
        except OSError:
            continue
        wanted = {task: by_folder[folder] for task, folder in enumerate(folders) if folder in by_folder}
        if wanted and number.isdigit():
            found.append(Job(place.absolute(), wanted, number=number))
    return found


def _parts(runs: Sequence[Run], most: int) -> list[Sequence[Run]]:
    return [runs[begin : begin + most] for begin in range(0, len(runs), most)]


def _last_line(words: str) -> str:
    return words.strip().splitlines()[-1]


def _slurm(*command: str) -> str:
    """Return the output of one of Slurm's commands; raise `ResLabError` with its message if it fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ResLabError(f"{command[0]} does not answer: {error}") from None
    if done.returncode and _NO_CONTROLLER.search(done.stderr):
        raise ResLabError(
            f"no Slurm controller answers here ({_last_line(done.stderr)}); run this "
            "command where sinfo lists the cluster's partitions"
        )
    if done.returncode:
        raise ResLabError(f"{command[0]} failed: {done.stderr.strip() or f'exit code {done.returncode}'}")
    return done.stdout
