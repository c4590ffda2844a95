"""Studies that were asked, kept as plain files below the runs, so that a report knows what belongs to it."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from reslab.analysis.tidy import Problem
from reslab.errors import DamagedError, ResLabError
from reslab.files import Json, parse_json, read_json, signed, write_json
from reslab.lab.places import Place, read
from reslab.recipe import Recipe, to_mapping
from reslab.studies.earlier import keep_earlier, no_longer
from reslab.studies.study import Study, Variant

FORMAT = 2
"""1 had no SHA-256 of the content."""

_RECORD_BYTES = 16 * 2**20

_ADDED_LATER = ("diagnostics", "diagnostics_during")
"""Lists that records of earlier versions do not have."""


def record(root: Path, study: Study) -> Path:
    """Write the study below the folder of all runs and return the file; the last question of a name stays.

    Runs that the one before asked for and this one does not are kept by id (see `studies.earlier`).
    """
    path = record_path(root, study.name)
    variants = [{**asdict(variant), "recipe": to_mapping(variant.recipe)} for variant in study.variants]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if dropped := no_longer(_before(root, study.name), study):
            keep_earlier(root, study.name, dropped)  # first: what both files name is the study's
        write_json(path, signed({"format": FORMAT, **asdict(study), "variants": variants}))
    except OSError as error:
        raise ResLabError(
            f"cannot write {path}: {error.strerror or error}; choose another folder with --runs"
        ) from error
    return path


def record_path(root: Path, name: str) -> Path:
    """Return the file that a study of this name is recorded in."""
    return _folder(root) / f"{name}.json"


def recorded(root: Path) -> tuple[list[Study], tuple[Problem, ...]]:
    """Return the studies recorded below the folder of all runs, by name, and the records that cannot be used."""
    studies: list[Study] = []
    problems: list[Problem] = []
    for path in sorted(_folder(root).glob("*.json")):
        try:
            studies.append(read_record(path))
        except ResLabError as error:
            problems.append(Problem.of(path, error, root))
    return studies, tuple(problems)


def read_record(path: Path) -> Study:
    """Return the study of a record; raise `ResLabError` where it cannot be used."""
    try:
        content = read_json(path)
        if content is None:
            raise ResLabError(f"{path} cannot be used: it is gone")
        return _study(content, str(path))
    except DamagedError as error:
        raise DamagedError(f"{error}; remove it and run the study again") from None


def fetch_study(where: Place, name: str, root: Path) -> Study | None:
    """Return a share's record of a study, and keep it below `root` unless one of this name is there.

    None where the share has none.  Raises `DamagedError` where it is no record of this study, and `ResLabError` where
    this ResLab is too old for it.
    """
    content = read(where, f"studies/{name}.json", _RECORD_BYTES)
    if content is None:
        return None
    shown = f"{where.shown}/studies/{name}.json"
    try:
        study = _study(parse_json(content, shown), shown)
        if study.name != name:
            raise DamagedError(f"{shown} is of the study {study.name!r}")
    except DamagedError as error:
        raise DamagedError(f"{error}; a share has it anew once someone who has the study pushes it") from None
    if not record_path(root, name).exists():
        record(root, study)
    return study


def push_study(where: Place, name: str, root: Path) -> None:
    """Push the record of a study; the last one pushed under a name stays."""
    where.write(f"studies/{name}.json", record_path(root, name))


def _study(content: Json, shown: str) -> Study:
    """Return the study that the content of a record is of; raise `ResLabError` where it is none."""
    try:
        if content.pop("format") > FORMAT:
            raise ResLabError("it was written by a newer ResLab; update this one")
        variants = tuple(_variant(values) for values in content.pop("variants"))
        values = {**content, "variants": variants, "seeds": tuple(content["seeds"])}
        for name in _ADDED_LATER:
            values[name] = tuple(content.get(name, ()))
        return Study(**values)
    except ResLabError as error:
        raise ResLabError(f"{shown} cannot be used: {error}") from None
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DamagedError(f"{shown} is damaged ({error!r})") from None


def _folder(root: Path) -> Path:
    return root / "studies"


def _before(root: Path, name: str) -> Study | None:
    """Return the study that is recorded under this name; None where there is none that can be used."""
    path = record_path(root, name)
    try:
        return read_record(path) if path.exists() else None
    except ResLabError:
        return None


def _variant(values: dict[str, Any]) -> Variant:
    seeds = values["seeds"]
    return Variant(
        label=values["label"],
        recipe=Recipe.from_mapping(values["recipe"]),
        factors=tuple((name, value) for name, value in values["factors"]),
        seeds=None if seeds is None else tuple(seeds),
    )
