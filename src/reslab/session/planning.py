"""What a plan would train: how many runs at a time, how long it takes, how much disk it needs."""

import math
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reslab import host
from reslab.amounts import duration, size
from reslab.arguments import check_least
from reslab.lab.planner import Planned, in_order, known_speeds, seconds_by_run
from reslab.lab.settings import Settings
from reslab.lab.speeds.speed import best_jobs, is_measured, machine_of, work_per_second
from reslab.naming import run_names
from reslab.recipe import Run
from reslab.session.diagnosing import SECONDS_EACH, work_of_diagnostics
from reslab.session.display import Bundle, bundle, html_table, text_table
from reslab.session.own_images import OwnImages
from reslab.session.progress import Tell
from reslab.studies.study import Plan, Study

MEASURING = "Measuring how fast this machine trains, which takes a few seconds; "


@dataclass(frozen=True, slots=True)
class Part:
    """The time that a study of a plan still takes; runs that it shares with an earlier one count there."""

    study: Study
    seeds: Mapping[int, tuple[int, float]]
    """Runs to train and their seconds, by seed."""
    diagnostics_seconds: float
    """Time to measure the diagnostics of the runs to train."""

    @property
    def num_to_train(self) -> int:
        """How many runs it trains."""
        return sum(count for count, _ in self.seeds.values())

    @property
    def seconds(self) -> float:
        """Time of training and diagnostics."""
        return sum(seconds for _, seconds in self.seeds.values()) + self.diagnostics_seconds

    def facts(self) -> dict[str, Any]:
        """Return this as values for JSON."""
        return {
            "study": self.study.name,
            "title": self.study.title,
            "num_to_train": self.num_to_train,
            "seconds": self.seconds,
            "why_seconds": self.diagnostics_seconds,
            "seeds": [
                {"seed": seed, "num_to_train": count, "seconds": seconds}
                for seed, (count, seconds) in self.seeds.items()
            ],
        }


@dataclass(frozen=True, slots=True, repr=False)
class Outlook:
    """What a plan is about to train, `jobs` runs at a time."""

    plan: Plan
    planned: tuple[Planned, ...]
    jobs: int
    parts: tuple[Part, ...]
    on_busy_machine: bool
    """Whether the speed was measured while the machine had other work."""
    is_busy: bool = False
    """Whether the machine has other work now, which the time does not count."""
    own: tuple[OwnImages, ...] = ()
    """Images of the user's own that the runs train on."""
    remarks: tuple[str, ...] = ()
    """Runs in the folder that its studies asked for before and the plan leaves out, in sentences."""
    to_fetch: frozenset[str] = frozenset()
    """Ids of the runs that shares have, which are fetched instead of trained."""

    @property
    def diagnostics_seconds(self) -> float:
        """Time to measure the diagnostics of the runs to train."""
        return sum(part.diagnostics_seconds for part in self.parts)

    @property
    def seconds(self) -> float:
        """Time of training and diagnostics."""
        return sum(part.seconds for part in self.parts)

    @property
    def whole_seconds(self) -> float:
        """Time of all runs, including those that have ended, and of diagnostics."""
        work, left = (sum(getattr(item, name) for item in self.planned) for name in ("work", "work_left"))
        return self.seconds * work / left if left else 0.0

    @property
    def num_to_train(self) -> int:
        """How many runs have not ended."""
        return len(in_order(self.planned))

    @property
    def disk_bytes(self) -> int:
        """Most disk space that these runs need."""
        return sum(item.disk_bytes for item in self.planned)

    def facts(self) -> dict[str, Any]:
        """Return this as values for JSON."""
        return {
            "study": self.plan.name,
            "title": self.plan.title,
            "num_runs": len(self.planned),
            "num_shared": self.plan.num_shared,
            "num_to_train": self.num_to_train,
            "num_to_fetch": len(self.to_fetch),
            "jobs": self.jobs,
            "seconds": self.seconds,
            "why_seconds": self.diagnostics_seconds,
            "studies": [part.facts() for part in self.parts],
            "measured_on_busy_machine": self.on_busy_machine,
            "busy": self.is_busy,
            "disk_bytes": self.disk_bytes,
            "images": [one.facts() for one in self.own],
            "remarks": list(self.remarks),
        }

    @property
    def words(self) -> str:
        """The plan in one line."""
        fetch = f", {len(self.to_fetch)} to fetch" if self.to_fetch else ""
        if not self.num_to_train and not self.seconds and not fetch:
            ended = "the run has ended" if len(self.planned) == 1 else f"all {len(self.planned)} runs have ended"
            return f"{headed(self.plan.title)} {ended}: nothing to train"
        more = self.plan.num_shared
        shared = f" ({more} more {'is' if more == 1 else 'are'} shared between studies)" if more else ""
        measuring = (
            f", {duration(self.diagnostics_seconds)} of it for diagnostics" if self.diagnostics_seconds >= 1 else ""
        )
        busy = "; longer now, because the machine has other work" if self.is_busy else ""
        if self.on_busy_machine:
            busy = "; measured while the machine had other work, so less without it"
        head, disk = f"{headed(self.plan.title)} {self._how_many}{fetch}{shared}", f"{size(self.disk_bytes)} of disk"
        if not self.seconds:
            return f"{head}; {disk}"
        return f"{head}, {self.jobs} at a time; {disk}; about {duration(self.seconds)}{measuring}{busy}"

    @property
    def _how_many(self) -> str:
        if len(self.planned) == 1:
            return f"{self.num_to_train or 'no'} run to train"
        return f"{self.num_to_train} of {len(self.planned)} runs to train"

    def table(self) -> tuple[list[str], list[list[str]]]:
        """Return each study's time by seed: column headings, and a row per study and one for all if several."""
        seeds = sorted({seed for part in self.parts for seed in part.seeds})
        lines: list[tuple[str, int, Mapping[int, float], Part | Outlook]] = [
            (part.study.name, part.num_to_train, {seed: took for seed, (_, took) in part.seeds.items()}, part)
            for part in self.parts
        ]
        if len(lines) > 1:
            summed = {seed: sum(own.get(seed, 0.0) for _, _, own, _ in lines) for seed in seeds}
            lines.append(("all", self.num_to_train, summed, self))
        rows = [
            [
                name,
                str(count),
                *(duration(own[seed]) if seed in own else "-" for seed in seeds),
                duration(of.diagnostics_seconds) if of.diagnostics_seconds else "-",
                duration(of.seconds),
            ]
            for name, count, own, of in lines
        ]
        return ["study", "runs to train", *(f"seed {seed}" for seed in seeds), "diagnostics", "in all"], rows

    def __repr__(self) -> str:
        return text_table(self.words, *self.table(), self.remarks)

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> Bundle:
        return bundle(repr(self), html_table(self.words, *self.table(), self.remarks))

    def rows(self) -> list[dict[str, Any]]:
        """Return the status of each run, as values for JSON."""
        studies = reversed(self.plan.studies)
        called = run_names(item.run for item in self.planned)
        labels = {variant.recipe: variant.label for study in studies for variant in study.variants}
        return [
            {
                "run": item.run.id,
                "name": called[item.run.id],
                "what": labels[item.run.recipe],
                "status": "on a share" if item.run.id in self.to_fetch else item.status,
                "epochs_done": item.epochs_done,
            }
            for item in self.planned
        ]


