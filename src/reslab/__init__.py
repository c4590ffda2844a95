"""ResLab: a laboratory for deep residual learning.

    import reslab

    run = reslab.train(dataset="digits", depth=8, epochs=2)
    study = reslab.study("learning-rate", dataset="digits", epochs=4, seeds=2)

Names are loaded when they are first used: `import reslab` itself loads neither torch nor polars.
"""

import importlib
from typing import Any

__version__ = "0.1.0"

_HOMES = {
    "reslab.session.door": ("compare", "demo", "diagnose", "evaluate", "preset", "runs", "study", "train"),
    "reslab.session.images": ("check_data", "fetch_data", "import_data", "list_data", "load_data"),
    "reslab.session.known": ("list_models", "list_presets"),
    "reslab.session.machine": ("bench", "doctor"),
    "reslab.session.overview": ("status", "write_report"),
    "reslab.session.sharing": ("pull", "push", "verify"),
    "reslab.watch.live": ("live_page",),
    "reslab.session.run": ("Run",),
    "reslab.session.runs": ("Runs",),
    "reslab.session.study": ("Study",),
    "reslab.session.comparison": ("Comparison",),
    "reslab.session.evaluation": ("Evaluation",),
    "reslab.recipe": ("Recipe", "stretch", "vary"),
    "reslab.errors": (
        "CheckpointError",
        "DamagedError",
        "DataError",
        "LockedError",
        "OwnCodeError",
        "ReplacedError",
        "ResLabError",
        "ShareError",
        "UnknownRunError",
        "UnreadableError",
    ),
}
"""Where each public name lives; `__init__.pyi` says the same to type checkers."""

_PLACES = {name: home for home, names in _HOMES.items() for name in names}

__all__ = ["__version__", *sorted(_PLACES)]  # noqa: PLE0604 (they are strings)


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module 'reslab' has no attribute {name!r}; it offers {', '.join(sorted(_PLACES))}")
    value = getattr(importlib.import_module(_PLACES[name]), name)
    if not isinstance(value, type):  # public functions check their arguments; ResLab's own calls are type-checked
        value = importlib.import_module("reslab.arguments").checked(value)
        value.__module__ = __name__  # where pickle looks for it
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_PLACES})
