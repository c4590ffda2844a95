"""The contents of each view of the page, as JSON values, made from the laboratory's current state."""

from collections.abc import Sequence

from reslab.analysis.groups import Group, gather
from reslab.errors import ResLabError, nearest
from reslab.exhibits.blocks import Block, Figure
from reslab.exhibits.curves import Curves, error_figure, paper_figure
from reslab.exhibits.wording import seeds_named
from reslab.recipe import Run, differing_fields, to_mapping
from reslab.session.comparison import compare_in
from reslab.session.diagnostic_words import answer
from reslab.studies.catalogue import chapter_of
from reslab.studies.chapter import find, write
from reslab.watch.blocks import Values, chapter_values, figure_values
from reslab.watch.laboratory import Laboratory
from reslab.watch.plan import Clock, seed_values
from reslab.watch.reading import Watched

MOST_POINTS = 600
"""Most epochs in a run's table of figures."""

MOST_LETTERS = 200
"""Length to which a requested unknown name is cut before the nearest is looked for."""


class NotThereError(ResLabError):
    """What was requested is not in the folder of runs."""


def study_values(laboratory: Laboratory, name: str) -> Values:
    """Return the chapter of a study as a report would have it now, and the state of its runs."""
    study = laboratory.study(name)
    if study is None:
        raise NotThereError(f"there is no study {name[:MOST_LETTERS]!r} in the folder of runs")
    clock = Clock(laboratory)
    chapter = chapter_of(study, laboratory.root)
    blocks = write(find(study, laboratory.tables(), chapter), chapter)
    blocks.sort(key=lambda block: not _is_curves(block))  # curves come first here, and are numbered first
    runs = [
        {"label": variant.label, **seed_values(laboratory, Run(variant.recipe, seed), clock)}
        for variant in study.variants
        for seed in study.seeds_of(variant)
    ]
    return {
        "name": study.name,
        "title": study.title,
        "seconds_left": clock.left(study.runs()),
        "runs": runs,
        "num_curves": sum(map(_is_curves, blocks)),
        **chapter_values(study.name, study.title, blocks),
    }


def _is_curves(block: Block) -> bool:
    return isinstance(block, Figure) and block.key in ("train", "test")


def study_version(laboratory: Laboratory, name: str) -> int:
    """Return the version at which the chapter last changed: with its own runs, or with the state of any run.

    Runs of other studies count when they end, because the spread of seeds is estimated from all runs.
    """
    study = laboratory.study(name)
    return laboratory.version if study is None else laboratory.version_of([run.id for run in study.runs()])


def run_version(laboratory: Laboratory, run_id: str) -> int:
    """Return the version at which a run's view last changed."""
    return laboratory.version_of([run_id])


def run_values(laboratory: Laboratory, run_id: str, against: str | None = None) -> Values:
    """Return everything known of a run, and how its recipe differs from that of the run `against`."""
    one = _watched(laboratory, run_id)
    found: Values = {"run": one.id, "name": laboratory.name(one.id), "problem": one.damage}
    if one.run is None:
        return {**found, "status": one.shown}
    other = _other(laboratory, one, against)
    failure = one.record("failure.json")
    found |= seed_values(laboratory, one.run, Clock(laboratory))
    found |= {
        "name": laboratory.name(one.id),
        "recipe": to_mapping(one.run.recipe),
        "against": None if other is None else {"run": other.id, "name": laboratory.name(other.id)},
        "differs": [] if other is None or other.run is None else _differs([one.run], [other.run]),
        "studies": [
            {"name": study.name, "title": study.title} for study in laboratory.studies if one.run in study.runs()
        ],
        "figure": figure_values(_curve(laboratory, [one.run])),
        "provenance": one.record("provenance.json"),
        "result": one.record("result.json"),
        "speed": one.curve.median("images_per_second"),
        "seconds": one.curve.total_seconds,
        "memory": max((value for value in one.curve.column("peak_memory_bytes") if value is not None), default=None),
        "failure": failure or None,
        "diagnostics": _diagnostics(one),
        "num_lines": one.curve.num_rows,
        "lines": _lines(one),
    }
    return found


def compare_values(laboratory: Laboratory, first: str, second: str) -> Values:
    """Return the comparison of two runs, or of two recipes over all their seeds."""
    runs = [_side(laboratory, name) for name in (first, second)]
    names = [_called(laboratory, *side) for side in zip((first, second), runs, strict=True)]
    found: Values = {
        "first": names[0],
        "second": names[1],
        "figure": figure_values(_curve(laboratory, [*runs[0], *runs[1]])),
    }
    found["differs"] = _differs(runs[0], runs[1])
    try:
        compared = compare_in(laboratory.tables(), [(runs[0], runs[1])])[0]
    except ResLabError as error:
        return {**found, "problem": str(error)}
    return {
        **found,
        **compared.to_mapping(),
        "first": names[0],
        "second": names[1],
        "rows": compared.rows(),
        "words": compared.words,
    }


def scores_values(laboratory: Laboratory) -> Values:
    """Return a row for each run that has ended."""
    studies: dict[str, list[str]] = {}
    for study in laboratory.studies:
        for run in study.runs():
            studies.setdefault(run.id, []).append(study.name)
    return {"rows": [_score(laboratory, one, studies) for one in laboratory.runs.values() if one.ended and one.run]}


