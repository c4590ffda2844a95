"""Runs that a study asked for before it was asked again for others: kept, so that a report tells why they are there."""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from reslab.errors import ResLabError
from reslab.exhibits.wording import counted, numeral, seeds_named
from reslab.files import read_json, signed, write_json
from reslab.lab.store import run_files
from reslab.naming import recipe_name
from reslab.recipe import Run
from reslab.studies.study import Plan, Study

FORMAT = 1

_NAMED = 4
"""How many recipes are named; a study may have had hundreds."""


def replaced(root: Path, plan: Plan, recorded: Sequence[Study]) -> Iterator[str]:
    """Yield words on each study of the plan whose record asks for runs that are there, and which the plan's does not.

    `recorded` are the studies as they were recorded before.
    """
    before = {study.name: study for study in recorded}
    asked = {study.name: study for study in (*recorded, *plan.studies)}
    kept = {run for study in asked.values() for run in study.runs()}
    for study in plan.studies:
        dropped = no_longer(before.get(study.name), study)
        there = [run for run in dropped if (run_files(root, run).path / "run.json").exists()]
        if there:
            alone = sum(run not in kept for run in there)
            was = before[study.name].runs()
            yield (
                f"the study {study.name} asked for {counted(len(was), 'run')} before ({_described(was)}); now it asks "
                f"for {numeral(len(study.runs()))}, and leaves out {numeral(len(there))} that {root} has."
                f"{_shown(alone, len(there))}  Nothing is deleted: ask as before, and the study has them again"
            )


def no_longer(before: Study | None, study: Study) -> list[Run]:
    """Return the runs that a study asked for before and does not now."""
    now = set(study.runs())
    return [run for run in before.runs() if run not in now] if before is not None else []


def asked_earlier(root: Path) -> dict[str, str]:
    """Return, by the ids of runs, the study that asked for each before it was asked again for others."""
    found: dict[str, str] = {}
    for path in sorted(_folder(root).glob("*.json")):
        found |= dict.fromkeys(_runs(path), path.stem)
    return found


def keep_earlier(root: Path, name: str, runs: Sequence[Run]) -> None:
    """Add to the runs that a study of this name asked for earlier.  Raises OSError."""
    path = _folder(root) / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    ids = list(dict.fromkeys([*_runs(path), *(run.id for run in runs)]))
    write_json(path, signed({"format": FORMAT, "runs": ids}))


def _folder(root: Path) -> Path:
    return root / "studies" / "earlier"


def _runs(path: Path) -> list[str]:
    with contextlib.suppress(ResLabError):  # without it a report knows less, and says nothing false
        content = read_json(path) or {}
        runs = content.get("runs") if content.get("format") == FORMAT else None
        return [run for run in runs if isinstance(run, str)] if isinstance(runs, list) else []
    return []


def _shown(alone: int, num_dropped: int) -> str:
    """Say where the report has the runs that a study no longer asks for; `alone` of them no other study asks for."""
    if not alone:
        return ""
    which = "it" if num_dropped == 1 else "them" if alone == num_dropped else f"{numeral(alone)} of them"
    return f"  The report shows {which} under Other runs."


def _described(runs: Sequence[Run]) -> str:
    names = list(dict.fromkeys(recipe_name(run.recipe) for run in runs))
    more = [f"{counted(len(names) - _NAMED, 'recipe')} more"] if len(names) > _NAMED else []
    seeds = sorted({run.seed for run in runs})
    return f"{'; '.join([*names[:_NAMED], *more])}; {seeds_named(seeds)}"
