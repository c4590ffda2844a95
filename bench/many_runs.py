"""Ten thousand run directories: time and memory of status, the store, a share and the report.

python bench/many_runs.py [RUNS] [--epochs N] [--folder FOLDER] [--parts status,report]

The runs are synthetic, of twenty recipes, each with its metrics, result, provenance and manifest.  Each part is timed
in its own process, with its peak memory.  A FOLDER is kept, so a second call creates nothing.
"""

import argparse
import contextlib
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from unittest.mock import patch

from reslab.datasets import known
from reslab.lab.folder import ending
from reslab.lab.folder.store import run_files
from reslab.presets import preset_recipe
from reslab.recipe import Run, stretch, vary

PARTS = {
    "status": "from reslab.cli import main; main(['status', '--runs', '{root}', '--json'])",
    "tables": "from pathlib import Path; from reslab.analysis.tidy import read_tables; read_tables(Path('{root}'))",
    "report": "from reslab.cli import main; main(['report', '--runs', '{root}', '--out', '{out}'])",
    "push": "from reslab.cli import main; main(['push', '{share}', '--runs', '{root}', '--json'])",
    "pull": "from reslab.cli import main; main(['pull', '{share}', '--runs', '{copy}', '--json'])",
    "pull again": "from reslab.cli import main; main(['pull', '{share}', '--runs', '{copy}', '--json'])",
}

MEMORY = "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)"


def plant(root: Path, num_runs: int, num_epochs: int) -> None:
    """Write ended runs without weights, like a copy of records."""
    fingerprint = known("digits").fingerprint
    recipes = [
        stretch(
            vary(preset_recipe("assignment", dataset="digits", depth=8), learning_rate=0.01 * (1 + number)), num_epochs
        )
        for number in range(20)
    ]
    attempt = {"started": "2026-11-28T10:00:00Z", "from_iteration": 0, "device_name": "planted", "threads": 1}
    for number in range(num_runs):
        run = Run(recipes[number % len(recipes)], number // len(recipes))
        files = run_files(root, run)
        files.create(run)
        files.write("provenance.json", {"data": {"fingerprint": fingerprint, "official": True}, "attempts": [attempt]})
        rows = [
            {
                "epoch": epoch,
                "iteration": 12 * epoch,
                "rate": 0.1,
                **dict.fromkeys(("train_loss", "test_loss"), 1.0 / epoch),
                **dict.fromkeys(("train_error", "test_error"), 50.0 / epoch),
                "seconds": 1.0,
                "images_per_second": 1000.0,
                "peak_memory_bytes": 2**28,
            }
            for epoch in range(1, num_epochs + 1)
        ]
        (files.path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        last = {key: rows[-1][key] for key in ("train_loss", "test_loss", "train_error", "test_error")}
        ending.end(
            files,
            "result.json",
            {
                "format": 1,
                "run": run.id,
                "status": "finished",
                "epochs": num_epochs,
                "iterations": 12 * num_epochs,
                **last,
                "weights_sha256": "0" * 64,
            },
        )


def main() -> None:
    """Create the runs, and time each part."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=int, nargs="?", default=10_000)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--parts", default=",".join(PARTS))
    arguments = parser.parse_args()
    with contextlib.ExitStack() as kept:
        folder = arguments.folder or Path(kept.enter_context(tempfile.TemporaryDirectory()))
        places = {name: str(folder / name) for name in ("root", "share", "copy", "out")}
        begun = time.monotonic()
        if not Path(places["root"]).exists():
            with patch("os.fsync"):  # nothing here needs to survive a power cut
                plant(Path(places["root"]), arguments.runs, arguments.epochs)
            print(f"{arguments.runs:,} runs of {arguments.epochs} epochs, planted in {time.monotonic() - begun:.0f} s")
        for name in arguments.parts.split(","):
            code = PARTS[name]
            begun = time.monotonic()
            watched = f"import resource, sys; {code.format(**places)}\n{MEMORY}"
            done = subprocess.run([sys.executable, "-c", watched], capture_output=True, text=True, check=True)
            peak = int(done.stderr.split()[-1]) / 1024
            print(f"{name}: {time.monotonic() - begun:.1f} s, {peak:.0f} MiB", flush=True)


if __name__ == "__main__":
    main()