def headed(title: str) -> str:
    """Return a title with a colon after it, unless it ends with a question mark."""
    return title if title.endswith("?") else f"{title}:"


def choose_jobs(jobs: int | None, device: str, todo: Sequence[Run], tell: Tell) -> int:
    """Return how many runs train at a time: as requested, or the number that trains the most images in total."""
    check_least("jobs", jobs, 1)
    if jobs is None and len(todo) > 1:
        with _measuring(tell):
            jobs = best_jobs(device, todo[0].recipe.precision, len(todo))
    return max(1, min(jobs or 1, len(todo)))


def outlook(
    asked: Plan,
    planned: Sequence[Planned],
    root: Path,
    jobs: int,
    settings: Settings,
    tell: Tell,
    *,
    diagnose: bool = True,
) -> Outlook:
    """Return what is to train, how long that takes and how much disk it needs."""
    device = settings.device
    speeds = known_speeds(root, machine_of(device), settings.data_root)
    on_busy_machine = False
    for precision in {run.recipe.precision for run in in_order(planned)} - speeds.keys():
        on_busy_machine |= host.is_busy() and not is_measured(device, precision, jobs)
        with _measuring(tell):
            speeds[precision] = work_per_second(device, precision, jobs)
    parts = _parts(asked, planned, speeds, jobs, diagnose=diagnose)
    return Outlook(asked, tuple(planned), jobs, parts, on_busy_machine, host.is_busy())


def _parts(
    asked: Plan, planned: Sequence[Planned], speeds: Mapping[str, float], jobs: int, *, diagnose: bool
) -> tuple[Part, ...]:
    """Return each study's time, from the work per second of one of `jobs` runs, by precision."""
    by_run = {item.run: item for item in planned}
    takes = seconds_by_run(planned, speeds, jobs)
    left = set(takes)
    measured: set[tuple[Run, bool, str]] = set()
    parts = []
    for study in asked.studies:
        seeds: dict[int, tuple[int, float]] = {}
        speed = max((speeds[run.recipe.precision] for run in study.runs() if run in takes), default=math.inf)
        work, num_measured = work_of_diagnostics(study, by_run, measured) if diagnose else (0.0, 0)
        for run in study.runs():
            if run in left:
                left.remove(run)
                count, seconds = seeds.get(run.seed, (0, 0.0))
                seeds[run.seed] = count + 1, seconds + takes[run]
        parts.append(Part(study, dict(sorted(seeds.items())), work / (speed * jobs) + SECONDS_EACH * num_measured))
    return tuple(parts)


@contextmanager
def _measuring(tell: Tell) -> Iterator[None]:
    """Say that the speed is being measured, if that takes more than a second."""
    kept = (
        "the figure is rough, as the machine has other work ..." if host.is_busy() else "the result is remembered ..."
    )
    timer = threading.Timer(1.0, lambda: tell(MEASURING + kept))
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
