"""The verb `demo`: the depth study on scanned digits, for a first look at ResLab."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from reslab.cli.flags import AsJson, Device, Out, Runs
from reslab.cli.run import run
from reslab.session.door import DEMO_DEPTHS, DEMO_EPOCHS, DEMO_SEEDS


def demo(
    *,
    runs: Runs = Path("runs"),
    out: Out = Path("report"),
    device: Device = "auto",
    jobs: int | None = None,
    dry_run: Annotated[bool, Parameter(negative="")] = False,
    json: AsJson = False,
) -> int:
    """Train the depth study on scanned digits and write its report: a first look, with nothing to download.

    It trains ResNet-8, 14 and 20 for 10 epochs with two seeds each, and puts the runs and the report into the current
    folder.  Stop it with Ctrl-C; the same command resumes.  It is short for

      reslab run depth --dataset digits --depths 8,14,20 --seeds 2 --epochs 10

    Parameters
    ----------
    jobs
        Number of runs to train at a time; default: measured, the number with the most images a second in total.
    dry_run
        Train nothing; show what would train, how long it would take and how much disk it needs.
    """
    return run(
        "depth",
        dataset="digits",
        depths=",".join(map(str, DEMO_DEPTHS)),
        seeds=DEMO_SEEDS,
        epochs=DEMO_EPOCHS,
        runs=runs,
        out=out,
        device=device,
        jobs=jobs,
        dry_run=dry_run,
        json=json,
    )
