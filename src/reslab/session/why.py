"""The why of a plan's runs, measured after their training: what is missing, how long it takes, what a stop leaves."""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reslab.datasets import known
from reslab.diagnostics.cost import cost
from reslab.errors import ResLabError
from reslab.files import Json
from reslab.lab.folder.finding import find_run, remark_seed
from reslab.lab.folder.status import ENDED
from reslab.lab.folder.store import DOES_NOT_APPLY, RunFiles, run_files
from reslab.lab.planner import EVALUATION_COST, Planned, work_per_image
from reslab.lab.settings import Settings
from reslab.lab.stopping import StopRequest
from reslab.naming import run_name
from reslab.recipe import Recipe, Run
from reslab.session.progress import Board, Tell, aside, tell_of_kernels
from reslab.studies.study import Plan, Study


def diagnose_plan(
    plan: Plan,
    root: Path,
    data_root: Path | None,
    device: str,
    stop: StopRequest,
    *,
    again: str = "",
    may_exit: bool = False,
    names: Mapping[str, str] | None = None,
    tell: Tell = aside,
) -> bool:
    """Measure what the plan's studies ask for, on the first seed of each of their variants that has finished.

    What they ask for during training is measured on the weights of every epoch that were kept.  What cannot be
    measured is told and left: the report says what is missing.  Return False where a stop was asked for before all
    was measured; a signal ends it at once, and is told what is left, and to do it `again`.  Only where it
    `may_exit` does a signal that torch does not hear in a second end the process.
    """
    named = names or {}
    todo = list(_todo(plan, root, named, tell))
    if not todo:
        return True
    if stop():
        return False
    left = list(todo)

    def tell_left() -> None:
        why = "out of time" if stop() and not stop.interrupted else "interrupted"
        num_left = sum(_num_left(root, item) for item in left)
        num_runs = len({item.run for item in left})
        tell(
            f"reslab: {why}, with {num_left} measurement{_s(num_left)} of {num_runs} run{_s(num_runs)} left to make"
            f"{again and f'.  To resume:  {again}'}"
        )

    with contextlib.suppress(KeyboardInterrupt), stop.at_once(tell_left if may_exit else None):
        _measure(todo, left, root, data_root, device, stop, named, tell)
    if left:
        tell_left()
    return not left


def run_to_diagnose(run: str | Path, root: Path, tell: Tell = aside) -> RunFiles:
    """Return the run of an id below `root`, or in a folder, telling which seed that is where a recipe has several."""
    files = find_run(str(run), root)
    if (seed := remark_seed(str(run), files)) is not None:
        tell(f"reslab: {seed}")
    return files


def diagnose_one(
    files: RunFiles,
    settings: Settings,
    which: Iterable[str] | None,
    *,
    epochs: Iterable[int] | None = None,
    budget: str = "standard",
    force: bool = False,
    leave: Callable[[], None] | None = None,
    tell: Tell = aside,
) -> Json:
    """Measure one run (see `reslab.lab.diagnose`), and return what its diagnostics.json then holds.

    A stop raises KeyboardInterrupt at once: what was measured whole is kept.  Where torch does not hear it in a second,
    `leave`, if it is given, is called and the process ends.
    """
    from reslab.lab.diagnose import diagnose_run

    name = run_name(files.read_run())
    tell_of_kernels(settings.device, tell)
    with StopRequest() as stop, stop.at_once(leave), Board({name: (1.0, 1.0)}, tell=tell, on_closed=stop.ask) as board:
        return diagnose_run(
            files, settings, which, epochs=epochs, budget=budget, force=force, on_event=heard(board, name, stop)
        )


def heard(board: Board, name: str, stop: Callable[[], bool]) -> Callable[[dict[str, Any]], None]:
    """Return what shows a measurement under a name, and ends it where a stop is asked for."""

    def hear(event: dict[str, Any]) -> None:
        board({**event, "run": name})
        if stop():
            raise KeyboardInterrupt

    return hear


SECONDS_EACH = 2.0
"""About what measuring a run at one moment takes beside its work: images read, the network made (two cores)."""

QUICK_COSTS_MORE = 6
"""Times that a measurement of the quick budget takes what its work would: its batches are so small that beginning an
operation takes longer than doing it (digits, two cores: ten times on one machine, 2.5 times on a faster one)."""


@dataclass(frozen=True, slots=True)
class _Measurement:
    """What is to be measured of a run: at its end (None), or after some epochs."""

    run: Run
    epochs: tuple[int, ...] | None
    names: list[str]

    @property
    def words(self) -> str:
        """What is to be measured."""
        return ", ".join(self.names) + (f" after epochs {', '.join(map(str, self.epochs))}" if self.epochs else "")

    @property
    def budget(self) -> str:
        """How much is measured."""
        return _budget(self.run.recipe)

    @property
    def work(self) -> float:
        """How much work that is, in the planner's unit."""
        return _work(self.run.recipe, self.names, None if self.epochs is None else len(self.epochs), self.budget)


