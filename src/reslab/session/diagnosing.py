"""Diagnostics of runs after their training: what a plan still needs, how long it takes, and what a stop leaves."""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reslab.amounts import counted
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


@dataclass(frozen=True, slots=True)
class PlanDiagnosis:
    """The diagnostics that a plan's studies need: of the first seed of each of their variants that has finished.

    What they need of the training itself is measured on the weights of every epoch that were kept.
    """

    plan: Plan
    root: Path
    """The folder of all runs."""
    settings: Settings
    names: Mapping[str, str] = field(default_factory=dict)
    """What to call a run of which no id is shown, by its id."""
    tell: Tell = aside

    def measure(self, stop: StopRequest, *, again: str = "", may_exit: bool = False) -> bool:
        """Measure what is missing; return False where a stop was requested before all was measured.

        What cannot be measured is reported and skipped: the report says what is missing.  A signal ends it at once, and
        then it is reported what is left, and the command to resume it (`again`).  Only with `may_exit` does a signal
        that torch does not react to within a second end the process.
        """
        todo = list(self._todo())
        if not todo:
            return True
        if stop():
            return False
        left = list(todo)

        def tell_left() -> None:
            cause = "out of time" if stop() and not stop.interrupted else "interrupted"
            measurements = counted(sum(self._num_left(item) for item in left), "measurement")
            runs = counted(len({item.run for item in left}), "run")
            resume = again and f".  To resume:  {again}"
            self.tell(f"reslab: {cause}, with {measurements} of {runs} left to make{resume}")

        with contextlib.suppress(KeyboardInterrupt), stop.at_once(tell_left if may_exit else None):
            self._measure(todo, left, stop)
        if left:
            tell_left()
        return not left

    def _todo(self) -> Iterator["_Measurement"]:
        at_end: dict[Run, list[str]] = {}
        during: dict[Run, list[str]] = {}
        for study in self.plan.studies:
            for run in study.first_runs():
                at_end.setdefault(run, []).extend(study.diagnostics)
                during.setdefault(run, []).extend(study.diagnostics_during)
        for run, wanted in at_end.items():
            try:
                for epochs, missing in _missing(run_files(self.root, run), wanted, during[run]):
                    yield _Measurement(run, epochs, missing)
            except ResLabError as error:
                self._tell_unmeasured(run, error)

    def _measure(self, todo: list["_Measurement"], left: list["_Measurement"], stop: StopRequest) -> None:
        """Measure in order, taking what is done from `left`."""
        from reslab.lab.diagnose import diagnose_run

        named = {
            f"diagnostics, {number} of {len(todo)}: {self._name(item.run)}": item
            for number, item in enumerate(todo, start=1)
        }
        work = {name: (item.work, item.work) for name, item in named.items()}
        with Board(work, tell=self.tell, on_closed=stop.ask) as board:
            for name, item in named.items():
                if stop():
                    return
                board({"event": "preparing", "run": name, "words": item.words})
                try:
                    diagnose_run(
                        run_files(self.root, item.run),
                        self.settings,
                        item.names,
                        epochs=item.epochs,
                        budget=item.budget,
                        leave_out=True,
                        on_event=heard(board, name, stop),
                    )
                except Exception as error:  # a network of the user's own may raise any
                    self._tell_unmeasured(item.run, error)
                left.remove(item)
                board({"event": "end", "run": name, "status": "finished"})

    def _num_left(self, item: "_Measurement") -> int:
        """Return how many diagnostics of an item are missing: of the one under way, some may be there."""
        content = run_files(self.root, item.run).diagnostics() or {}
        by_epoch = content.get("epochs", {})
        moments = [content] if item.epochs is None else [by_epoch.get(str(epoch), {}) for epoch in item.epochs]
        return sum(len(_absent(moment, _applying(content, item.names))) for moment in moments)

    def _name(self, run: Run) -> str:
        return self.names.get(run.id, run.id)

    def _tell_unmeasured(self, run: Run, error: Exception) -> None:
        kind = "" if isinstance(error, ResLabError) else f"{type(error).__name__}: "
        self.tell(f"{self._name(run)} could not be measured: {kind}{error}")


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


def work_of_diagnostics(
    study: Study, planned: Mapping[Run, Planned], paid: set[tuple[Run, bool, str]]
) -> tuple[float, int]:
    """Return the work, in the planner's unit, of what a study will measure of runs not ended, and at how many moments.

    `paid` are the measurements (run, during its training, name) that other studies need, too; they cost once.
    """
    total, measured = 0.0, set[tuple[Run, bool]]()
    for run in study.first_runs():
        item = planned[run]
        if item.status in ENDED:
            continue
        for names, epochs in ((study.diagnostics, None), (study.diagnostics_during, item.num_kept)):
            new = [name for name in dict.fromkeys(names) if (run, epochs is not None, name) not in paid]
            paid.update((run, epochs is not None, name) for name in new)
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
