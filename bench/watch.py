"""The live page over 300 runs of 164 epochs: first page, every request, memory, and what ten open pages cost at rest.

python bench/watch.py [--runs 300] [--epochs 164] [--pages 10] [--idle 60]

The runs are synthetic, of several studies.  Requests are timed over HTTP; pages are opened in Chromium, if it is
installed.  Requests are timed again while four runs get a line a second, as if they trained.
"""

import argparse
import itertools
import json
import os
import random
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote
from urllib.request import urlopen

from reslab import host
from reslab.recipe import Run
from reslab.studies.asked import record
from reslab.studies.catalogue import ask
from reslab.studies.questions import QUESTIONS
from reslab.studies.study import Options

sys.path.extend(str(Path(__file__).parents[1] / "tests" / place) for place in (".", "watch"))
from watch_browser import CHROMIUM, Served, chromium

from synthetic import Truth, write_run

TRAINING = 4
"""Runs that get lines while requests are timed."""


def plant(root: Path, num_runs: int, num_epochs: int) -> list[Run]:
    """Write the studies and `num_runs` of their runs, seed by seed; return these, the last `TRAINING` not finished."""
    wanted: dict[str, Run] = {}
    studies = [ask(name, Options(seeds=8, epochs=num_epochs)) for name in QUESTIONS if name != "epochs"]
    for study in studies:
        record(root, study)
    for place in range(max(len(study.runs()) for study in studies)):
        wanted.update({run.id: run for study in studies for run in study.runs()[place : place + 1]})
    runs = list(wanted.values())[:num_runs]
    assert len(runs) == num_runs, f"the studies have {len(runs)} runs"
    for number, run in enumerate(runs):
        chance = random.Random(run.recipe.id)
        test = chance.uniform(6, 10) if run.recipe.dataset == "cifar10" else chance.uniform(28, 36)
        ended = number < num_runs - TRAINING
        write_run(root, run, Truth(test, test / 8, 0.15), stop_after=None if ended else num_epochs // 2)
    return runs


def percentile(times: Sequence[float], share: float) -> float:
    """Return the time that this share of them does not exceed."""
    return sorted(times)[min(len(times) - 1, int(share * len(times)))]


class Server(Served):
    """`reslab watch` in its own process, queried and measured."""

    def __init__(self, root: Path) -> None:
        begun = time.monotonic()
        super().__init__(root)
        self.took = time.monotonic() - begun

    def ask(self, path: str) -> tuple[float, Any]:
        """Return the time of a response, and its content."""
        begun = time.monotonic()
        with urlopen(self.address + path) as answer:
            content = answer.read()
        return time.monotonic() - begun, json.loads(content)

    def memory(self) -> float:
        """Return its peak memory, in MB."""
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(text.partition("VmHWM:")[2].split()[0]) * 1024 / 1e6

    def seconds(self) -> float:
        """Return the processor time that it has used so far."""
        return process_seconds(self.process.pid)


def process_seconds(pid: int) -> float:
    """Return the processor time of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def time_requests(server: Server, runs: Sequence[Run], words: str) -> None:
    """Request everything once in an order that no page would use, and print how long each kind took."""
    studies = [study["name"] for study in server.ask("api/plan")[1]["studies"]]
    chosen = random.Random(words).sample(list(runs), min(40, len(runs)))
    pairs = zip(chosen[::2], chosen[1::2], strict=True)
    kinds = {
        "plan": ["api/plan"] * 10,
        "scores": ["api/scores"] * 10,
        "study": [f"api/study/{name}" for name in studies],
        "run": [f"api/run/{run.id}" for run in chosen],
        "compare": [f"api/compare?a={quote(one.id)}&b={quote(other.id)}" for one, other in pairs],
        "compare recipes": [
            f"api/compare?a={quote(one.recipe.id)}&b={quote(other.recipe.id)}"
            for one, other in itertools.pairwise(chosen)
            if one.recipe != other.recipe
        ],
    }
    everything = []
    for kind, paths in kinds.items():
        times = [server.ask(path)[0] for path in paths]
        everything += times
        told = f"median {1000 * statistics.median(times):.0f} ms, p95 {1000 * percentile(times, 0.95):.0f}"
        print(f"{words}, {kind}: {len(times)} requests, {told}, most {1000 * max(times):.0f}")
    print(f"{words}, all: {len(everything)} requests, p95 {1000 * percentile(everything, 0.95):.0f} ms")


def training(root: Path, runs: Sequence[Run], stopped: threading.Event) -> None:
    """Append a line a second to runs that have not finished."""
    lines = {run.id: json.loads((root / run.id / "metrics.jsonl").read_text().splitlines()[-1]) for run in runs}
    while not stopped.wait(1.0):
        for name, line in lines.items():
            line["epoch"] += 1
            with (root / name / "metrics.jsonl").open("a") as file:
                file.write(json.dumps(line) + "\n")


def time_pages(server: Server, num_pages: int, idle: float) -> None:
    """Open real pages, time the first, and print what they cost at rest."""
    if CHROMIUM is None:
        print("no Chromium here")
        return
    views = ["", "?view=scores", "?view=study&name=depth", "?view=study&name=learning-rate"]
    with chromium() as browser:
        context = browser.new_context()
        page = context.new_page()
        begun = time.monotonic()
        page.goto(server.address)
        page.locator("main h2").first.wait_for()
        print(f"first page, in the browser: {time.monotonic() - begun:.2f} s")
        for number in range(1, num_pages):
            context.new_page().goto(server.address + views[number % len(views)])
        time.sleep(15)
        before = server.seconds()
        time.sleep(idle)
        share = (server.seconds() - before) / idle
        print(f"at rest, {num_pages} pages open: {100 * share:.2f}% of a core")


def main() -> None:
    """Create the runs, serve them, and print a line for each measurement."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=300)
    parser.add_argument("--epochs", type=int, default=164)
    parser.add_argument("--pages", type=int, default=10)
    parser.add_argument("--idle", type=float, default=60)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "runs"
        runs = plant(root, arguments.runs, arguments.epochs)
        server = Server(root)
        try:
            first = server.ask("api/plan")[0]
            print(f"address after {server.took:.2f} s, first plan {first:.2f} s after that, ", end="")
            print(f"first study at once: {server.ask('api/study/depth')[0]:.2f} s")
            time.sleep(6)  # a reader looks at the plan; the chapters are made meanwhile
            time_requests(server, runs, "at rest")
            time_pages(server, arguments.pages, arguments.idle)
            stopped = threading.Event()
            thread = threading.Thread(target=training, args=(root, runs[-TRAINING:], stopped))
            thread.start()
            try:
                time_requests(server, runs, f"{TRAINING} train")
            finally:
                stopped.set()
                thread.join()
            print(f"most memory: {server.memory():.0f} MB")
        finally:
            server.stop()
    print(f"{host.cpu_name()}, {host.usable_cores()} cores, busy: {host.is_busy()}")


if __name__ == "__main__":
    main()
