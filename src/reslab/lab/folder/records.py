"""The schema of a run's records: the required keys, and the kind of each value.

It applies to local files and to those from a share: a record that passes does not break any command that reads it.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

from reslab.diagnostics.cost import BUDGETS

RESULT_HAS = ("epochs", "iterations", "weights_sha256")
"""Keys that every result has."""

_LARGEST = 2**63 - 1


def fault(name: str, content: Mapping[str, Any]) -> str | None:
    """Return what is wrong with a record, in words that follow its name; None if it can be used.

    `name` is that of its file; metrics.jsonl stands for one of its lines.
    """
    missing = next((key for key in _NEEDED.get(name, ()) if content.get(key) is None), None)
    if missing is not None:
        return f"it has no {missing}"
    wrong = _wrong(_KINDS.get(name, {}), content, name)
    return None if wrong is None else f"{wrong} has an impossible value"


def _wrong(kind: Any, value: Any, key: str) -> str | None:
    """Return the key of the first value that is not of its kind; null fits every kind.

    The kind of an object is a dict of kinds by key, with OTHERS for all other keys; that of a list, a list of one kind.
    """
    if value is None:
        return None
    if isinstance(kind, dict):
        if not isinstance(value, dict):
            return key
        others = kind.get(OTHERS)
        pairs = ((name, kind.get(name, others), one) for name, one in value.items())
        return next((found for name, one, inner in pairs if one and (found := _wrong(one, inner, name))), None)
    if isinstance(kind, list):
        if not isinstance(value, list):
            return key
        return next(
            (found for inner in value if (found := key if inner is None else _wrong(kind[0], inner, key))), None
        )
    return None if kind(value) else key


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _flag(value: Any) -> bool:
    return isinstance(value, bool)


def _whole(value: Any) -> bool:
    return type(value) is int and abs(value) <= _LARGEST


def _number(value: Any) -> bool:
    return isinstance(value, float) or _whole(value)


def _percent(value: Any) -> bool:
    return _number(value) and (not math.isfinite(value) or 0 <= value <= 100)


def _positive(value: Any) -> bool:
    """Say whether a value is a whole number, 0 or more."""
    return _whole(value) and value >= 0


def _duration(value: Any) -> bool:
    return _number(value) and not value < 0


def _plain(value: Any) -> bool:
    return isinstance(value, str | bool) or _number(value)


def _budget(value: Any) -> bool:
    return isinstance(value, str) and value in BUDGETS


def _finite(value: Any) -> bool:
    """Say whether all numbers within a value are finite, and whole ones fit 64 bits."""
    if isinstance(value, dict | list):
        return all(map(_finite, value.values() if isinstance(value, dict) else value))
    return value is None or isinstance(value, str | bool) or (_number(value) and math.isfinite(value))


OTHERS = "*"

SCORES: dict[str, Callable[[Any], bool]] = {
    f"{part}_{name}": kind
    for part in ("train", "test", "holdout")
    for name, kind in (("loss", _number), ("error", _percent))
}
_SPEED: dict[str, Callable[[Any], bool]] = {"seconds": _duration, "images_per_second": _duration}
_DIAGNOSTICS = {OTHERS: {"budget": _budget, "seconds": _number, OTHERS: _finite}}

_KINDS: dict[str, Any] = {
    "metrics.jsonl": {
        **SCORES,
        **_SPEED,
        "epoch": _positive,
        "iteration": _positive,
        "rate": _number,
        "weight_norm": _number,
        "peak_memory_bytes": _positive,
    },
    "result.json": {
        **SCORES,
        **_SPEED,
        **dict.fromkeys(("epochs", "iterations", "parameters", "multiply_adds"), _positive),
        "status": lambda value: value == "finished",
        "weights_sha256": _text,
    },
    "failure.json": {
        **dict.fromkeys(("kind", "message", "traceback", "time"), _text),
        **dict.fromkeys(("epoch", "iteration"), _whole),
    },
    "provenance.json": {
        "data": {
            **dict.fromkeys(("name", "fingerprint"), _text),
            **dict.fromkeys(("num_train", "num_holdout", "num_test", "num_classes"), _whole),
            "official": _flag,
            "classes": [_text],
        },
        "attempts": [{"from_iteration": _whole, "started": _text, "dirty": _flag, OTHERS: _plain}],
        "fetched": [{OTHERS: _text}],
    },
    "diagnostics.json": {
        "weights_sha256": _text,
        "diagnostics": _DIAGNOSTICS,
        "epochs": {OTHERS: {"weights_sha256": _text, "diagnostics": _DIAGNOSTICS}},
    },
}

_NEEDED = {
    "metrics.jsonl": ("epoch",),
    "diagnostics.json": ("diagnostics",),
}
