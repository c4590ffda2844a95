"""What this machine has and how fast it trains, for Python and the verbs `doctor` and `bench`."""

import importlib.metadata
import os
import platform
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reslab.amounts import duration, size
from reslab.arguments import check_least
from reslab.errors import ResLabError
from reslab.files import as_path
from reslab.host import default_precision
from reslab.recipe import CHOICES, Recipe
from reslab.session.display import Bundle, bundle, html_table
from reslab.session.listing import Facts, Listing
from reslab.session.progress import Tell, aside, tell_of_kernels

if TYPE_CHECKING:
    from reslab.lab.speeds.bench import Speed

USED = {"avx2", "avx512f", "avx512_bf16", "amx_bf16", "amx_tile", "asimd", "bf16"}
"""Processor extensions that ResLab uses."""

NOTES = (
    "Of ceiling: the arithmetic of direct convolutions done in that time, as a share of the rate of a matrix product.  "
    "Convolutions with fewer multiplications can exceed 100%.",
    "This table is for one process that takes turns with a standard loop.  Those below are for processes side by side, "
    "each with its share of the threads, and are measured afterwards: for one run, they may differ because of other "
    "work on the machine and the clock of its processor.",
)
"""Notes below the speeds of one run."""


def doctor(runs: str | Path = "runs", data_root: str | Path | None = None, *, tell: Tell = aside) -> Facts:
    """Return what this machine has and what ResLab uses of it: device, precision, threads, images, folders.

    Compiles the kernels first where they are missing, and says so.
    """
    import torch

    from reslab import cache, host
    from reslab.data.sources import find
    from reslab.datasets import known, named
    from reslab.lab.assembly import training_network
    from reslab.lab.folder.provenance import kernel_words
    from reslab.lab.threads import are_free, can_follow_load
    from reslab.training import hardware

    root, images = as_path(runs).absolute(), as_path(data_root)
    device, most = hardware.pick_device(), hardware.most_threads()
    tell_of_kernels(str(device), tell)
    precision = hardware.fast_precision(device)
    recipe = Recipe(precision=precision)
    invariant = are_free(device, training_network(recipe, 10, 0, device), recipe, most)
    existing = next(path for path in (root, *root.parents) if path.exists())
    facts: dict[str, Any] = {
        "reslab": importlib.metadata.version("reslab"),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "platform": platform.platform(),
        "device": str(device),
        "device_name": hardware.device_name(device),
        "cores": host.usable_cores(),
        "processor_has": sorted(host.cpu_features() & USED),
        "precision": precision,
        "kernels": kernel_words(device),
        "threads": most,
        "threads_follow_load": invariant and can_follow_load(most),
        "runs": str(runs),
        "runs_writable": existing.is_dir() and os.access(existing, os.W_OK),
        "free_bytes": shutil.disk_usage(existing).free,
        "cache": str(cache.home_cache()),
        "cache_problem": cache.remark(),
        "images": {name: known(name).finder is None or find(name, images) is not None for name in named()},
    }
    return Facts(facts, _lines(facts, has_threads=device.type == "cpu"))


def _lines(facts: dict[str, Any], *, has_threads: bool) -> list[str]:
    lines = [
        f"ResLab {facts['reslab']}, Python {facts['python']}, torch {facts['torch']}, {facts['platform']}",
        f"Trains on {facts['device']} ({facts['device_name']}), {facts['cores']} cores",
        f"Processor has {', '.join(facts['processor_has']) or 'no vector extension that ResLab uses'}",
        f"Default precision: {facts['precision']}, the faster one on this machine",
        f"Kernels: {facts['kernels']}",
    ]
    if has_threads:
        rule = "fewer while other work needs the cores" if facts["threads_follow_load"] else "fixed for the whole run"
        lines.append(f"Threads: {facts['threads']}, {rule}")
    writable = "writable" if facts["runs_writable"] else "NOT WRITABLE: choose another folder"
    lines.append(f"Runs go to {facts['runs']} ({writable}, {size(facts['free_bytes'])} free)")
    lines.append(f"Cache: {facts['cache_problem'] or facts['cache']}")
    for name, here in facts["images"].items():
        lines.append(f"Images of {name}: {'here' if here else f'not here; try reslab data fetch {name}'}")
    return lines


