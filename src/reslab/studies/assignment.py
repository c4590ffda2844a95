"""The whole assignment as one plan: the studies that its tasks ask for; runs that they share train once."""

from dataclasses import replace

from reslab.studies.questions import QUESTIONS
from reslab.studies.study import Options, Plan

NAME = "assignment"
TITLE = "The assignment: what decides how well a residual network does"

TASKS: dict[str, slice] = {
    "depth": slice(None),
    "learning-rate": slice(1),
    "epochs": slice(2),
    "data-size": slice(1, 2),
    "batch-size": slice(1),
}
"""Its tasks, the required one first, each with which of the depths given, that stand for 20, 56 and 110, it takes."""


def ask_all(options: Options) -> Plan:
    """Return all tasks as a plan."""
    return Plan(NAME, TITLE, tuple(QUESTIONS[name].ask(_options(taken, options)) for name, taken in TASKS.items()))


def _options(taken: slice, options: Options) -> Options:
    if options.depths is None:
        return options
    depths = tuple(sorted(set(options.depths)))
    return replace(options, depths=depths[taken] or depths[:1])
