"""Records of requested studies, plain files below the runs, from which a report knows what belongs to it.

`studies/NAME.json` has the latest version of a study, `studies/earlier/NAME.json` the ids of runs that only earlier
versions requested; `plan.json` has the title and the order of the studies last requested together.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from reslab.analysis.tables import Problem
from reslab.diagnostics.cost import PASSES
from reslab.errors import DamagedError, ResLabError
from reslab.files import Json, parse_json, read_json, signed, write_json, writing
from reslab.lab.folder.store import run_files
from reslab.lab.shares.places import Place, read
from reslab.naming import recipe_name
from reslab.recipe import Recipe, Run, to_mapping
from reslab.studies.study import JOINED, OTHER_RUNS, OTHERS, Plan, Study, Variant
from reslab.studies.words import in_the_users, words_of

FORMAT = 2
"""Format 1 had no SHA-256 of the content."""

EARLIER_FORMAT = 1

PLAN = "plan.json"

_RECORD_BYTES = 16 * 2**20


def record(root: Path, study: Study) -> Path:
    """Write the study below the folder of all runs and return the file; it replaces a study of the same name.

    The ids of runs that only the replaced study requests are kept (see `asked_earlier`).
    """
    path, earlier = record_path(root, study.name), _earlier(root) / f"{study.name}.json"
    variants = [{**asdict(variant), "recipe": to_mapping(variant.recipe)} for variant in study.variants]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if dropped := _dropped(_before(path), study):
            earlier.parent.mkdir(exist_ok=True)
            ids = list(dict.fromkeys([*_ids(earlier), *(run.id for run in dropped)]))
            write_json(earlier, signed({"format": EARLIER_FORMAT, "runs": ids}))  # first: the study's record wins
        write_json(path, signed({"format": FORMAT, **asdict(study), "variants": variants}))
    except OSError as error:
        raise ResLabError(
            f"cannot write {path}: {error.strerror or error}; choose another folder with --runs"
        ) from error
    return path


def record_plan(root: Path, plan: Plan) -> None:
    """Record which studies were requested together, in order, and the plan's title unless a command joined them.

    Nothing is written for a single study, or where nothing has changed.
    """
    asked = "" if JOINED in plan.name else plan.title, [study.name for study in plan.studies]
    if len(plan.studies) > 1 and asked != plan_asked(root):
        with writing(root):
            write_json(root / PLAN, {"title": asked[0], "studies": asked[1]})


def plan_asked(root: Path) -> tuple[str, list[str]]:
    """Return the title and the names of the studies last requested together; "" and [] where there are none."""
    try:
        found = read_json(root / PLAN) or {}
    except ResLabError:
        return "", []
    title, names = found.get("title"), found.get("studies")
    if not isinstance(title, str) or not isinstance(names, list):
        return "", []
    return title, list(map(str, names))


def record_path(root: Path, name: str) -> Path:
    """Return the file of the record of this study."""
    return root / "studies" / f"{name}.json"


def recorded(root: Path) -> tuple[list[Study], tuple[Problem, ...]]:
    """Return the studies recorded below the folder of all runs, sorted by name, and the unusable records."""
    studies: list[Study] = []
    problems: list[Problem] = []
    for path in sorted((root / "studies").glob("*.json")):
        try:
            studies.append(_read(path))
        except ResLabError as error:
            problems.append(Problem.of(path, error, root))
    return studies, tuple(problems)


def asked_earlier(root: Path) -> dict[str, str]:
    """Return, by run id, the study whose earlier version requested the run."""
    return {run: path.stem for path in sorted(_earlier(root).glob("*.json")) for run in _ids(path)}


def replaced(root: Path, plan: Plan) -> Iterator[str]:
    """Yield a message for each study of the plan whose record requests existing runs that the plan leaves out."""
    before = {study.name: study for study in recorded(root)[0]}
    kept = {run for study in (before | {study.name: study for study in plan.studies}).values() for run in study.runs()}
    for study in plan.studies:
        dropped = _dropped(before.get(study.name), study)
        there = [run for run in dropped if run_files(root, run).exists]
        if there:
            runs = before[study.name].runs()
            yield in_the_users(words_of(OTHERS), root, OTHER_RUNS)(
                "asked-again",
                study=study.name,
                before=len(runs),
                recipes=list(dict.fromkeys(recipe_name(run.recipe) for run in runs)),
                seeds=sorted({run.seed for run in runs}),
                now=len(study.runs()),
                there=len(there),
                alone=sum(run not in kept for run in there),
                folder=str(root),
            )


def fetch_study(where: Place, name: str, root: Path) -> Study | None:
    """Return a share's record of a study, and save it below `root` unless an undamaged one of this name is there.

    None where the share has none.  Raises `DamagedError` where it is not a record of this study, and `ResLabError`
    where this ResLab is too old for it.
    """
    content = read(where, f"studies/{name}.json", _RECORD_BYTES)
    if content is None:
        return None
    shown = f"{where.shown}/studies/{name}.json"
    try:
        study = _study(parse_json(content, shown), shown)
        if study.name != name:
            raise DamagedError(f"{shown} records the study {study.name!r}")
    except DamagedError as error:
        raise DamagedError(f"{error}; someone who has the study can push it again") from None
    if not record_path(root, name).exists() or _is_damaged(record_path(root, name)):
        record(root, study)
    return study


def push_study(where: Place, name: str, root: Path) -> str:
    """Push the record of a study and return ""; or return why the share keeps its own.

    It keeps one with other words, or with runs that this lacks: a study may grow, but is not replaced by a different
    one of the same name.
    """
    content = read(where, f"studies/{name}.json", _RECORD_BYTES)
    with contextlib.suppress(DamagedError):  # a damaged record is replaced
        there = None if content is None else _study(parse_json(content, name), name)
        mine = _before(record_path(root, name))
        if there is not None and mine is not None and not _has_all(mine, there):
            return "the share keeps a different study of this name; push yours under another name"
    where.write(f"studies/{name}.json", record_path(root, name))
    return ""


def _has_all(study: Study, other: Study) -> bool:
    """Return whether a study has the words and all runs of another."""
    own, others = ((one.title, one.question, one.expectation, one.kind, one.answers) for one in (study, other))
    return own == others and set(other.runs()) <= set(study.runs())


def _read(path: Path) -> Study:
    try:
        content = read_json(path)
        if content is None:
            raise ResLabError(f"{path} cannot be used: it is gone")
        study = _study(content, str(path))
    except DamagedError as error:
        raise DamagedError(f"{error}; remove it and run the study again") from None
    if study.name != path.stem:
        raise ResLabError(
            f"{path} cannot be used: it records the study {study.name}; remove this copy, or rename it to "
            f"{study.name}.json"
        )
    return study


def _is_damaged(path: Path) -> bool:
    try:
        _read(path)
    except ResLabError as error:
        return isinstance(error, DamagedError)
    return False


def _before(path: Path) -> Study | None:
    """Return the study recorded in a file; None where there is no usable one."""
    with contextlib.suppress(ResLabError):
        return _read(path)
    return None


def _study(content: Json, shown: str) -> Study:
    """Return the study in the content of a record; raise `ResLabError` where it is not a usable one."""
    try:
        if content.pop("format") > FORMAT:
            raise ResLabError("it was written by a newer ResLab; update this one")
        variants = [{**values, "recipe": Recipe.from_mapping(values["recipe"])} for values in content.pop("variants")]
        study = Study(variants=tuple(Variant(**_values(one)) for one in variants), **_values(content))
        _check_kinds(study)
        return study
    except DamagedError as error:
        raise DamagedError(f"{shown} is damaged: {error}") from None
    except ResLabError as error:
        raise ResLabError(f"{shown} cannot be used: {error}") from None
    except (KeyError, TypeError, ValueError, AttributeError):
        raise DamagedError(f"{shown} is damaged: it is not the record of a study") from None


def _check_kinds(study: Study) -> None:
    """Raise `DamagedError` where a field has a value of the wrong type."""
    wrong = [
        name for name in ("name", "title", "question", "expectation", "kind") if not _is_text(getattr(study, name))
    ]
    measured = (*study.diagnostics, *study.diagnostics_during)
    if not set(measured) <= set(PASSES):
        wrong.append("diagnostics")
    if not isinstance(study.answers, bool):
        wrong.append("answers")
    seeds: list[Any] = [study.seeds, *(one.seeds for one in study.variants if one.seeds is not None)]
    if not all(
        isinstance(some, tuple) and all(type(seed) is int and 0 <= seed < 2**32 for seed in some) for some in seeds
    ):
        wrong.append("seeds")
    if not all(_is_text(one.label) for one in study.variants):
        wrong.append("label")
    if not all(_is_factor(factor) for one in study.variants for factor in one.factors):
        wrong.append("factors")
    if wrong:
        raise DamagedError(f"{wrong[0]} has an invalid value")


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_factor(value: object) -> bool:
    match value:
        case (str(), str() | int() | float()):
            return True
    return False


def _values(content: Json) -> dict[str, Any]:
    return {key: _as_value(value) for key, value in content.items()}


def _as_value(value: Any) -> Any:
    return tuple(map(_as_value, value)) if isinstance(value, list) else value


def _dropped(before: Study | None, study: Study) -> list[Run]:
    """Return the runs that a study requested before and no longer does."""
    now = set(study.runs())
    return [run for run in before.runs() if run not in now] if before is not None else []


def _earlier(root: Path) -> Path:
    return root / "studies" / "earlier"


def _ids(path: Path) -> list[str]:
    """Return the ids in a file of earlier runs; [] where it is unusable: a report then just knows less."""
    with contextlib.suppress(ResLabError):
        content = read_json(path) or {}
        if content.get("format") == EARLIER_FORMAT and isinstance(content.get("runs"), list):
            return [run for run in content["runs"] if isinstance(run, str)]
    return []
