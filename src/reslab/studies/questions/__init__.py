"""ResLab's own questions, one per file, with their words in a TOML file of the same name.

A module added here with a `QUESTION` is found by itself; in a report it comes after those in `ORDER`.
"""

from importlib import import_module
from pkgutil import iter_modules

from reslab.errors import ResLabError
from reslab.studies.question import Question

ORDER = ("depth", "learning-rate", "epochs", "data-size", "batch-size", "degradation", "shortcuts", "fidelity")
"""The order in a report."""


def discovered() -> dict[str, Question]:
    """Return the questions in this folder, by name, in the order of a report.

    Raises `ResLabError` for a file that asks and has no question, or one that is not called as the file is.
    """
    found: dict[str, Question] = {}
    for one in iter_modules(__path__):
        module = import_module(f"{__name__}.{one.name}")
        question = getattr(module, "QUESTION", None)
        if question is None and not hasattr(module, "ask"):
            continue  # the chapter of users' studies
        if not isinstance(question, Question):
            raise ResLabError(f"studies/questions/{one.name}.py has no QUESTION = Question(...)")
        if question.name != (name := one.name.replace("_", "-")):
            raise ResLabError(f"studies/questions/{one.name}.py asks {question.name!r}; its question must be {name!r}")
        found[name] = question
    order = {name: place for place, name in enumerate(ORDER)}
    return {name: found[name] for name in sorted(found, key=lambda name: (order.get(name, len(order)), name))}


QUESTIONS: dict[str, Question] = discovered()
