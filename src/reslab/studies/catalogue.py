"""The studies that ResLab brings, by name, and the code that answers each kind of study."""

from collections.abc import Callable

from reslab.errors import ResLabError, nearest
from reslab.studies import (
    assignment,
    batch_size,
    data_size,
    degradation,
    depth,
    epochs,
    fidelity,
    general,
    learning_rate,
    shortcuts,
)
from reslab.studies.study import OTHERS, Answer, Options, Plan, Study

STUDIES: dict[str, Callable[[Options], Study]] = {
    depth.NAME: depth.ask,
    learning_rate.NAME: learning_rate.ask,
    epochs.NAME: epochs.ask,
    data_size.NAME: data_size.ask,
    batch_size.NAME: batch_size.ask,
    degradation.NAME: degradation.ask,
    shortcuts.NAME: shortcuts.ask,
    fidelity.NAME: fidelity.ask,
}
"""What asks each study, in the order of a report."""

PLANS: dict[str, Callable[[Options], Plan]] = {assignment.NAME: assignment.ask_all}
"""What asks several studies at once."""

ANSWERS: dict[str, Answer] = {
    depth.NAME: depth.answer,
    learning_rate.NAME: learning_rate.answer,
    epochs.NAME: epochs.answer,
    data_size.NAME: data_size.answer,
    batch_size.NAME: batch_size.answer,
    degradation.NAME: degradation.answer,
    shortcuts.NAME: shortcuts.answer,
    fidelity.NAME: fidelity.answer,
    general.CUSTOM: general.answer,
    OTHERS: general.answer,
}
"""What answers each kind of study."""


def ask(name: str, options: Options) -> Study:
    """Return the study of this name; an unknown one raises `ResLabError` with the known ones and the nearest."""
    if name in PLANS:
        raise ResLabError(f"{name} is several studies; ask for all of them, or for one: {', '.join(STUDIES)}")
    if name not in STUDIES:
        raise ResLabError(f"there is no study {name!r}{nearest(name, names())}; {_known()}, or a TOML file")
    return STUDIES[name](options)


def ask_all(name: str, options: Options) -> Plan:
    """Return the plan of this name, or the study of this name as a plan of one; an unknown one raises `ResLabError`."""
    return PLANS[name](options) if name in PLANS else alone(ask(name, options))


def alone(study: Study) -> Plan:
    """Return a plan of one study."""
    return Plan(study.name, study.title, (study,))


def names() -> list[str]:
    """Return the names of all studies and plans."""
    return [*STUDIES, *PLANS]


def _known() -> str:
    return f"the studies are {', '.join(names())}"
