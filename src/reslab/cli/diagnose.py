"""The verb `diagnose`: why a trained run is as it is."""

import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Literal

from reslab.cli import OK
from reslab.cli.console import duration, print_json, print_table
from reslab.cli.flags import AsJson, DataRoot, Device, Runs
from reslab.cli.lists import names
from reslab.errors import ResLabError
from reslab.lab.store import RunFiles, find_run, run_files
from reslab.recipe import Run
from reslab.studies.study import Plan


def diagnose(
    run: str,
    *,
    which: str | None = None,
    budget: Literal["quick", "standard", "thorough"] = "standard",
    force: bool = False,
    runs: Runs = Path("runs"),
    data_root: DataRoot = None,
    device: Device = "auto",
    threads: int | None = None,
    json: AsJson = False,
) -> int:
    """Measure why a trained run is as it is, and keep it in the run's diagnostics.json.

    What was measured before is not measured again.  For example:

      reslab diagnose cifar10-resnet20-3f9a1c2b/seed0 --which responses,gradients

    Parameters
    ----------
    run
        A run's id, or its folder.
    which
        Some of gap, responses, gradients, noise-scale, curvature, surface, with commas between; default: all.
    budget
        How many images are measured: quick (for small images), standard, or thorough (for a graphics card).
    force
        Measure again what was measured before.
    threads
        Processor threads to compute with; default: torch's own choice.
    """
    from reslab.lab.diagnose import diagnose_run
    from reslab.lab.execute import Settings

    files = find_run(run, runs)
    asked = names(which)
    settings = Settings(data_root=data_root, device=device, threads=threads)
    content = diagnose_run(files, settings, asked, budget=budget, force=force)
    if json:
        print_json(content)
    else:
        _print(content, asked)
    return OK


def diagnose_plan(
    plan: Plan, root: Path, data_root: Path | None, device: str, stop: Callable[[], bool] = lambda: False
) -> None:
    """Measure what the plan's studies ask for, on the first seed of each of their variants that has finished.

    What cannot be measured is told and left: the report says what is missing.
    """
    wanted: dict[Run, list[str]] = {}
    for study in plan.studies:
        for variant in study.variants if study.diagnostics else ():
            run = Run(variant.recipe, study.seeds_of(variant)[0])
            wanted.setdefault(run, []).extend(study.diagnostics)
    todo = {run: found for run, names in wanted.items() if (found := _missing(run_files(root, run), names))}
    if not todo:
        return
    from reslab.lab.diagnose import diagnose_run
    from reslab.lab.execute import Settings

    settings = Settings(data_root=data_root, device=device)
    for number, (run, missing) in enumerate(todo.items(), start=1):
        if stop():
            return
        print(f"why, {number} of {len(todo)}: {run.id}  {', '.join(missing)}", file=sys.stderr, flush=True)
        budget = "quick" if run.recipe.dataset == "digits" else "standard"
        try:
            diagnose_run(run_files(root, run), settings, missing, budget=budget)
        except (ResLabError, RuntimeError) as error:
            print(f"{run.id} could not be measured: {error}", file=sys.stderr, flush=True)


def _missing(files: RunFiles, names: Iterable[str]) -> list[str]:
    if not files.weights.exists() or files.ended() != "finished":
        return []
    there = (files.diagnostics() or {}).get("diagnostics", {})
    return [name for name in dict.fromkeys(names) if name not in there]


def _print(content: dict[str, Any], asked: tuple[str, ...] | None) -> None:
    from reslab.diagnostics.measure import DIAGNOSTICS

    print(f"{content['run']}\n")
    rows = [
        [name, DIAGNOSTICS[name].question, _ANSWERS[name](entry), duration(entry["seconds"])]
        for name, entry in content["diagnostics"].items()
        if asked is None or name in asked
    ]
    print_table(["diagnostic", "question", "found", "time"], rows)


def _gap(entry: dict[str, Any]) -> str:
    final = entry["final"]
    return (
        f"error {final['train_error']:.2f}% in training, {final['test_error']:.2f}% in test; "
        f"loss {_number(final['train_loss'])} and {_number(final['test_loss'])} nats"
    )


def _responses(entry: dict[str, Any]) -> str:
    values = [layer["standard_deviation"] for layer in entry["final"]["layers"]]
    return f"standard deviation {_number(min(values))} to {_number(max(values))} in {len(values)} layers"


def _gradients(entry: dict[str, Any]) -> str:
    layers = entry["initial"]["layers"]
    before, after = (entry[moment]["layers"] for moment in ("initial", "final"))
    return (
        f"norm in the first of {layers[-1]['layer']} layers {_number(before[0]['gradient_norm'])} at the start, "
        f"{_number(after[0]['gradient_norm'])} at the end; in the last {_number(before[-1]['gradient_norm'])} and "
        f"{_number(after[-1]['gradient_norm'])}"
    )


def _noise_scale(entry: dict[str, Any]) -> str:
    final = entry["final"]
    batch = f"; the batch is {final['batch_size']}"
    if final["noise_scale"] is None:
        least = "unknown" if final["at_least"] is None else f"at least {_number(final['at_least'])} images"
        return f"{least} (the gradient is lost in its noise){batch}"
    return f"{_number(final['noise_scale'])} ± {_number(final['noise_scale_error'])} images{batch}"


def _curvature(entry: dict[str, Any]) -> str:
    final = entry["final"]
    return (
        f"largest eigenvalue {_number(final['largest'])} ± {_number(final['residual'])}; the last rate, "
        f"{final['rate']:g}, allows {_number(final['stability_limit'])}"
    )


def _surface(entry: dict[str, Any]) -> str:
    final = entry["final"]
    middle = len(final["steps"]) // 2
    ring = [*final["loss"][0], *final["loss"][-1], *(row[side] for row in final["loss"] for side in (0, -1))]
    known = [loss for loss in ring if loss is not None]
    edge = f"{_number(min(known))} to {_number(max(known))}" if known else "not finite"
    return f"loss {_number(final['loss'][middle][middle])} in the middle, {edge} at the edge of the grid"


def _number(value: float | None) -> str:
    return "not finite" if value is None else f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"


_ANSWERS: dict[str, Callable[[dict[str, Any]], str]] = {
    "gap": _gap,
    "responses": _responses,
    "gradients": _gradients,
    "noise-scale": _noise_scale,
    "curvature": _curvature,
    "surface": _surface,
}
