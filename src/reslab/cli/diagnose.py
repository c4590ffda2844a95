"""The verb `diagnose`: why a trained run is as it is."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from reslab.amounts import duration
from reslab.cli import INTERRUPTED, OK, command
from reslab.cli.console import aside, print_json, print_table, remark_cache
from reslab.cli.flags import AsJson, DataRoot, Device, Runs, TrustCode
from reslab.cli.lists import names, whole_numbers
from reslab.lab.settings import Settings
from reslab.session.why import diagnose_one, run_to_diagnose


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
        CPU threads; default: torch's own choice.
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
    limit = final["stability_limit"]
    allows = "has no limit: Adam gives each weight its own" if limit is None else f"allows {_number(limit)}"
    return (
        f"largest eigenvalue {_number(final['largest'])} ± {_number(final['residual'])}; the last rate, "
        f"{final['rate']:g}, {allows}"
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
