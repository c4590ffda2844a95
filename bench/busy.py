"""Images a second beside other busy processes: with 0, 1 and 2 of them, on one thread, on all, and by default.

python bench/busy.py [--others 0,1,2] [--threads 1,2,default] [--seconds 5] [--rounds 3] [--source DIR ...] [--json]

Each figure is from a `reslab train` in its own process, as a user runs it, on the digits, which are as large as CIFAR's
images; the other processes are busy Python loops.  All combinations take turns in each round.  `--source`, given twice,
compares two checkouts (their `src` folders) in the same rounds.  The defaults take about 8 minutes.
"""

import argparse
import contextlib
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from reslab import host

DEFAULT = "default"
PATIENCE_SECONDS = 120.0
"""How long a training may take until its first epoch: beside other work, importing torch alone takes a while."""


@contextlib.contextmanager
def busy(number: int) -> Iterator[None]:
    """Keep this number of processes busy."""
    processes = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(number)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def images_per_second(source: Path, threads: str, others: int, options: argparse.Namespace) -> float:
    """Return how fast a training goes beside other processes, from its second epoch and `settle` seconds on."""
    with tempfile.TemporaryDirectory() as folder, busy(others):
        command = [
            *(sys.executable, "-c", "import sys; from reslab.cli import main; sys.exit(main())"),
            *("train", "--dataset", "digits", "--depth", str(options.depth), "--precision", options.precision),
            *("--epochs", "100000", "--device", "cpu", "--runs", folder, "--checkpoint-seconds", "100000"),
            *(() if threads == DEFAULT else ("--threads", threads)),
        ]
        environment = {**os.environ, "PYTHONPATH": str(source)}
        said = Path(folder) / "said"
        with said.open("w") as to:
            process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=to)
        try:
            _epochs(process, Path(folder))
            time.sleep(options.settle)
            before = len(_epochs(process, Path(folder)))
            time.sleep(options.seconds)
            speeds = _epochs(process, Path(folder), before + 2)[before + 1 :]  # those that started after settling
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
    return statistics.harmonic_mean(speeds)  # epochs have equal sizes


def _epochs(process: "subprocess.Popen[bytes]", root: Path, least: int = 1) -> list[float]:
    """Return the speed of each epoch so far; there must be at least `least`."""
    until = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < until and process.poll() is None:
        for path in root.rglob("metrics.jsonl"):
            lines = path.read_text().split("\n")[:-1]
            if len(lines) >= least:
                return [float(json.loads(line)["images_per_second"]) for line in lines]
        time.sleep(0.05)
    raise SystemExit(f"the training gave no figures in {PATIENCE_SECONDS:g} s; it said: {(root / 'said').read_text()}")


def measure(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Return the median of each combination, and the figure of each round."""
    combinations = [
        (source, others, threads)
        for others in options.others
        for threads in options.threads
        for source in options.source
    ]
    found: dict[tuple[Path, int, str], list[float]] = {combination: [] for combination in combinations}
    for source in options.source:
        _make_ready(source)
    for number in range(options.rounds):
        for source, others, threads in combinations[:: -1 if number % 2 else 1]:
            speed = images_per_second(source, threads, others, options)
            found[source, others, threads].append(speed)
            print(f"  round {number + 1}: {source}, {others} others, {threads}: {speed:,.0f}", file=sys.stderr)
    return [
        {
            "source": str(source),
            "others": others,
            "threads": threads,
            "images_per_second": statistics.median(speeds),
            "rounds": speeds,
        }
        for (source, others, threads), speeds in found.items()
    ]


def _make_ready(source: Path) -> None:
    """Compile the kernels before anything is timed."""
    subprocess.run(
        [sys.executable, "-c", "from reslab.kernels.build import kernels; kernels()"],
        env={**os.environ, "PYTHONPATH": str(source)},
        check=True,
    )


def show(options: argparse.Namespace, rows: list[dict[str, Any]], machine: str) -> None:
    """Print the machine, a table, and the default next to what it can be compared with."""
    print(machine)
    print(f"Images a second, ResNet-{options.depth}, {options.precision}; medians of {options.rounds} rounds in turn\n")
    for source in map(str, options.source):
        speed = {(row["others"], row["threads"]): row["images_per_second"] for row in rows if row["source"] == source}
        if len(options.source) > 1:
            print(source)
        print("others  " + "  ".join(f"{_words(threads):>10}" for threads in options.threads))
        for others in options.others:
            print(f"{others:6}  " + "  ".join(f"{speed[others, threads]:10,.0f}" for threads in options.threads))
        alone = {threads: speed.get((0, threads)) for threads in options.threads}
        for others, threads in ((0, max(options.threads, key=_count)), (1, "1")):
            found, against = speed.get((others, DEFAULT)), alone.get(threads)
            if found and against:
                print(f"default beside {others}: {found / against:.0%} of {_words(threads)} alone")
        print()


def _count(threads: str) -> int:
    return 0 if threads == DEFAULT else int(threads)


def _words(threads: str) -> str:
    return threads if threads == DEFAULT else f"{threads} thread{'' if threads == '1' else 's'}"


def main() -> None:
    """Measure, and print a table or JSON."""
    cores = host.usable_cores()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--others", default="0,1,2", help="other busy processes")
    parser.add_argument("--threads", default=f"1,{cores},{DEFAULT}" if cores > 1 else f"1,{DEFAULT}")
    parser.add_argument("--seconds", type=float, default=5.0, help="how long each figure is measured")
    parser.add_argument("--settle", type=float, default=2.0, help="wait after the first epoch, before measuring")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--depth", type=int, default=20)
    parser.add_argument("--precision", choices=("fp32", "bf16"), default=host.cpu_precision())
    parser.add_argument("--source", type=Path, action="append", help="a src folder to measure; default: our own")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    options.others = [int(number) for number in options.others.split(",")]
    options.threads = options.threads.split(",")
    options.source = options.source or [Path(__file__).resolve().parents[1] / "src"]
    rows = measure(options)
    machine = f"{host.cpu_name()}, {cores} cores, torch {host.torch_version()}"
    if options.json:
        print(json.dumps({"machine": machine, "depth": options.depth, "precision": options.precision, "rows": rows}))
    else:
        show(options, rows, machine)


if __name__ == "__main__":
    main()
