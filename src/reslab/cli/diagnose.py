"""The verb `diagnose`: why a trained run came out as it did."""

from pathlib import Path
from typing import Any, Literal

from reslab.amounts import duration
from reslab.cli import INTERRUPTED, OK, command
from reslab.cli.console import aside, print_json, print_table, remark_cache
from reslab.cli.flags import AsJson, DataRoot, Device, Runs, TrustCode
from reslab.cli.lists import names, whole_numbers
from reslab.lab.settings import Settings
from reslab.session.diagnosing import diagnose_one, run_to_diagnose
from reslab.session.diagnostic_words import answer


def diagnose(
    run: str,
    *,
    which: str | None = None,
    epoch: str | None = None,
    budget: Literal["quick", "standard", "thorough"] = "standard",
    force: bool = False,
    runs: Runs = Path("runs"),
    data_root: DataRoot = None,
    device: Device = "auto",
    threads: int | None = None,
    trust_code: TrustCode = False,
    json: AsJson = False,
) -> int:
    """Measure why a trained run came out as it did, and save the result in its diagnostics.json.

    Nothing is measured twice.  For example:

      reslab diagnose cifar10-resnet20-3f9a1c2b/seed0 --which responses,gradients

      reslab diagnose cifar10-resnet20-3f9a1c2b/seed0 --which gradients --epoch 1,81

    Parameters
    ----------
    run
        A run's id or folder.
    which
        Any of gap, responses, gradients, noise-scale, curvature, surface, separated by commas; default: all.
    epoch
        Measure the weights kept after these epochs, e.g. 1,81 (see `train --keep-epochs`); default: the final ones.
    budget
        How much to measure: quick for small demonstrations, standard for a laptop, thorough for a graphics card.
    force
        Measure everything again.
    threads
        CPU threads; default: as many as other work leaves cores for.
    """
    files = run_to_diagnose(run, runs, aside)
    asked = names("which", which)
    epochs = None if epoch is None else tuple(dict.fromkeys(whole_numbers("epoch", epoch)))
    settings = Settings(data_root=data_root, device=device, threads=threads, trust_code=trust_code)
    remark_cache()

    def leave() -> None:
        aside(f"reslab: interrupted; finished measurements are kept.  To resume:  {command()}")

    try:
        content = diagnose_one(
            files, settings, asked, epochs=epochs, budget=budget, force=force, leave=leave, tell=aside
        )
    except KeyboardInterrupt:
        leave()
        return INTERRUPTED
    if json:
        print_json(content)
        return OK
    if epochs is None:
        _print(content["run"], content["diagnostics"], asked)
    for place, number in enumerate(epochs or ()):
        print(end="\n" if place else "")
        _print(f"{content['run']} after epoch {number}", content["epochs"][str(number)]["diagnostics"], asked)
    return OK


def _print(title: str, entries: dict[str, Any], asked: tuple[str, ...] | None) -> None:
    from reslab.diagnostics.measure import DIAGNOSTICS

    print(f"{title}\n")
    rows = [
        [name, DIAGNOSTICS[name].question, answer(name, entry), duration(entry["seconds"])]
        for name, entry in entries.items()
        if asked is None or name in asked
    ]
    print_table(["diagnostic", "question", "found", "time"], rows)
