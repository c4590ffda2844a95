"""What `reslab run` would train: how many runs at a time, how long it takes, and how that is shown."""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from reslab import host
from reslab.cli.console import duration, print_json, print_table, size
from reslab.cli.flags import check_least
from reslab.cli.own_images import OwnImages
from reslab.lab.planner import Planned, estimate_seconds, in_order, known_speeds
from reslab.lab.speed import best_jobs, is_measured, place, work_per_second
from reslab.recipe import Run
from reslab.studies.study import Plan

MEASURING = "Measuring how fast this machine trains, which takes a few seconds; "
BUSY = " (measured while the machine had other work; less without it)"


def choose_jobs(jobs: int | None, device: str, todo: list[Run]) -> int:
    """Return how many runs train at a time: as asked, or as many as train the most images in all."""
    check_least("--jobs", jobs, 1)
    if jobs is None and len(todo) > 1:
        with _measuring():
            jobs = best_jobs(device, todo[0].recipe.precision, len(todo))
    return max(1, min(jobs or 1, len(todo)))


@contextmanager
def _measuring() -> Iterator[None]:
    """Say what takes the time, if it takes any; standard output is kept for what was asked for."""
    kept = (
        "the figure is rough, as the machine has other work ..." if host.is_busy() else "the result is remembered ..."
    )
    timer = threading.Timer(1.0, lambda: print(MEASURING + kept, file=sys.stderr, flush=True))
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def plan_facts(
    asked: Plan, planned: list[Planned], own: list[OwnImages], root: Path, jobs: int, device: str
) -> dict[str, Any]:
    """Return what is to train, on which images of the user's own, how long that takes and how much disk it needs."""
    todo = in_order(planned)
    speeds = known_speeds(root, place(device))
    on_busy_machine = False
    for precision in {item.recipe.precision for item in todo} - speeds.keys():
        on_busy_machine |= host.is_busy() and not is_measured(device, precision, jobs)
        with _measuring():
            speeds[precision] = work_per_second(device, precision, jobs)
    return {
        "study": asked.name,
        "title": asked.title,
        "num_runs": len(planned),
        "num_shared": asked.num_shared,
        "num_to_train": len(todo),
        "jobs": jobs,
        "seconds": estimate_seconds(planned, speeds, jobs),
        "measured_on_busy_machine": on_busy_machine,
        "disk_bytes": sum(item.disk_bytes for item in planned),
        "images": [one.facts() for one in own],
    }


def show_plan(facts: dict[str, Any], planned: list[Planned], own: list[OwnImages], asked: Plan, *, json: bool) -> None:
    """Print a plan, run by run."""
    labels = {variant.recipe: variant.label for study in reversed(asked.studies) for variant in study.variants}
    rows: list[dict[str, Any]] = [
        {
            "run": item.run.id,
            "what": labels[item.run.recipe],
            "status": item.status,
            "epochs_done": item.epochs_done,
        }
        for item in planned
    ]
    if json:
        print_json({**facts, "runs": rows})
        return
    print_table(
        ["run", "what it is", "status", "epochs done"],
        [[str(value) for value in row.values()] for row in rows],
    )
    print()
    for one in own:
        print(f"Images: {one.words}")
    announce(facts)


def announce(facts: dict[str, Any]) -> None:
    """Print a plan in one line."""
    print(
        f"{facts['title']}: {facts['num_to_train']} of {facts['num_runs']} runs to train{_shared(facts)}, "
        f"{facts['jobs']} at a time; "
        f"about {duration(facts['seconds'])}{BUSY if facts['measured_on_busy_machine'] else ''}, "
        f"{size(facts['disk_bytes'])} of disk",
        flush=True,
    )


def _shared(facts: dict[str, Any]) -> str:
    return f" ({facts['num_shared']} more are shared between studies)" if facts["num_shared"] else ""