def scores_version(laboratory: Laboratory) -> int:
    """Return the version at which a run that has ended last changed."""
    return laboratory.version_of(run_id for run_id, one in laboratory.runs.items() if one.ended)


def _score(laboratory: Laboratory, one: Watched, studies: dict[str, list[str]]) -> Values:
    assert one.run is not None
    result, recipe = one.record("result.json"), one.run.recipe
    return {
        "run": one.id,
        "name": laboratory.name(one.id),
        "status": one.shown,
        "dataset": recipe.dataset,
        "family": recipe.family,
        "depth": recipe.depth,
        "seed": one.run.seed,
        "test_error": result.get("test_error"),
        "train_error": result.get("train_error"),
        "epochs": one.curve.last_epoch,
        "seconds": one.curve.total_seconds,
        "images_per_second": one.curve.median("images_per_second"),
        "parameters": result.get("parameters"),
        "studies": studies.get(one.id, []),
    }


def _watched(laboratory: Laboratory, run_id: str) -> Watched:
    found = laboratory.runs.get(run_id) or laboratory.runs.get(f"{run_id}/seed0")
    if found is None:
        asked = run_id[:MOST_LETTERS]
        raise NotThereError(f"there is no run {asked!r} in the folder of runs{nearest(asked, laboratory.runs)}")
    return found


def _side(laboratory: Laboratory, name: str) -> list[Run]:
    """Return a run by its id, or all runs of a recipe by the recipe's id, without those whose files are unusable."""
    if name in laboratory.runs:
        found = [laboratory.runs[name]]
    else:
        found = [one for one in laboratory.runs.values() if one.run is not None and one.run.recipe.id == name]
    if not found:
        asked = name[:MOST_LETTERS]
        recipes = {one.run.recipe.id for one in laboratory.runs.values() if one.run is not None}
        close = nearest(asked, laboratory.runs if "/" in asked else recipes)
        raise NotThereError(f"there is no run or recipe {asked!r} in the folder of runs{close}")
    usable = [one.run for one in found if one.run is not None and one.damage is None]
    if not usable:
        problem = next((f": {one.damage}" for one in found if one.damage), "")
        raise NotThereError(f"the files of {name} cannot be used{problem}")
    return sorted(usable, key=lambda run: run.seed)


def _called(laboratory: Laboratory, name: str, side: Sequence[Run]) -> Values:
    """Return the name of one side of a comparison."""
    if name in laboratory.runs:
        return {"id": name, "is_run": True, "name": laboratory.name(name)}
    seeds = seeds_named([run.seed for run in side])
    return {"id": name, "is_run": False, "name": laboratory.recipe_name(side[0].id), "seeds": seeds}


def _other(laboratory: Laboratory, one: Watched, against: str | None) -> Watched | None:
    """Return the run to show differences from: as requested, or the first variant of the first study with the run."""
    if against is not None:
        return _watched(laboratory, against)
    assert one.run is not None
    for study in laboratory.studies:
        if one.run in study.runs():
            first = Run(study.variants[0].recipe, one.run.seed)
            if first != one.run and first.id in laboratory.runs:
                return laboratory.runs[first.id]
    return None


def _differs(first: Sequence[Run], second: Sequence[Run]) -> list[Values]:
    """Return the recipe fields that differ between two sides, and their seeds if different."""
    names = differing_fields([first[0].recipe, second[0].recipe])
    here, there = to_mapping(first[0].recipe), to_mapping(second[0].recipe)
    rows = [{"field": name, "here": here[name], "there": there[name]} for name in names]
    seeds = [", ".join(str(run.seed) for run in side) for side in (first, second)]
    return rows if seeds[0] == seeds[1] else [*rows, {"field": "seed", "here": seeds[0], "there": seeds[1]}]


def _curve(laboratory: Laboratory, shown: Sequence[Run]) -> Figure | None:
    """Return the curves of one run, training and test together, or of several runs, test only."""
    by_recipe: dict[str, list[Run]] = {}
    for run in shown:
        by_recipe.setdefault(run.recipe.id, []).append(run)
    tables = laboratory.tables()
    groups: list[Group] = []
    for runs in by_recipe.values():
        seeds = [run.seed for run in runs]
        name = laboratory.recipe_name(runs[0].id)
        label = f"{name}, seed {seeds[0]}" if len(seeds) == 1 else name
        groups.append(gather(tables, label, runs[0].recipe, seeds))
    curves = Curves(groups, lambda group: group.label)
    return paper_figure("curve", curves) if len(shown) == 1 else error_figure("curves", curves, "test")


def _diagnostics(one: Watched) -> list[Values]:
    """Return what each diagnostic found and how long it took (s)."""
    measured = one.record("diagnostics.json").get("diagnostics")
    if not isinstance(measured, dict):
        return []
    return [
        {"name": name, "found": _found(name, entry), "seconds": entry.get("seconds")}
        for name, entry in measured.items()
        if isinstance(entry, dict)
    ]


def _found(name: str, entry: Values) -> str:
    try:
        return answer(name, entry)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError):  # measured by another version
        return ", ".join(f"{key} {value}" for key, value in entry.items() if isinstance(value, int | float | str))


def _lines(one: Watched) -> Values:
    """Return the last epochs as columns: the figures behind the curve, for readers who cannot see it."""
    names = ("epoch", "rate", "train_error", "test_error", "images_per_second")
    return {name: one.curve.column(name)[-MOST_POINTS:] for name in names}
