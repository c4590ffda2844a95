"""The verb `diagnose`: why a trained run is as it is."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

from reslab.cli import OK
from reslab.cli.console import aside, duration, print_json, print_table, remark_cache
from reslab.cli.flags import AsJson, DataRoot, Device, Runs
from reslab.cli.lists import names, whole_numbers
from reslab.errors import ResLabError
from reslab.lab.store import RunFiles, find_run, run_files
from reslab.recipe import Run
from reslab.studies.study import Plan


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
    json: AsJson = False,
) -> int:
    """Measure why a trained run is as it is, and keep it in the run's diagnostics.json.

    What was measured before is not measured again.  For example:

      reslab diagnose cifar10-resnet20-3f9a1c2b/seed0 --which responses,gradients

      reslab diagnose cifar10-resnet20-3f9a1c2b/seed0 --which gradients --epoch 1,81

    Parameters
    ----------
    run
        A run's id, or its folder.
    which
        Some of gap, responses, gradients, noise-scale, curvature, surface, with commas between; default: all.
    epoch
        Measure the weights that were kept after these epochs, as in 1,81 (see `reslab train --keep-epochs`); default:
        the trained ones.
    budget
        How much is measured: quick for small demonstrations, standard for a laptop, thorough for a graphics card.
    force
        Measure again what was measured before.
    threads
        Processor threads to compute with; default: torch's own choice.
    """
    from reslab.lab.diagnose import diagnose_run
    from reslab.lab.execute import Settings

    files = find_run(run, runs)
    asked = names("which", which)
    epochs = None if epoch is None else tuple(dict.fromkeys(whole_numbers("epoch", epoch)))
    settings = Settings(data_root=data_root, device=device, threads=threads)
    remark_cache()
    content = diagnose_run(files, settings, asked, epochs=epochs, budget=budget, force=force)
    if json:
        print_json(content)
        return OK
    if epochs is None:
        _print(content["run"], content["diagnostics"], asked)
    for place, number in enumerate(epochs or ()):
        print(end="\n" if place else "")
        _print(f"{content['run']} after epoch {number}", content["epochs"][str(number)]["diagnostics"], asked)
    return OK


def diagnose_plan(
    plan: Plan, root: Path, data_root: Path | None, device: str, stop: Callable[[], bool] = lambda: False
) -> None:
    """Measure what the plan's studies ask for, on the first seed of each of their variants that has finished.

    What they ask for during training is measured on the weights of every epoch that were kept.  What cannot be
    measured is told and left: the report says what is missing.
    """
    at_end: dict[Run, list[str]] = {}
    during: dict[Run, list[str]] = {}
    for study in plan.studies:
        for variant in study.variants:
            run = Run(variant.recipe, study.seeds_of(variant)[0])
            at_end.setdefault(run, []).extend(study.diagnostics)
            during.setdefault(run, []).extend(study.diagnostics_during)
    todo: list[tuple[Run, tuple[int, ...] | None, list[str]]] = []
    for run, wanted in at_end.items():
        try:
            todo += [(run, *what) for what in _missing(run_files(root, run), wanted, during[run])]
        except ResLabError as error:
            _tell(run, error)
    if not todo:
        return
    from reslab.lab.diagnose import diagnose_run
    from reslab.lab.execute import Settings

    settings = Settings(data_root=data_root, device=device)
    for number, (run, epochs, missing) in enumerate(todo, start=1):
        if stop():
            return
        what = ", ".join(missing) + (f" after epochs {', '.join(map(str, epochs))}" if epochs else "")
        aside(f"why, {number} of {len(todo)}: {run.id}  {what}")
        budget = "quick" if run.recipe.dataset == "digits" else "standard"
        try:
            diagnose_run(run_files(root, run), settings, missing, epochs=epochs, budget=budget)
        except (ResLabError, RuntimeError) as error:
            _tell(run, error)


def _tell(run: Run, error: Exception) -> None:
    aside(f"{run.id} could not be measured: {error}")


def _missing(
    files: RunFiles, at_end: list[str], during: list[str]
) -> Iterator[tuple[tuple[int, ...] | None, list[str]]]:
    """Yield what was not measured yet: on a run's trained weights (None), and after epochs whose weights it kept."""
    if not files.weights.exists() or files.ended() != "finished":
        return
    content = files.diagnostics() or {}
    if missing := _absent(content, at_end):
        yield None, missing
    by_epoch = {epoch: content.get("epochs", {}).get(str(epoch), {}) for epoch in files.kept_epochs()}
    if epochs := tuple(epoch for epoch, found in by_epoch.items() if _absent(found, during)):
        yield epochs, list(dict.fromkeys(during))


def _absent(content: dict[str, Any], wanted: list[str]) -> list[str]:
    there = content.get("diagnostics", {})
    return [name for name in dict.fromkeys(wanted) if name not in there]


def _print(title: str, entries: dict[str, Any], asked: tuple[str, ...] | None) -> None:
    from reslab.diagnostics.measure import DIAGNOSTICS

    print(f"{title}\n")
    rows = [
        [name, DIAGNOSTICS[name].question, _ANSWERS[name](entry), duration(entry["seconds"])]
        for name, entry in entries.items()
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
    after = entry["final"]["layers"]
    if "initial" not in entry:  # of an epoch in between
        values = [_number(after[place]["gradient_norm"]) for place in (0, -1)]
        return f"norm {values[0]} in the first of {after[-1]['layer']} layers, {values[1]} in the last"
    before = entry["initial"]["layers"]
    return (
        f"norm in the first of {before[-1]['layer']} layers {_number(before[0]['gradient_norm'])} at the start, "
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
