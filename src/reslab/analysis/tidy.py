"""Read run directories into two tidy tables: a row per run, and a row per run and epoch."""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from reslab.analysis.diagnoses import tidy
from reslab.analysis.tables import EPOCH_SCHEMA, IDENTITY, MADE_WITH, RUN_SCHEMA, SEPARATOR, Problem, Tables, frame
from reslab.errors import ResLabError
from reslab.lab.folder import metrics
from reslab.lab.folder.finding import find_runs
from reslab.lab.folder.predictions import Predictions, read_predictions
from reslab.lab.folder.status import UNREADABLE, Status
from reslab.lab.folder.store import RunFiles, run_files
from reslab.lab.shares.replicates import agreements
from reslab.recipe import Run, to_mapping


def read_tables(root: Path, runs: Sequence[Run] | None = None) -> Tables:
    """Read these runs below `root`, or every run found there.

    A requested run without a directory has a row with status pending.  A directory that cannot be read is listed in
    `problems`; where its run is known it also has a row, with status unreadable.
    """
    places: list[tuple[RunFiles, Run | None]] = []
    if runs is not None:
        places = [(run_files(root, run), run) for run in dict.fromkeys(runs)]
    elif root.is_dir():
        places = [(files, None) for files in find_runs(root)]
    run_rows: list[dict[str, Any]] = []
    epoch_rows: list[dict[str, Any]] = []
    problems: list[Problem] = []
    diagnosed: dict[str, Mapping[str, Any]] = {}
    predictions: dict[str, Predictions] = {}
    for files, asked in places:
        run = asked
        try:
            if run is None:
                run = files.read_run()
            if files.exists:
                files.check(run)
            row, epochs = _read_run(files, run)
            row["trained_again"], damaged = trained_again(files, root, run)
            problems += damaged
        except ResLabError as error:
            problems.append(Problem.of(files.path, error, root))
            if run is None or not files.is_of(run):
                continue
            row, epochs = {**_identity(run), **to_mapping(run.recipe), "status": UNREADABLE}, []
        run_rows.append(row)
        epoch_rows.extend(epochs)
        if row["status"] == "finished":
            try:
                diagnosed |= _diagnosed(files, row)
            except ResLabError as error:
                problems.append(Problem.of(files.path / "diagnostics.json", error, root))
            try:
                predictions |= _predicted(files, row)
            except ResLabError as error:
                problems.append(Problem.of(files.predictions, error, root))
    frames = frame(run_rows, RUN_SCHEMA), frame(epoch_rows, EPOCH_SCHEMA)
    return Tables(*frames, tuple(problems), tidy(diagnosed), predictions)


def curve_of(rows: Iterable[dict[str, Any]]) -> pl.DataFrame:
    """Return lines of metrics.jsonl as a table: EPOCH_SCHEMA without the columns that identify a run."""
    return frame(_by_epoch(rows), {name: kind for name, kind in EPOCH_SCHEMA.items() if name not in IDENTITY})


def _read_run(files: RunFiles, run: Run) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    status = files.status()
    files.check_end(status)
    identity = _identity(run)  # an id is a hash: computed once per run, not per epoch
    lines = [{**line, **identity} for line in _by_epoch(files.metrics())]
    latest = lines[-1] if lines else {}
    seconds = _sum([line.get("seconds") for line in lines])
    speed = metrics.speed(lines)
    found = (files.result(), files.provenance(), files.failure())
    return run_row(run, status, latest, *found, seconds=seconds, images_per_second=speed), lines


