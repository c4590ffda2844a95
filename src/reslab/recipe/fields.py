"""The allowed values of a recipe's fields: the choices of those that have some, and the types of all."""

import contextlib
import math
from numbers import Real
from typing import Any, cast

from reslab.arguments import as_plain
from reslab.datasets import DATASETS, is_brought
from reslab.errors import ResLabError, nearest
from reslab.families import FAMILIES

Scalar = str | int | float | bool

CHOICES: dict[str, tuple[str, ...]] = {
    "dataset": tuple(DATASETS),
    "normalisation": ("pixel-mean", "channel", "channel-2023", "imagenet", "per-image"),
    "padding": ("mean", "black", "reflect"),
    "mirror": ("random", "alternating", "none"),
    "family": tuple(FAMILIES),
    "shortcut": ("A", "A-centred", "B", "C", "none"),
    "initialisation": ("he-fan-in", "he-fan-out"),
    "optimiser": ("sgd", "muon", "adam", "adamw"),
    "decay_scope": ("all", "weights"),
    "schedule_unit": ("epochs", "iterations"),
    "schedule": ("step", "linear", "cosine", "one-cycle"),
    "warmup": ("none", "until-error", "fixed", "linear"),
    "precision": ("fp32", "bf16"),
}
"""The allowed values of the fields that are a choice of names."""

IMAGENET_FAMILIES = tuple(name for name, family in FAMILIES.items() if family.is_for_imagenet)
"""The families of He et al. 2016, table 1, whose depths are `families.IMAGENET_DEPTHS`."""

FILLED_IN = ("images",)
"""Fields that a user never sets: ResLab fills them in when it plans."""

OWN_NETWORK: dict[str, Scalar] = {"family": "own", "depth": 0, "shortcut": "none", "initialisation": "own"}
"""For a network of the user's own, the values of the fields that describe ResLab's networks."""

ADDED_LATER: dict[str, Scalar] = {
    "images": "",
    "network": "",
    "image_size": 32,
    "schedule": "step",
    "optimiser": "sgd",
    "muon_rate": 0.02,
    "muon_momentum": 0.95,
    "randaugment": 0,
    "randaugment_magnitude": 5.0,
    "cutout": 0,
    "mixup": 0.0,
    "width": 1,
    "dropout": 0.0,
    "adam_beta_mean": 0.9,
    "adam_beta_square": 0.999,
    "adam_epsilon": 1e-8,
    "clip_norm": 0.0,
    "ema_decay": 0.0,
    "third_drop": 0.0,
    "final_rate": 0.0,
    "cycle_rise": 0.3,
    "cycle_start": 0.04,
    "cycle_end": 4e-6,
}
"""Fields added after the first release, each with its neutral value."""


def unhandled(field: str, value: str) -> ResLabError:
    """Return the error of code that has no case for a value, so that it is not treated as another one."""
    return ResLabError(f"ResLab knows of {field} {value}, but not what to do with it")


_KINDS: dict[Any, tuple[type, str]] = {
    str: (str, "text"),
    int: (int, "a whole number"),
    float: (float, "a number"),
    bool: (bool, "true or false"),
}


def coerced(name: str, kind: Any, value: Any) -> Scalar:
    """Convert a value to a field's type; raise `ResLabError` if it is not of that type or not allowed."""
    python, words = _KINDS[kind]
    value = as_plain(value)
    if python is float and isinstance(value, Real) and not isinstance(value, bool):
        with contextlib.suppress(OverflowError):
            value = float(value) + 0.0  # -0.0 is 0.0
    if not isinstance(value, python) or (python is int and isinstance(value, bool)):
        raise ResLabError(f"{name} must be {words}, not {value!r}")
    if isinstance(value, float) and not math.isfinite(value):
        raise ResLabError(f"{name} must be a finite number, not {value!r}")
    allowed = tuple(DATASETS) if name == "dataset" else CHOICES.get(name)
    if allowed is not None and value not in allowed and not (name == "dataset" and is_brought(str(value))):
        own = "; your own images: a function in a file, as in my_images.py:load" if name == "dataset" else ""
        hint = nearest(str(value), allowed) if len(allowed) > 2 else ""  # fp16 is not a typo for bf16
        raise ResLabError(f"{name} must be one of {', '.join(allowed)}; not {value!r}{hint}{own}")
    return cast(Scalar, value)
