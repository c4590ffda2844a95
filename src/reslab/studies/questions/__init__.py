"""The questions that ResLab brings, one a file, with their words in a TOML file of the same name.

A file put here is a question: it comes behind those of `ORDER` in a report.
"""

from importlib import import_module
from pkgutil import iter_modules

from reslab.studies.question import Question

ORDER = ("depth", "learning-rate", "epochs", "data-size", "batch-size", "degradation", "shortcuts", "fidelity")
"""The order of a report."""


def discovered() -> dict[str, Question]:
    """Return the questions in this folder, by name, in the order of a report."""
    modules = [import_module(f"{__name__}.{one.name}") for one in iter_modules(__path__)]
    found = {module.QUESTION.name: module.QUESTION for module in modules if hasattr(module, "QUESTION")}
    order = {name: place for place, name in enumerate(ORDER)}
    return {name: found[name] for name in sorted(found, key=lambda name: (order.get(name, len(order)), name))}


QUESTIONS: dict[str, Question] = discovered()
