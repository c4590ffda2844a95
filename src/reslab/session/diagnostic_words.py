"""What each diagnostic of a run found, in a line."""

from collections.abc import Callable
from typing import Any

from reslab.exhibits.wording import counted, span


def answer(name: str, entry: dict[str, Any]) -> str:
    """Return what a diagnostic found, from its entry in diagnostics.json; raise `KeyError` for an unknown name."""
    return _ANSWERS[name](entry)


def _gap(entry: dict[str, Any]) -> str:
    final = entry["final"]
    return (
        f"error {final['train_error']:.2f}% on {final['num_train']:,} training images, "
        f"{final['test_error']:.2f}% on {final['num_test']:,} test images; "
        f"loss {_number(final['train_loss'])} and {_number(final['test_loss'])} nats"
    )


def _responses(entry: dict[str, Any]) -> str:
    values = [layer["standard_deviation"] for layer in entry["final"]["layers"]]
    return f"standard deviation {span(_number(min(values)), _number(max(values)))} in {counted(len(values), 'layer')}"


def _gradients(entry: dict[str, Any]) -> str:
    after = entry["final"]["layers"]
    if "initial" not in entry:  # measured after an intermediate epoch
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
