"""Many runs on a Ray cluster: a task does what a worker does here, and is retried elsewhere when its node is lost.

Ray does the scheduling, retries and health checks of nodes; an actor carries the tasks' reports and the request to
stop.  The nodes need ResLab, and either the folder of the runs or a share that they can push to (`Settings.push`).
"""

import contextlib
import json
import math
import os
import shutil
import socket
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from reslab.errors import ResLabError, ShareError
from reslab.lab.clusters.following import Event, environment
from reslab.lab.folder import ending
from reslab.lab.folder.finding import find_runs
from reslab.lab.folder.store import RunFiles, run_files
from reslab.lab.launch import PATIENCE_SECONDS
from reslab.lab.settings import Settings
from reslab.lab.shares.distant import Followed, ask_for_all
from reslab.lab.shares.relay import push_place
from reslab.lab.shares.repeating import repeating
from reslab.lab.shares.vetting import RefusedError
from reslab.lab.stopping import StopRequest
from reslab.recipe import Run

TRIES = 10
"""How often a task is retried because its node was lost."""
LOST_SECONDS = 300.0
"""How long a task waits for a lost node to release its runs."""
MAIL_SECONDS = 0.5
"""Time between two messages of a task."""
SEND_SECONDS = 60.0
"""How long a finished task waits for a message in progress."""
ROOM = 1.25
"""Requested memory, relative to the peak of any run in the folder."""


def launch(
    root: Path,
    runs: Sequence[Run],
    *,
    address: str | None = None,
    runs_each: int = 1,
    at_a_time: int | None = None,
    settings: Settings,
    on_event: Callable[[Event], None] = lambda _: None,
    stop: Callable[[], bool] = lambda: False,
) -> bool:
    """Train runs on a cluster, `runs_each` side by side in a task; return whether all were tried.

    At most `at_a_time` tasks run at once; with None, Ray runs as many as there is room for.  `address` is that of a
    cluster, such as ray://host:10001, host:6379 or auto; by default, the one that this process has joined, or a new one
    on this machine.  On `stop()` every current run is checkpointed and left.  Raises `ResLabError` if there is no Ray
    or no cluster.
    """
    with joined(address) as ray:
        return _launch(ray, root, runs, runs_each, at_a_time, settings, on_event, stop)


@contextlib.contextmanager
def joined(address: str | None = None) -> Iterator[Any]:
    """Join a cluster within this, unless this process has already joined one; yield the `ray` module.

    Raises `ResLabError` if there is no Ray, or no cluster at this address (see `launch`).
    """
    ray = _ray()
    if ray.is_initialized():
        yield ray
        return
    _join(ray, address)
    try:
        yield ray
    finally:
        ray.shutdown()


def _launch(
    ray: Any,
    root: Path,
    runs: Sequence[Run],
    runs_each: int,
    at_a_time: int | None,
    settings: Settings,
    on_event: Callable[[Event], None],
    stop: Callable[[], bool],
) -> bool:
    where = push_place(settings)
    for run in runs:
        run_files(root, run).create(run)
    if where is not None:
        ask_for_all(where, root, runs)
    followed = None if where is None else Followed(where, root)
    by_id = {run.id: run for run in runs}

    def refused(brought: Sequence[Event]) -> list[Event]:
        """Return the events that tasks cannot report: that what they sent was refused."""
        return [event for event in brought if event.get("exit_code") == RefusedError.exit_code]

    def hand_on(events: Sequence[Event]) -> None:
        brought: list[Event] = []
        if followed is not None:
            brought = followed.over([by_id[event["run"]] for event in events if event["event"] == "settled"])
        for event in (*events, *refused(brought)):
            on_event(event)

    mail = _mail(ray)
    remote = ray.remote(_train).options(
        max_retries=TRIES, **_needs(root, settings, ray.cluster_resources(), _largest(ray))
    )
    folder = str(root.absolute()) if where is None else None
    groups = [[run.id for run in runs[begin : begin + runs_each]] for begin in range(0, len(runs), runs_each)]
    most, left = at_a_time or len(groups), iter(groups)
    waiting = {remote.remote(folder, group, settings, mail, runs_each): group for group in islice(left, most)}
    stopped: float | None = None
    while waiting:
        done, _ = ray.wait(list(waiting), timeout=0.5)
        hand_on(ray.get(mail.take.remote()))
        for one in done:
            _bury(ray, one, [RunFiles(root / name) for name in waiting.pop(one)])
        for group in islice(left, most - len(waiting) if stopped is None else 0):
            waiting[remote.remote(folder, group, settings, mail, runs_each)] = group
        if stopped is None and stop():
            stopped = time.monotonic()
            ray.get(mail.stop.remote())
        if stopped is not None and time.monotonic() - stopped > PATIENCE_SECONDS:
            for one in waiting:
                ray.cancel(one, force=True)
            break
    hand_on(ray.get(mail.take.remote()))
    if followed is not None:
        for event in refused(followed.close()):
            on_event(event)
    return stopped is None


class _Mail:
    """The tasks' reports, kept until the launcher takes them, and whether the tasks should stop."""

    def __init__(self) -> None:
        self._events: list[Event] = []
        self._stopped = False

    def put(self, events: list[Event]) -> bool:
        self._events += events
        return self._stopped

    def take(self) -> list[Event]:
        events, self._events = self._events, []
        return events

    def stop(self) -> None:
        self._stopped = True


