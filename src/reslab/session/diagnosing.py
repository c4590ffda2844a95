"""Diagnostics of trained runs: what a plan still needs, how long that takes, and what is left after a stop."""

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
    """The diagnostics that a plan's studies need, on the first seed of each variant once it has finished.

    Diagnostics of the training itself are measured on the weights of every epoch that were kept.
    """

    plan: Plan
    root: Path
    """The folder of all runs."""
    settings: Settings
    names: Mapping[str, str] = field(default_factory=dict)
    """What to call a run instead of its id, by id."""
    tell: Tell = aside

    def measure(self, stop: StopRequest, *, again: str = "", may_exit: bool = False) -> bool:
        """Measure what is missing; return False where a stop was requested before all was measured.

        What cannot be measured is reported and skipped: the report says what is missing.  A signal stops measuring at
        once and reports what is left, with the command to resume (`again`).  Only with `may_exit` does a signal that
        torch does not react to within a second end the process.
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
        """Measure in order, removing from `left` what is done."""
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
        """Return how many diagnostics of an item are missing; the item in progress may have some already."""
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
    """Return the run with an id below `root`, or in a folder; say which seed it is where a recipe has several."""
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

    A stop raises KeyboardInterrupt at once; completed measurements are kept.  If `leave` is given and torch does not
    react within a second, `leave` is called and the process ends.
    """
    from reslab.lab.diagnose import diagnose_run

    name = run_name(files.read_run())
    tell_of_kernels(settings.device, tell)
    with StopRequest() as stop, stop.at_once(leave), Board({name: (1.0, 1.0)}, tell=tell, on_closed=stop.ask) as board:
        return diagnose_run(
            files, settings, which, epochs=epochs, budget=budget, force=force, on_event=heard(board, name, stop)
        )


def heard(board: Board, name: str, stop: Callable[[], bool]) -> Callable[[dict[str, Any]], None]:
    """Return a callback that shows a measurement under a name, and ends it when a stop is requested."""

    def hear(event: dict[str, Any]) -> None:
        board({**event, "run": name})
        if stop():
            raise KeyboardInterrupt

    return hear


SECONDS_EACH = 2.0
"""Rough overhead of measuring a run at one moment: reading images and building the network (two cores)."""

QUICK_COSTS_MORE = 6
"""Factor by which a measurement of the quick budget takes longer than its work suggests: its batches are so small that
starting an operation takes longer than doing it (digits, two cores: 10 on one machine, 2.5 on a faster one)."""


@dataclass(frozen=True, slots=True)
class _Measurement:
    """What to measure of a run: at its end (None), or after some epochs."""

    run: Run
    epochs: tuple[int, ...] | None
    names: list[str]

    @property
    def words(self) -> str:
        """What to measure, in words."""
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
    """Return the work, in the planner's unit, of a study's measurements of runs not ended, and how many moments.

    `paid` holds the measurements (run, during its training, name) already counted for other studies, and gets these.
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
    """Yield what has not been measured: on a run's trained weights (None), and after epochs whose weights it kept."""
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
    """Return what is wanted, without what was found not to apply to the network."""
    never = content.get(DOES_NOT_APPLY, {})
    return [name for name in wanted if name not in never]


def _absent(content: dict[str, Any], wanted: list[str]) -> list[str]:
    there = content.get("diagnostics", {})
    return [name for name in dict.fromkeys(wanted) if name not in there]
