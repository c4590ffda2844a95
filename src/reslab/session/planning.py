"""What a plan would train: how many runs at a time, how long it takes, how much disk it needs."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reslab import host
from reslab.errors import ResLabError
from reslab.lab.planner import Planned, estimate_seconds, in_order, known_speeds
from reslab.lab.speed import best_jobs, is_measured, place, work_per_second
from reslab.recipe import Run
from reslab.session.amounts import duration, size
from reslab.session.own_images import OwnImages
from reslab.session.progress import Tell
from reslab.studies.study import Plan

MEASURING = "Measuring how fast this machine trains, which takes a few seconds; "


@dataclass(frozen=True, slots=True, repr=False)
class Outlook:
    """What a plan is about to train, `jobs` runs at a time."""

    plan: Plan
    planned: tuple[Planned, ...]
    own: tuple[OwnImages, ...]
    jobs: int
    seconds: float
    on_busy_machine: bool
    """Whether the speed was measured while the machine had other work."""

    @property
    def num_to_train(self) -> int:
        """How many runs have not ended."""
        return len(in_order(self.planned))

    @property
    def disk_bytes(self) -> int:
        """Most of what these runs need on the disk."""
        return sum(item.disk_bytes for item in self.planned)

    def facts(self) -> dict[str, Any]:
        """Return this as values for JSON."""
        return {
            "study": self.plan.name,
            "title": self.plan.title,
            "num_runs": len(self.planned),
            "num_shared": self.plan.num_shared,
            "num_to_train": self.num_to_train,
            "jobs": self.jobs,
            "seconds": self.seconds,
            "measured_on_busy_machine": self.on_busy_machine,
            "disk_bytes": self.disk_bytes,
            "images": [one.facts() for one in self.own],
        }

    @property
    def words(self) -> str:
        """The plan in one line."""
        shared = f" ({self.plan.num_shared} more are shared between studies)" if self.plan.num_shared else ""
        busy = " (measured while the machine had other work; less without it)" if self.on_busy_machine else ""
        return (
            f"{self.plan.title}: {self.num_to_train} of {len(self.planned)} runs to train{shared}, {self.jobs} at a "
            f"time; about {duration(self.seconds)}{busy}, {size(self.disk_bytes)} of disk"
        )

    def __repr__(self) -> str:
        return self.words

    def rows(self) -> list[dict[str, Any]]:
        """Return how each run stands, as values for JSON."""
        studies = reversed(self.plan.studies)
        labels = {variant.recipe: variant.label for study in studies for variant in study.variants}
        return [
            {
                "run": item.run.id,
                "what": labels[item.run.recipe],
                "status": item.status,
                "epochs_done": item.epochs_done,
            }
            for item in self.planned
        ]


def choose_jobs(jobs: int | None, device: str, todo: Sequence[Run], tell: Tell) -> int:
    """Return how many runs train at a time: as asked, or as many as train the most images in all."""
    if jobs is not None and jobs < 1:
        raise ResLabError(f"jobs must be 1 or more, not {jobs}")
    if jobs is None and len(todo) > 1:
        with _measuring(tell):
            jobs = best_jobs(device, todo[0].recipe.precision, len(todo))
    return max(1, min(jobs or 1, len(todo)))


def outlook(
    asked: Plan,
    planned: Sequence[Planned],
    own: Sequence[OwnImages],
    root: Path,
    jobs: int,
    device: str,
    tell: Tell,
) -> Outlook:
    """Return what is to train, on which images of the user's own, how long that takes and how much disk it needs."""
    speeds = known_speeds(root, place(device))
    on_busy_machine = False
    for precision in {run.recipe.precision for run in in_order(planned)} - speeds.keys():
        on_busy_machine |= host.is_busy() and not is_measured(device, precision, jobs)
        with _measuring(tell):
            speeds[precision] = work_per_second(device, precision, jobs)
    seconds = estimate_seconds(planned, speeds, jobs)
    return Outlook(asked, tuple(planned), tuple(own), jobs, seconds, on_busy_machine)


@contextmanager
def _measuring(tell: Tell) -> Iterator[None]:
    """Say what takes the time, if it takes any."""
    kept = (
        "the figure is rough, as the machine has other work ..." if host.is_busy() else "the result is remembered ..."
    )
    timer = threading.Timer(1.0, lambda: tell(MEASURING + kept))
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