def work_of_why(study: Study, planned: Mapping[Run, Planned], counted: set[tuple[Run, bool, str]]) -> tuple[float, int]:
    """Return the work, in the planner's unit, of what a study will measure of runs not ended, and at how many moments.

    `counted` are the measurements (run, during its training, name) that other studies ask for, too; they cost once.
    """
    total, measured = 0.0, set[tuple[Run, bool]]()
    for variant in study.variants:
        run = Run(variant.recipe, study.seeds_of(variant)[0])
        item = planned[run]
        if item.status in ENDED:
            continue
        for names, epochs in ((study.diagnostics, None), (study.diagnostics_during, item.num_kept)):
            new = [name for name in dict.fromkeys(names) if (run, epochs is not None, name) not in counted]
            counted.update((run, epochs is not None, name) for name in new)
            total += _work(run.recipe, new, epochs, _budget(run.recipe))
            if new:
                measured.add((run, epochs is not None))
    return total, len(measured)


def _budget(recipe: Recipe) -> str:
    return "quick" if known(recipe.dataset).is_small else "standard"


def _work(recipe: Recipe, names: Iterable[str], num_epochs: int | None, budget: str) -> float:
    costs = (cost(name, budget, recipe.batch_size, is_end=num_epochs is None) for name in names)
    more = QUICK_COSTS_MORE if budget == "quick" else 1
    return work_per_image(recipe) * sum(costs) * EVALUATION_COST * more * (1 if num_epochs is None else num_epochs)


def _num_left(root: Path, item: _Measurement) -> int:
    """Return how many diagnostics of an item are not there yet: of the one under way, some may be."""
    content = run_files(root, item.run).diagnostics() or {}
    moments = [content] if item.epochs is None else [content.get("epochs", {}).get(str(at), {}) for at in item.epochs]
    return sum(len(_absent(moment, _applying(content, item.names))) for moment in moments)


def _todo(plan: Plan, root: Path, names: Mapping[str, str], tell: Tell) -> Iterator[_Measurement]:
    at_end: dict[Run, list[str]] = {}
    during: dict[Run, list[str]] = {}
    for study in plan.studies:
        for variant in study.variants:
            run = Run(variant.recipe, study.seeds_of(variant)[0])
            at_end.setdefault(run, []).extend(study.diagnostics)
            during.setdefault(run, []).extend(study.diagnostics_during)
    for run, wanted in at_end.items():
        try:
            for epochs, missing in _missing(run_files(root, run), wanted, during[run]):
                yield _Measurement(run, epochs, missing)
        except ResLabError as error:
            tell(_unmeasured(names.get(run.id, run.id), error))


def _measure(
    todo: list[_Measurement],
    left: list[_Measurement],
    root: Path,
    data_root: Path | None,
    device: str,
    stop: StopRequest,
    names: Mapping[str, str],
    tell: Tell,
) -> None:
    """Measure in order, taking what is done from `left`."""
    from reslab.lab.diagnose import diagnose_run

    settings = Settings(data_root=data_root, device=device)
    named = {
        f"diagnostics, {number} of {len(todo)}: {names.get(item.run.id, item.run.id)}": item
        for number, item in enumerate(todo, start=1)
    }
    with Board({name: (item.work, item.work) for name, item in named.items()}, tell=tell, on_closed=stop.ask) as board:
        for name, item in named.items():
            if stop():
                return
            board({"event": "preparing", "run": name, "words": item.words})
            try:
                diagnose_run(
                    run_files(root, item.run),
                    settings,
                    item.names,
                    epochs=item.epochs,
                    budget=item.budget,
                    leave_out=True,
                    on_event=heard(board, name, stop),
                )
            except Exception as error:  # a network of the user's own may raise any
                tell(_unmeasured(names.get(item.run.id, item.run.id), error))
            left.remove(item)
            board({"event": "end", "run": name, "status": "finished"})


def _unmeasured(run: str, error: Exception) -> str:
    kind = "" if isinstance(error, ResLabError) else f"{type(error).__name__}: "
    return f"{run} could not be measured: {kind}{error}"


def _missing(
    files: RunFiles, at_end: list[str], during: list[str]
) -> Iterator[tuple[tuple[int, ...] | None, list[str]]]:
    """Yield what was not measured yet: on a run's trained weights (None), and after epochs whose weights it kept."""
    if not files.weights.exists() or files.ended() != "finished":
        return
    content = files.diagnostics() or {}
    at_end, during = _applying(content, at_end), _applying(content, during)
    if missing := _absent(content, at_end):
        yield None, missing
    by_epoch = {epoch: content.get("epochs", {}).get(str(epoch), {}) for epoch in files.kept_epochs()}
    if epochs := tuple(epoch for epoch, found in by_epoch.items() if _absent(found, during)):
        yield epochs, list(dict.fromkeys(during))


def _applying(content: dict[str, Any], wanted: list[str]) -> list[str]:
    """Return what is wanted without that which was found not to apply to the network."""
    never = content.get(DOES_NOT_APPLY, {})
    return [name for name in wanted if name not in never]


def _absent(content: dict[str, Any], wanted: list[str]) -> list[str]:
    there = content.get("diagnostics", {})
    return [name for name in dict.fromkeys(wanted) if name not in there]


def _s(number: int) -> str:
    return "" if number == 1 else "s"
