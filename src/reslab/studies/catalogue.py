"""The studies that ResLab brings, by name, and the code that answers each kind of study."""

import difflib
from collections.abc import Callable

from reslab.errors import ResLabError
from reslab.studies import depth, general
from reslab.studies.study import Answer, Options, Study

STUDIES: dict[str, Callable[[Options], Study]] = {depth.NAME: depth.ask}
"""What asks each study."""

ANSWERS: dict[str, Answer] = {
    depth.NAME: depth.answer,
    general.CUSTOM: general.answer,
    general.OTHERS: general.answer,
}
"""What answers each kind of study."""


def ask(name: str, options: Options) -> Study:
    """Return the study of this name; an unknown one raises `ResLabError` with the known ones and the nearest."""
    if name not in STUDIES:
        raise ResLabError(f"there is no study {name!r}{nearest(name, list(STUDIES))}; {_known()}, or a TOML file")
    return STUDIES[name](options)


def nearest(name: str, known: list[str]) -> str:
    """Return a question after the nearest known name, or nothing."""
    close = difflib.get_close_matches(name, known, n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def _known() -> str:
    names = list(STUDIES)
    return f"the study there is: {names[0]}" if len(names) == 1 else f"the studies are {', '.join(names)}"