def _mail(ray: Any) -> Any:
    """Start the actor on the launcher's node, so that losing another node does not end it."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    return ray.remote(_Mail).options(num_cpus=0, scheduling_strategy=here).remote()


def _train(root: str | None, names: Sequence[str], settings: Settings, mail: Any, side_by_side: int) -> None:
    """Train runs on a node, below the launcher's folder `root` or, if it is None, in a temporary folder there."""
    from reslab.lab.execute import work

    stop = StopRequest()
    with _reporting(mail, stop) as write:
        if root is None:
            scratch, codes = Path(tempfile.mkdtemp(prefix="reslab-")), list[int]()

            def note(line: str) -> None:
                codes.append(json.loads(line).get("exit_code", 0))
                write(line)

            work([str(scratch / name) for name in names], settings, stop, side_by_side, note)
            if ShareError.exit_code not in codes:  # else the folder has what could not be sent
                shutil.rmtree(scratch, ignore_errors=True)
            return
        left, end = [str(Path(root) / name) for name in names], time.monotonic() + LOST_SECONDS
        while left and time.monotonic() < end:
            work(left, settings, stop, side_by_side, write)
            # A lost node may hold its runs for a moment longer.
            left = [folder for folder in left if not stop() and RunFiles(Path(folder)).status() == "running"]
            time.sleep(2.0 if left else 0.0)


@contextlib.contextmanager
def _reporting(mail: Any, stop: StopRequest) -> Iterator[Callable[[str], object]]:
    """Yield a function that sends lines of events to the launcher every `MAIL_SECONDS`; stop if it says so."""
    import ray

    events: list[Event] = []  # the writer appends while a thread sends

    def write(line: str) -> None:
        event = json.loads(line)
        if "folder" in event:
            event.setdefault("run", RunFiles(Path(event["folder"])).name)
        if "run" in event:  # else it is about this process, which Ray manages
            events.append(event)

    def send() -> bool:
        taken = events[:]
        del events[: len(taken)]
        with contextlib.suppress(Exception):  # without a launcher, Ray ends this task
            if ray.get(mail.put.remote(_without_superseded(taken))):
                stop.ask()
        return True

    try:
        with repeating(send, MAIL_SECONDS, patience=SEND_SECONDS):
            yield write
    finally:
        send()


def _without_superseded(events: Sequence[Event]) -> list[Event]:
    """Leave out progress that a later event of the same run supersedes."""
    last = {event["run"]: event for event in events if event["event"] == "progress"}
    return [event for event in events if event["event"] != "progress" or event is last[event["run"]]]


def _needs(root: Path, settings: Settings, cluster: Mapping[str, float], most: float = math.inf) -> dict[str, Any]:
    """Return what a task requests from its node: CPUs, and a GPU if the runs train on one, or else measured memory.

    A task that requests no GPU sees none, so `auto` requests one if the cluster has any.  A request for more memory
    than the `most` bytes of a node would wait for ever.
    """
    needs: dict[str, Any] = {"num_cpus": settings.threads or 1}
    if settings.device.startswith("cuda") or (settings.device == "auto" and cluster.get("GPU")):
        return {**needs, "num_gpus": 1}
    return {**needs, "memory": int(min(ROOM * _most_memory(root), most))}


def _largest(ray: Any) -> float:
    """Return the memory of the node with the most, in bytes."""
    return max((node["Resources"].get("memory", 0.0) for node in ray.nodes() if node["Alive"]), default=math.inf)


def _most_memory(root: Path) -> int:
    """Return the peak memory in bytes of any run below `root` on a CPU, 0 if unknown."""
    most = 0
    for files in find_runs(root):
        with contextlib.suppress(ResLabError):  # an unreadable run is reported when it is requested
            rows = files.metrics()
            if rows and files.last_attempt().get("device", "cpu") == "cpu":
                most = max(most, rows[-1].get("peak_memory_bytes") or 0)
    return most


def _bury(ray: Any, one: Any, all_files: Sequence[RunFiles]) -> None:
    """Note the end of a task; record a failure of the runs lost with it."""
    try:
        ray.get(one)
    except Exception as error:
        for files in all_files:
            ending.lost(files, f"its task on the Ray cluster was lost: {error}")


def _join(ray: Any, address: str | None) -> None:
    kept = environment()
    try:
        ray.init(
            address=address or _default_address(),
            log_to_driver=False,
            logging_level="error",
            include_dashboard=None if address else False,
            runtime_env={"env_vars": kept} if kept else None,
        )
    except Exception as error:
        raise ResLabError(f"cannot join the Ray cluster {address or 'on this machine'}: {error}") from error


def _default_address() -> str | None:
    """Return "local", for a new cluster, if the one that Ray would join is gone, so as not to wait for it in vain."""
    noted = Path(os.environ.get("RAY_TMPDIR", "/tmp")) / "ray" / "ray_current_cluster"
    if os.environ.get("RAY_ADDRESS") or not noted.exists():
        return None
    try:
        host, _, port = noted.read_text().strip().rpartition(":")
        socket.create_connection((host, int(port)), timeout=3).close()
    except (OSError, ValueError, OverflowError):
        return "local"
    return None


def _ray() -> Any:
    try:
        import ray
    except ImportError:
        raise ResLabError('Ray is not installed: pip install "reslab[ray]"') from None
    return ray
