"""Plans in TOML: several studies in one file, like the assignment (`assignment.toml`), or one of the user's own."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any

from reslab.errors import ResLabError, nearest
from reslab.files import read_toml
from reslab.own_code import within
from reslab.studies.custom import Table, answered, check_keys, checked, is_list_of, read_study, tables, text, varied
from reslab.studies.questions import QUESTIONS
from reslab.studies.study import MOST_SEEDS, Options, Plan, Study, checked_name

ASSIGNMENT = Path(__file__).with_name("assignment.toml")

_SHARED = ("preset", "dataset", "epochs", "seeds", "answers")
"""Keys allowed above all studies, or in one of them."""
_WORDS = ("title", "question", "expectation")
_PLAN = ("name", "title", *_SHARED, "studies")
_QUESTION = ("study", "depths", *_WORDS, *_SHARED)
_FILES = ("network", "dataset")
"""Keys that may name a function in a file, by its path relative to the TOML file."""


def read_plan(path: Path, options: Options) -> Plan:
    """Read a plan, or a single study of the user's own, from a TOML file; options override the file.

    Raises `ResLabError` with the key and the allowed values where a value is wrong, or with the line where the file is
    not TOML.
    """
    content = _placed(read_toml(path), path.parent)
    try:
        if "studies" in content:
            return _plan(content, options)
        return plan_of(_own(content, options))
    except ResLabError as error:
        raise ResLabError(f"{path}: {_as_in_toml(str(error))}") from None


def _as_in_toml(message: str) -> str:
    """Return a message with the values that it quotes written as in TOML, not as in Python."""
    message = re.sub(r"datetime\.\w+\((?:[^()]|\([^()]*\))*\)", "a date or time", message)
    return re.sub(r"(?<=\bnot )(?:True|False)\b", lambda found: found[0].lower(), message)


@cache
def assignment_plan() -> Plan:
    """Return the assignment without options, for its name, its title and its tasks."""
    return read_plan(ASSIGNMENT, Options(precision="fp32"))  # does not matter here, and avoids probing the device


def plan_of(study: Study) -> Plan:
    """Return a plan of one study."""
    return Plan(study.name, study.title, (study,))


def _placed(content: Any, folder: Path, key: str = "") -> Any:
    """Return a value from a file in this folder, with the files that it names resolved relative to the folder."""
    if isinstance(content, dict):
        return {name: _placed(value, folder, name) for name, value in content.items()}
    if isinstance(content, list):
        return [_placed(one, folder, key) for one in content]
    return within(content, folder) if key in _FILES and isinstance(content, str) else content


def _plan(content: Table, options: Options) -> Plan:
    check_keys("", content, _PLAN)
    name = checked_name(content.get("name"))
    listed = tables(content, "studies")
    shared = {key: content[key] for key in _SHARED if key in content}
    on_shared = replace(options, datasets=options.datasets or _datasets(shared))
    places = _places(listed, options)
    studies: list[Study] = []
    for number, one in enumerate(listed, start=1):
        said = {**shared, **one}
        try:
            own = options if "dataset" in {*one, *varied(one)} else on_shared
            if not {"study", "name"} & one.keys():
                raise ResLabError(f"needs study, one of {', '.join(QUESTIONS)}, or name, for a study of your own")
            study = _question(said, own, places) if "study" in one else _own(said, own)
        except ResLabError as error:
            raise ResLabError(f"[[studies]] number {number}: {error}") from None
        if any(study.name == other.name for other in studies):
            raise ResLabError(f"studies: {study.name!r} appears twice; a plan has each study once")
        studies.append(study)
    return Plan(name, text(content, "title") or name, tuple(studies))


def _own(content: Table, options: Options) -> Study:
    """Return a study of the user's own; raise `ResLabError` for options that such a study does not take."""
    for flag, value in (("--depths", options.depths), ("--preset", options.preset)):
        if value is not None:
            raise ResLabError(f"{flag} does not work with a study of your own; set it in the file")
    return read_study(content, options)


def _places(listed: Sequence[Table], options: Options) -> dict[int, int]:
    """Return the command's depth for each of the plan's depths: the first for the first, and so on."""
    if options.depths is None:
        return {}
    own = sorted({depth for one in listed for depth in _depths(one) or ()})
    return dict(zip(own, sorted(set(options.depths)), strict=False))  # extra ones go to studies with all plan depths


def _question(said: Table, options: Options, places: Mapping[int, int]) -> Study:
    """Return one of ResLab's own questions, as changed by the plan."""
    check_keys("", said, _QUESTION)
    name = text(said, "study")
    if name not in QUESTIONS:
        raise ResLabError(
            f"study: there is no question {name!r}{nearest(name, list(QUESTIONS))}; there are {', '.join(QUESTIONS)}"
        )
    depths = _depths(said)
    if options.depths is not None:
        asked = tuple(sorted(set(options.depths)))
        standing = tuple(places[depth] for depth in depths or () if depth in places)
        depths = asked if set(places.values()) <= set(standing) else standing or asked[:1]
    what = f"how many, 1 to {MOST_SEEDS:,}, for one of ResLab's questions"
    seeds = checked(said, "seeds", lambda found: type(found) is int and 1 <= found <= MOST_SEEDS, what)
    study = QUESTIONS[name].ask(
        replace(
            options,
            preset=options.preset or text(said, "preset") or None,
            datasets=options.datasets or _datasets(said),
            depths=depths,
            epochs=said.get("epochs") if options.epochs is None else options.epochs,
            seeds=options.seeds or seeds,
        )
    )
    words: dict[str, Any] = {key: own for key in _WORDS if (own := text(said, key))}
    return replace(study, answers=answered(said), **words)


def _depths(table: Table) -> tuple[int, ...] | None:
    what = "a list of whole numbers, as in [20, 56, 110]"
    found = checked(table, "depths", partial(is_list_of, int), what)
    return None if found is None else tuple(found)


def _datasets(table: Table) -> tuple[str, ...] | None:
    what = "a name in quotes or a list of names"
    found = checked(table, "dataset", lambda found: isinstance(found, str) or is_list_of(str, found), what)
    return (found,) if isinstance(found, str) else None if found is None else tuple(found)