def run_row(
    run: Run,
    status: Status,
    latest: Mapping[str, Any],
    result: Mapping[str, Any] | None,
    provenance: Mapping[str, Any] | None,
    failure: Mapping[str, Any] | None,
    *,
    seconds: float | None,
    images_per_second: float | None,
) -> dict[str, Any]:
    """Return the row of a run in `Tables.runs` from the contents of its files; `latest` is its last line of metrics."""
    ended = status == "finished"
    data = (provenance or {}).get("data") or {}
    attempts, hops = ((provenance or {}).get(name) or [] for name in ("attempts", "fetched"))
    failed = {} if ended else failure or {}
    return {
        **to_mapping(run.recipe),
        "epochs": latest.get("epoch", 0),
        "iterations": latest.get("iteration", 0),
        "seconds": seconds,
        "images_per_second": images_per_second,
        **{name: value for name, value in ((result or {}) if ended else {}).items() if name in RUN_SCHEMA},
        "data_fingerprint": data.get("fingerprint"),
        "data_official": data.get("official"),
        **{name: data.get(name) for name in ("num_train", "num_holdout", "num_test", "num_classes")},
        "attempts": len(attempts),
        **_made_with(attempts, result["iterations"] if ended and result else None),
        "fetched_from": hops[-1].get("from") if hops else None,
        "started": attempts[0].get("started") if attempts else None,
        **{f"failure_{name}": failed.get(name) for name in ("kind", "message", "epoch", "iteration")},
        **_identity(run),
        "status": status,
    }


def trained_again(files: RunFiles, root: Path, run: Run) -> tuple[str | None, list[Problem]]:
    """Return how second trainings of a run compare with it, worded for `Tables.runs`, and problems with damaged ones.

    The wording is None where there are none to compare.
    """
    found, damaged = agreements(files, root, run)
    problems = [Problem.of(other.path, error, root) for other, error in damaged]
    words = [one.bits_words if one.same_bits else f"{one.error_words} on {_plain(one.where)}" for one in found]
    return SEPARATOR.join(dict.fromkeys(words)) or None, problems


def _made_with(attempts: Sequence[Mapping[str, Any]], length: int | None) -> dict[str, Any]:
    """Return the columns on code and machine, for the attempts whose iterations are part of the final run.

    For a run that ended after `length` iterations, an attempt that began at its end is left out.
    """
    parts: list[Mapping[str, Any]] = []
    for one in reversed(attempts):  # iterations after the checkpoint that the next attempt began from were repeated
        begun = one.get("from_iteration", 0)
        at_the_end = length is not None and begun >= length and one is not attempts[0]
        if not at_the_end and (not parts or begun < parts[0].get("from_iteration", 0)):
            parts.insert(0, one)
    if any(one.get("commit") for one in parts):  # an attempt without a commit still has a digest of its source
        parts = [{**one, "commit": one.get("commit") or one.get("source_digest")} for one in parts]
    found = {name: dict.fromkeys(one[name] for one in parts if one.get(name) is not None) for name in MADE_WITH}
    known = [one["dirty"] for one in parts if one.get("dirty") is not None]
    return {
        **{name: SEPARATOR.join(map(str, values)) or None for name, values in found.items()},
        "device_name": SEPARATOR.join(dict.fromkeys(_plain(str(name)) for name in found["device_name"])) or None,
        "dirty": any(known) if known else None,
    }


def _plain(machine: str) -> str:
    """Return a processor's name without trade marks and the words common to all, as in "Intel Xeon"."""
    return " ".join(re.sub(r"\((?:R|TM|tm|r)\)|\b(?:CPU|Processor)\b", " ", machine).split()) or machine


def _diagnosed(files: RunFiles, row: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return the diagnostics of the run's own weights, by its id; {} where they are of other weights."""
    content = files.diagnostics()
    if content is None or content.get("weights_sha256") != row["weights_sha256"]:
        return {}
    try:
        tidy({row["run_id"]: content})
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise ResLabError(f"{files.path / 'diagnostics.json'} is damaged ({error!r}); measure again") from None
    return {row["run_id"]: content}


def _predicted(files: RunFiles, row: Mapping[str, Any]) -> dict[str, Predictions]:
    """Return the run's predictions by its id, checked against its manifest; {} where it kept none."""
    if not files.predictions.exists():
        return {}
    files.check_files([files.predictions.name])
    found = read_predictions(files.predictions)
    return {} if found is None else {row["run_id"]: found}


def _by_epoch(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return lines of metrics in order of epochs, the last of each."""
    return [line for _, line in sorted({line["epoch"]: line for line in rows}.items())]


def _identity(run: Run) -> dict[str, Any]:
    return dict(zip(IDENTITY, (run.id, run.recipe.id, run.seed), strict=True))


def _sum(values: list[float | None]) -> float | None:
    """Return the sum; None for no values, or where one is unknown."""
    known = [value for value in values if value is not None]
    return sum(known) if known and len(known) == len(values) else None
