"""Plans in TOML: several studies in one file, as the assignment is (`assignment.toml`), or one of the user's own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

from reslab.errors import ResLabError, nearest
from reslab.host import default_precision
from reslab.recipe import Scalar
from reslab.studies import custom
from reslab.studies.questions import QUESTIONS
from reslab.studies.study import NAME, Options, Plan, Study

ASSIGNMENT = Path(__file__).with_name("assignment.toml")

_SHARED = ("preset", "dataset", "epochs", "seeds")
"""What may stand above all studies, or in one of them."""
_WORDS = ("title", "question", "expectation")
_PLAN = ("name", "title", "answers", *_SHARED, "studies")
_QUESTION = ("study", "depths", "answers", *_WORDS, *_SHARED)


@dataclass(frozen=True, slots=True)
class Given:
    """What a command says of a plan, in place of what the file says; None where it says nothing.

    `depths` stand for those of the plan, in order.  `default_precision` is that of studies that name none, `recipe`
    are fields of every study's base recipe.
    """

    preset: str | None = None
    datasets: tuple[str, ...] | None = None
    depths: tuple[int, ...] | None = None
    epochs: float | None = None
    seeds: int | None = None
    precision: str | None = None
    default_precision: str = field(default_factory=default_precision)
    recipe: tuple[tuple[str, Scalar], ...] = ()


def read_plan(path: Path, given: Given) -> Plan:
    """Read a plan, or a single study of one's own, from a TOML file.

    Raises `ResLabError` with the key and the allowed values where something is wrong, or with the line where the file
    is not TOML.
    """
    content = custom.read_placed(path)
    try:
        if "studies" in content:
            return _plan(content, given)
        for flag, value in (("--depths", given.depths), ("--preset", given.preset)):
            if value is not None:
                raise ResLabError(f"{flag} does not work with a study of your own; set it in the file")
        study = _own(content, {}, given)
    except ResLabError as error:
        raise ResLabError(f"{path}: {error}") from None
    return Plan(study.name, study.title, (study,))


@cache
def assignment_plan() -> Plan:
    """Return the assignment as it is asked where nothing else is said: its name, its title and its tasks."""
    return read_plan(ASSIGNMENT, Given(precision="fp32"))  # none of them matters to these, so no machine is asked


def _plan(content: Mapping[str, Any], given: Given) -> Plan:
    custom.check_keys("", content, _PLAN)
    listed = content["studies"]
    if not isinstance(listed, list) or not listed or not all(isinstance(one, dict) for one in listed):
        raise ResLabError("studies: write each as a table under its own [[studies]] line")
    name = content.get("name")
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise ResLabError(f"name: needed, of small letters, digits and hyphens, as in my-course; not {name!r}")
    shared = {key: content[key] for key in _SHARED if key in content}
    places = _places(listed, given)
    studies = []
    for number, one in enumerate(listed, start=1):
        try:
            study = _question(one, shared, given, places) if "study" in one else _own(one, shared, given)
        except ResLabError as error:
            raise ResLabError(f"[[studies]] number {number}: {error}") from None
        answers = one.get("answers", content.get("answers", True))
        if not isinstance(answers, bool):
            raise ResLabError(f"answers: must be true or false, not {answers!r}")
        studies.append(replace(study, answers=answers))
    names = [study.name for study in studies]
    for twice in (one for one in names if names.count(one) > 1):
        raise ResLabError(f"studies: {twice!r} is there twice; a plan asks each question once")
    return Plan(name, custom.text(content, "title") or name, tuple(studies))


def _places(listed: Sequence[Mapping[str, Any]], given: Given) -> dict[int, int]:
    """Return which depth of the command stands for which of the plan: the first for the first, and so on."""
    if given.depths is None:
        return {}
    own = sorted({depth for one in listed for depth in _depths(one) or ()})
    return dict(zip(own, sorted(set(given.depths)), strict=False))  # those beyond go where all of the plan's are


def _question(table: Mapping[str, Any], shared: Mapping[str, Any], given: Given, places: Mapping[int, int]) -> Study:
    """Return one of ResLab's own questions, as the plan has it."""
    custom.check_keys("", table, _QUESTION)
    name = table["study"]
    if name not in QUESTIONS:
        close = nearest(str(name), list(QUESTIONS))
        raise ResLabError(f"study: there is no question {name!r}{close}; there are {', '.join(QUESTIONS)}")
    said = {**shared, **table}
    depths = _depths(table)
    if given.depths is not None:
        asked = tuple(sorted(set(given.depths)))
        standing = tuple(places[depth] for depth in depths or () if depth in places)
        depths = asked if set(places.values()) <= set(standing) else standing or asked[:1]
    seeds = given.seeds if given.seeds is not None else said.get("seeds", Options().seeds)
    if isinstance(seeds, bool) or not isinstance(seeds, int) or seeds < 1:
        raise ResLabError(f"seeds: must be how many, 1 or more, for one of ResLab's questions; not {seeds!r}")
    epochs = given.epochs if given.epochs is not None else said.get("epochs")
    if epochs is not None and (isinstance(epochs, bool) or not isinstance(epochs, int | float)):
        raise ResLabError(f"epochs: must be a number above 0, not {epochs!r}")
    study = QUESTIONS[name].ask(
        Options(
            preset=given.preset or custom.text(said, "preset") or Options().preset,
            datasets=given.datasets or _datasets(said),
            depths=depths,
            epochs=epochs,
            seeds=seeds,
            precision=given.precision or given.default_precision,
            recipe=given.recipe,
        )
    )
    words = {key: text for key in _WORDS if (text := custom.text(table, key))}
    return replace(study, **words)  # type: ignore[arg-type]


def _own(table: Mapping[str, Any], shared: Mapping[str, Any], given: Given) -> Study:
    """Return a study of the user's own."""
    said = {**{key: value for key, value in shared.items() if key != "dataset"}, **table}
    said.pop("answers", None)
    said |= {key: value for key, value in (("epochs", given.epochs), ("seeds", given.seeds)) if value is not None}
    datasets = given.datasets
    if datasets is None and "dataset" not in table and "dataset" in shared:
        datasets = _datasets(shared)
    return custom.study_of(said, datasets, given.precision, given.default_precision, dict(given.recipe))


def _depths(table: Mapping[str, Any]) -> tuple[int, ...] | None:
    value = table.get("depths")
    if value is None:
        return None
    if not isinstance(value, list) or not value or not all(type(depth) is int for depth in value):
        raise ResLabError(f"depths: must be a list of whole numbers, as in [20, 56, 110]; not {value!r}")
    return tuple(value)


def _datasets(said: Mapping[str, Any]) -> tuple[str, ...] | None:
    value = said.get("dataset")
    if value is None:
        return None
    listed = [value] if isinstance(value, str) else value
    if not isinstance(listed, list) or not listed or not all(isinstance(name, str) for name in listed):
        raise ResLabError(f"dataset: must be a name in quotes or a list of names, not {value!r}")
    return tuple(listed)
