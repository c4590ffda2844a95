"""How long the report of every study takes, on synthetic runs of 164 epochs and more: seconds, and the page's size.

python bench/report.py [SEEDS]      four seeds of all studies are about 340 runs
"""

import random
import sys
import tempfile
import time
from pathlib import Path

from reslab import host
from reslab.report.write import write_report
from reslab.studies.asked import record
from reslab.studies.catalogue import ask
from reslab.studies.questions import QUESTIONS
from reslab.studies.study import Options

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from synthetic import Truth, write_run


def plant(root: Path, seeds: int) -> tuple[int, int]:
    """Write the runs of all studies, and the studies; return the numbers of runs and epochs."""
    runs = {}
    for name in QUESTIONS:
        study = ask(name, Options(seeds=seeds))
        record(root, study)
        runs.update({run.id: run for run in study.runs()})
    for run in runs.values():
        chance = random.Random(run.recipe.id)  # a recipe's own level, whatever it is
        test = chance.uniform(6, 10) if run.recipe.dataset == "cifar10" else chance.uniform(28, 36)
        write_run(root, run, Truth(test, test / 8, 0.15))
    return len(runs), sum(len(path.read_text().splitlines()) for path in root.glob("*/*/metrics.jsonl"))


def main() -> None:
    """Print a line for each of three reports, and the machine."""
    with tempfile.TemporaryDirectory() as folder:
        runs, epochs = plant(Path(folder) / "runs", int(sys.argv[1]) if len(sys.argv) > 1 else 4)
        print(f"{runs} runs, {epochs:,} epochs")
        for attempt in range(3):
            begun = time.perf_counter()
            files = write_report(Path(folder) / "runs", Path(folder) / f"report{attempt}")
            size = files.html.stat().st_size / 1e6
            print(f"{time.perf_counter() - begun:.1f} s, page of {size:.2f} MB")
    print(f"{host.cpu_name()}, {host.usable_cores()} cores, busy: {host.is_busy()}")


if __name__ == "__main__":
    main()