@dataclass(frozen=True, slots=True, repr=False)
class Benchmark:
    """How fast this machine trains."""

    machine: dict[str, Any]
    speeds: Listing
    """Images a second of our step and a standard PyTorch step, which take turns, by depth, batch size and precision."""
    side_by_side: Listing
    """Images a second in total, by the number of runs that train at a time."""
    studies: Listing
    """How long each study takes at full length with three seeds, at these speeds."""
    jobs: int
    """The number of runs at a time that trains the most images a second."""

    def facts(self) -> dict[str, Any]:
        """Return this as values for JSON."""
        return {
            "machine": self.machine,
            "speeds": list(self.speeds),
            "side_by_side": {row["jobs"]: row["images_per_second"] for row in self.side_by_side},
            "jobs": self.jobs,
            "studies": {row["study"]: {"runs": row["runs"], "seconds": row["seconds"]} for row in self.studies},
        }

    @property
    def words(self) -> str:
        """The machine in a line."""
        return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in self.machine.items())

    @property
    def tables(self) -> tuple[Listing, Listing, Listing]:
        """All that was measured."""
        return self.speeds, self.side_by_side, self.studies

    def __repr__(self) -> str:
        return "\n\n".join([self.words, *map(repr, self.tables)])

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> Bundle:
        parts = [html_table(one.title, one.columns, one.cells, one.notes) for one in self.tables]
        return bundle(repr(self), html_table(self.words, (), ()) + "".join(parts))


def bench(
    *,
    depths: Sequence[int] = (20,),
    batch_sizes: Sequence[int] = (128,),
    precisions: Sequence[str] | None = None,
    rounds: int = 5,
    device: str = "auto",
    tell: Tell = aside,
) -> Benchmark:
    """Measure how fast this machine trains, from uint8 pixels to updated weights, and return the figures.

    In each round our step and a standard PyTorch step (images transformed one by one in loader workers, eager fp32)
    take turns, sixteen steps each; the figures are medians over the rounds.  `precisions` are fp32 and bf16, by default
    the faster one on this machine.  This takes half a minute or more, during which the machine should be idle.
    """
    from reslab.lab.speeds.bench import bench as measure
    from reslab.lab.speeds.bench import machine
    from reslab.lab.speeds.speed import candidates, work_per_second
    from reslab.training.hardware import pick_device

    check_least("rounds", rounds, 1)
    fast = default_precision(device)
    chosen = tuple(precisions or (fast,))
    for precision in chosen:
        if precision not in CHOICES["precision"]:
            raise ResLabError(f"precisions are {' and '.join(CHOICES['precision'])}, not {precision!r}")
    place = pick_device(device)
    tell_of_kernels(device, tell)
    facts = machine(place)
    speeds = list(
        measure(
            depths=depths, batch_sizes=batch_sizes, precisions=chosen, device=place, rounds=rounds, on_progress=tell
        )
    )
    work = {number: work_per_second(device, fast, number, again=True) for number in candidates(device)}
    jobs = max(work, key=lambda number: number * work[number])
    return Benchmark(facts, _one_run(speeds), _side_by_side(work, jobs, fast), _studies(work[jobs], jobs, fast), jobs)


def _one_run(speeds: Sequence["Speed"]) -> Listing:
    columns = ["depth", "batch", "precision", "images/s", "textbook", "ratio", "of ceiling", "epoch of 50,000"]
    cells = [
        [
            str(one.depth),
            str(one.batch_size),
            one.precision,
            f"{one.images_per_second:,.0f}",
            f"{one.textbook_images_per_second:,.0f}",
            f"{one.ratio:.2f}",
            f"{100 * one.share:.0f}%",
            duration(one.epoch_seconds),
        ]
        for one in speeds
    ]
    return Listing("One run", [asdict(one) for one in speeds], columns, cells, NOTES)


def _side_by_side(work: Mapping[int, float], chosen: int, precision: str) -> Listing:
    """Return the images a second by the number of runs, from the work a second of each run."""
    from reslab.lab.planner import work_per_image

    rates = {jobs: jobs * each / work_per_image(Recipe()) for jobs, each in work.items()}
    return Listing(
        f"Runs side by side (ResNet-20, batch 128, {precision})",
        [{"jobs": jobs, "images_per_second": rate} for jobs, rate in rates.items()],
        ["runs at a time", "images/s in all"],
        [[f"{jobs}{' (chosen)' if jobs == chosen else ''}", f"{rate:,.0f}"] for jobs, rate in rates.items()],
    )


def _studies(work: float, jobs: int, precision: str) -> Listing:
    """Return how long each study takes from scratch."""
    from reslab.lab.planner import estimate_seconds, plan
    from reslab.studies.catalogue import ask
    from reslab.studies.questions import QUESTIONS
    from reslab.studies.study import Options

    planned = {name: plan(Path("/nonexistent"), ask(name, Options(precision=precision)).runs()) for name in QUESTIONS}
    takes = {name: estimate_seconds(runs, {precision: work}, jobs) for name, runs in planned.items()}
    return Listing(
        f"Studies at full length, three seeds, {jobs} at a time",
        [{"study": name, "runs": len(runs), "seconds": takes[name]} for name, runs in planned.items()],
        ["study", "runs", "time"],
        [[name, str(len(runs)), duration(takes[name])] for name, runs in planned.items()],
    )
