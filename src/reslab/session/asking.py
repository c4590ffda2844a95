"""Turn what a user names into a plan: ResLab's own studies or TOML files, one or several, with changed options."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from reslab.arguments import check_least
from reslab.errors import ResLabError
from reslab.lab.settings import Settings
from reslab.recipe import Scalar
from reslab.session.fitting import MEMORY, Fit, Size, digest_of, fit, remember, seconds_of
from reslab.session.planning import choose_jobs
from reslab.session.progress import Tell
from reslab.session.work import Session
from reslab.studies.catalogue import ask_all
from reslab.studies.custom import read_study
from reslab.studies.plans import plan_of
from reslab.studies.study import JOINED, MOST_SEEDS, Options, Plan, Study


def ask(questions: Sequence[str | Path], options: Options) -> Plan:
    """Return the plan of the questions: names of studies or plans, or TOML files; several become one plan.

    The options override what the studies or files say.  Raises `ResLabError` for an unknown name or value, and for two
    different studies with the same name.
    """
    if not questions:
        raise ResLabError("name a study, as in depth; `reslab run --help` lists them")
    check_least("seeds", options.seeds, 1)
    if options.seeds is not None and options.seeds > MOST_SEEDS:
        raise ResLabError(f"seeds must be {MOST_SEEDS:,} or less, not {options.seeds}")
    plan = _asked(questions, options)
    _check_effects(plan, questions, options)
    return plan


def _check_effects(plan: Plan, questions: Sequence[str | Path], options: Options) -> None:
    """Raise `ResLabError` for a field of the options that the plan sets itself."""
    for name, value in options.recipe:
        without = replace(options, recipe=tuple(one for one in options.recipe if one[0] != name))
        try:
            rest = _asked(questions, without)
        except ResLabError:  # the other fields need this one, as --first-drop needs --length
            continue
        if rest.runs() == plan.runs() and any(getattr(run.recipe, name) != value for run in plan.runs()):
            raise ResLabError(f"{name} has no effect on {plan.name}, which sets it itself; leave it out")


def _asked(questions: Sequence[str | Path], options: Options) -> Plan:
    return joined([ask_all(one, options) for one in questions])


def ask_fitting(
    limit: str,
    questions: Sequence[str | Path],
    options: Options,
    root: Path,
    settings: Settings,
    *,
    tell: Tell,
    diagnose: bool = True,
    keep: bool = False,
    jobs: int | None = None,
) -> tuple[Plan, Fit]:
    """Return the plan that fits into a time, as in "12h", and what was chosen (see `fitting.fit`).

    With `keep`, the choice is remembered in the folder of runs.
    """
    given = Size(options.preset, options.epochs, options.seeds)
    chosen: dict[str, int] = {}
    told: set[str] = set()

    def once(words: str) -> bool:
        if words in told:
            return True
        told.add(words)
        return tell(words)

    def asked(size: Size) -> Plan:
        return ask(questions, replace(options, **asdict(size)))

    def cost(plan: Plan) -> float:
        session = Session(plan, root, settings, tell=once)
        if "jobs" not in chosen:
            chosen["jobs"] = choose_jobs(jobs, settings.device, plan.runs(), once)
        return session.outlook(chosen["jobs"], diagnose=diagnose).whole_seconds

    memory = root / MEMORY
    question = {"questions": [str(one) for one in questions], "runs": digest_of(asked(given))}
    found = fit(seconds_of(limit), given, asked, cost, memory=memory, question=question)
    if keep:
        remember(found, given, memory, question)
    return asked(found.size), found


def asked_grid(
    names: Sequence[str | Path],
    varied: Mapping[str, Sequence[Scalar]],
    options: Options,
) -> Plan:
    """Return a study of the user's own: every combination of the values in `varied`, data sets and depths.

    Equivalent to a TOML file with these values in [vary] and the recipe's fields in [recipe] (see docs/studies.md).
    Raises `ResLabError` for anything given both in `varied` and as an option.
    """
    check_least("seeds", options.seeds, 1)
    recipe, depths = dict(options.recipe), options.depths
    if len(names) != 1:
        raise ResLabError(f"a study of your own has one name, as in study('batches', vary=...); not {list(names)}")
    size = {name: getattr(options, name) for name in ("preset", "epochs", "precision")}
    for name, value in {**size, "dataset": options.datasets, "depth": depths, **recipe}.items():
        if value is not None and name in varied:
            raise ResLabError(f"{name} is given twice, in vary and by itself; leave one of them out")
    grid = {name: list(values) for name, values in varied.items()}
    content: dict[str, Any] = {"name": str(names[0]), "recipe": recipe, "vary": grid}
    if depths is not None:
        if len(depths) > 1:
            grid["depth"] = list(depths)
        else:
            content["depth"] = depths[0]
    given = {name: getattr(options, name) for name in ("preset", "epochs", "seeds")}
    content |= {name: value for name, value in given.items() if value is not None}
    rest = Options(datasets=options.datasets, precision=options.precision, device=options.device)
    return plan_of(read_study(content, rest))


def joined(plans: Sequence[Plan]) -> Plan:
    """Merge several plans into one; a study that is in two of them is kept once."""
    plans = [plan for at, plan in enumerate(plans) if plan not in plans[:at]]
    if len(plans) == 1:
        return plans[0]
    studies: dict[str, Study] = {}
    for study in (study for plan in plans for study in plan.studies):
        if studies.setdefault(study.name, study) != study:
            raise ResLabError(f"the study {study.name} is given twice, with different settings; use two commands")
    return Plan(JOINED.join(plan.name for plan in plans), f"{len(studies)} studies", tuple(studies.values()))
