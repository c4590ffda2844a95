"""Many runs on a Ray cluster: a task trains what a worker does here, and is tried elsewhere when its node is lost.

    runs/ray/20261128T101500-4242/
      0.events        what task 0 reports, a line of JSON each
      stop            there once everything is to be checkpointed and left

Scheduling, retries and the health of nodes are Ray's.  All nodes need the folder of the runs, and ResLab.
"""

import contextlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from reslab.errors import ResLabError
from reslab.lab.following import Event, Tasks, environment, hand_on, new_place
from reslab.lab.launch import PATIENCE_SECONDS
from reslab.lab.settings import Settings
from reslab.lab.stopping import StopRequest
from reslab.lab.store import RunFiles, find_runs, run_files
from reslab.recipe import Run

FOLDER = "ray"
TRIES = 10
"""How often a task is tried again because its node was lost."""
LOST_SECONDS = 300.0
"""How long a task waits for the runs of a node that was lost."""
ROOM = 1.25
"""Memory that is asked for, in terms of the most that a run in the folder has held."""


def launch(
    root: Path,
    runs: Sequence[Run],
    *,
    address: str | None = None,
    runs_each: int = 1,
    settings: Settings,
    on_event: Callable[[Event], None] = lambda _: None,
    stop: Callable[[], bool] = lambda: False,
) -> bool:
    """Train runs on a cluster, `runs_each` side by side in a task; return whether all were tried.

    `address` is that of a cluster, as in ray://host:10001, host:6379 or auto; by default the one that this process has
    joined, or a new one on this machine.  On `stop()` every run at hand is checkpointed and left.  Raises `ResLabError`
    where there is no Ray or no cluster.
    """
    ray = _ray()
    joined = ray.is_initialized()
    if not joined:
        _join(ray, address)
    try:
        return _launch(ray, root, runs, runs_each, settings, on_event, stop)
    finally:
        if not joined:
            ray.shutdown()


def _launch(
    ray: Any,
    root: Path,
    runs: Sequence[Run],
    runs_each: int,
    settings: Settings,
    on_event: Callable[[Event], None],
    stop: Callable[[], bool],
) -> bool:
    place = new_place(root / FOLDER)
    tasks = Tasks(place, dict(enumerate(runs)))
    for run in runs:
        run_files(root, run).create(run)
    folders = {task: str(run_files(root, run).path.absolute()) for task, run in tasks.runs.items()}
    remote = ray.remote(_train).options(max_retries=TRIES, **_needs(root, settings))
    numbers = list(folders)
    groups = [numbers[begin : begin + runs_each] for begin in range(0, len(numbers), runs_each)]
    waiting = {
        remote.remote({n: folders[n] for n in group}, settings, str(place), runs_each): group for group in groups
    }
    stopped: float | None = None
    while waiting:
        done, _ = ray.wait(list(waiting), timeout=0.5)
        hand_on([tasks], on_event)
        for one in done:
            _bury(ray, one, [RunFiles(Path(folders[n])) for n in waiting.pop(one)])
        if stopped is None and stop():
            stopped = time.monotonic()
            (place / "stop").touch()
        if stopped is not None and time.monotonic() - stopped > PATIENCE_SECONDS:
            for one in waiting:
                ray.cancel(one, force=True)
            break
    hand_on([tasks], on_event)
    return stopped is None


def _train(folders: Mapping[int, str], settings: Settings, place: str, side_by_side: int) -> None:
    """Train some runs on a node; what happens is written beside the runs."""
    from reslab.lab.execute import work

    task_of = {folder: task for task, folder in folders.items()}
    names = {RunFiles(Path(folder)).read_run().id: folder for folder in task_of}

    def write(line: str) -> None:
        event = json.loads(line)
        folder = event.get("folder") or names.get(event.get("run"))
        for one in [folder] if folder in task_of else task_of:
            with (Path(place) / f"{task_of[one]}.events").open("a") as file:
                file.write(line)

    stop, left, end = _StopFile(Path(place) / "stop"), list(task_of), time.monotonic() + LOST_SECONDS
    while left:
        work(left, settings, stop, side_by_side, write)
        # A node that was lost may hold its runs for a moment longer.
        left = [folder for folder in left if not stop() and RunFiles(Path(folder)).status() == "running"]
        if time.monotonic() > end:
            return
        time.sleep(2.0 if left else 0.0)


class _StopFile(StopRequest):
    """Becomes true when a file is there, which is looked for once a second."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path, self._looked = path, -1.0

    def __call__(self) -> bool:
        if not self.interrupted and time.monotonic() - self._looked >= 1.0:
            self._looked, self.interrupted = time.monotonic(), self._path.exists()
        return super().__call__()


def _needs(root: Path, settings: Settings) -> dict[str, Any]:
    """Return what a task asks of its node: a processor, a card where the runs train on one, and measured memory."""
    needs: dict[str, Any] = {"num_cpus": settings.threads or 1}
    if settings.device.startswith("cuda"):
        return {**needs, "num_gpus": 1}
    return {**needs, "memory": int(ROOM * _most_memory(root))}


def _most_memory(root: Path) -> int:
    """Return the most bytes that a run below `root` has held, 0 where nothing is known."""
    most = 0
    for files in find_runs(root):
        with contextlib.suppress(ResLabError):  # a damaged run is told of where it is asked for
            most = max([most, *(row.get("peak_memory_bytes") or 0 for row in files.metrics()[-1:])])
    return most


def _bury(ray: Any, one: Any, all_files: Sequence[RunFiles]) -> None:
    """Note the end of a task; runs that went with it for good have a failure to show."""
    try:
        ray.get(one)
    except Exception as error:
        for files in all_files:
            if files.ended() is None and files.failure() is None:
                files.fail("killed", f"its task on the Ray cluster was lost: {error}")


def _join(ray: Any, address: str | None) -> None:
    kept = environment()
    try:
        ray.init(
            address=address,
            log_to_driver=False,
            logging_level="error",
            include_dashboard=None if address else False,
            runtime_env={"env_vars": kept} if kept else None,
        )
    except Exception as error:
        raise ResLabError(f"cannot join the Ray cluster {address or 'on this machine'}: {error}") from error


def _ray() -> Any:
    try:
        import ray
    except ImportError:
        raise ResLabError('--on ray needs Ray: pip install "reslab[ray]"') from None
    return ray
