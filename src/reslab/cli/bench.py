"""The verb `bench`: how fast this machine trains, beside the textbook's way and the machine's ceiling."""

import sys
from dataclasses import asdict
from typing import Annotated, Any

from cyclopts import Parameter

from reslab.amounts import duration
from reslab.cli import OK
from reslab.cli.console import print_json, print_table, remark_cache
from reslab.cli.flags import AsJson, Device
from reslab.cli.lists import names, whole_numbers
from reslab.errors import ResLabError
from reslab.host import default_precision
from reslab.lab.planner import estimate_seconds, plan, work_per_image
from reslab.recipe import CHOICES, Recipe
from reslab.studies.catalogue import ask
from reslab.studies.questions import QUESTIONS
from reslab.studies.study import Options


def bench(
    *,
    depths: Annotated[str, Parameter(help="Depths to measure, e.g. 20,56,110.")] = "20",
    batch_sizes: Annotated[str, Parameter(help="Batch sizes to measure, e.g. 64,128.")] = "128",
    precisions: Annotated[
        str | None, Parameter(help="fp32, bf16 or both; default: the faster one on this machine.")
    ] = None,
    rounds: int = 5,
    device: Device = "auto",
    json: AsJson = False,
) -> int:
    """Measure how fast this machine trains, from uint8 pixels to updated weights.

    In each round our step and a standard PyTorch step (images transformed one by one in loader workers, eager fp32)
    take turns; the figures are medians over the rounds.  For example:

      reslab bench --depths 20,56 --precisions fp32,bf16

    Parameters
    ----------
    rounds
        Number of rounds, sixteen steps each.
    """
    from pathlib import Path

    from reslab.lab.bench import bench as measure
    from reslab.lab.bench import machine
    from reslab.lab.speed import candidates, work_per_second
    from reslab.training.hardware import pick_device

    if rounds < 1:
        raise ResLabError(f"--rounds must be 1 or more, not {rounds}")
    chosen = names("precisions", precisions) or (default_precision(device),)
    for precision in chosen:
        if precision not in CHOICES["precision"]:
            raise ResLabError(f"--precisions takes {' and '.join(CHOICES['precision'])}, not {precision!r}")
    remark_cache()
    place = pick_device(device)
    facts = machine(place)
    speeds = list(
        measure(
            depths=whole_numbers("depths", depths),
            batch_sizes=whole_numbers("batch-sizes", batch_sizes),
            precisions=chosen,
            device=place,
            rounds=rounds,
            on_progress=lambda words: print(words, file=sys.stderr, flush=True),
        )
    )
    fast = default_precision(device)
    work = {number: work_per_second(device, fast, number, again=True) for number in candidates(device)}
    jobs = max(work, key=lambda number: number * work[number])
    together = {number: number * each / work_per_image(Recipe()) for number, each in work.items()}
    studies = {}
    for name in QUESTIONS:
        planned = plan(Path("/nonexistent"), ask(name, Options(precision=fast)).runs())
        studies[name] = {"runs": len(planned), "seconds": estimate_seconds(planned, {fast: work[jobs]}, jobs)}
    rows: list[dict[str, Any]] = [asdict(speed) for speed in speeds]
    if json:
        print_json({"machine": facts, "speeds": rows, "side_by_side": together, "jobs": jobs, "studies": studies})
        return OK
    print(", ".join(f"{name.replace('_', ' ')} {value}" for name, value in facts.items()) + "\n")
    print_table(
        ["depth", "batch", "precision", "images/s", "textbook", "ratio", "of ceiling", "epoch of 50,000"],
        [
            [
                str(row["depth"]),
                str(row["batch_size"]),
                row["precision"],
                f"{row['images_per_second']:,.0f}",
                f"{row['textbook_images_per_second']:,.0f}",
                f"{row['ratio']:.2f}",
                f"{100 * row['share']:.0f}%",
                duration(row["epoch_seconds"]),
            ]
            for row in rows
        ],
    )
    print(
        "Of ceiling: the arithmetic of direct convolutions done in that time, as a share of the rate of a matrix "
        "product.  Convolving with fewer multiplications can pass 100%."
    )
    print(
        "This table is of one process that takes turns with a standard loop.  Those below are of processes side by "
        "side, each with its share of the threads, and are measured after it: for one run they may differ by what else "
        "the machine does and by the clock of its processor."
    )
    print(f"\nRuns side by side (ResNet-20, batch 128, {fast}):")
    print_table(
        ["runs at a time", "images/s in all"],
        [[f"{number}{' (chosen)' if number == jobs else ''}", f"{rate:,.0f}"] for number, rate in together.items()],
    )
    print(f"\nStudies at full length, three seeds, {jobs} at a time:")
    print_table(
        ["study", "runs", "time"],
        [[name, str(study["runs"]), duration(study["seconds"])] for name, study in studies.items()],
    )
    return OK
