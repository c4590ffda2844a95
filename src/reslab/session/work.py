"""A question from plan to report, with one call per step."""

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from reslab.data.sources import check_present
from reslab.errors import ResLabError, ShareError
from reslab.lab.folder import ending
from reslab.lab.folder.own_networks import keep_sources, try_networks
from reslab.lab.folder.status import ENDED, Status
from reslab.lab.folder.store import run_files
from reslab.lab.planner import Planned, in_order, plan
from reslab.lab.settings import Settings
from reslab.lab.shares.listing import listed
from reslab.lab.shares.places import Place
from reslab.lab.shares.relay import push_place, share_places
from reslab.lab.stopping import StopRequest
from reslab.naming import run_names
from reslab.recipe import CHOICES, Run, vary
from reslab.report.existing_files import check_place
from reslab.session.diagnosing import PlanDiagnosis
from reslab.session.overview import write_report
from reslab.session.planning import Outlook, choose_jobs, outlook
from reslab.session.progress import Board, Tell, aside
from reslab.session.sharing import fetch_instead, push_runs
from reslab.session.training import look_at_brought, tell_remarks
from reslab.session.where import HERE, launcher
from reslab.studies.asked import record, record_plan, recorded, replaced
from reslab.studies.study import OTHER_RUNS, OTHERS, Plan
from reslab.studies.words import check_users

if TYPE_CHECKING:
    from reslab.report.write import ReportFiles

DEFAULTS = Settings()


@dataclass(frozen=True, slots=True)
class Outcome:
    """The status of a plan's runs after a session."""

    statuses: dict[str, Status]
    stopped: bool
    """Whether it was told to stop, or ran out of time, before everything was done."""

    @property
    def failed(self) -> list[str]:
        """Ids of the runs that failed."""
        return [run for run, status in self.statuses.items() if status == "failed"]

    @property
    def complete(self) -> bool:
        """Whether every run has ended; one that has not, and did not fail, belongs to another process."""
        return set(self.statuses.values()) <= set(ENDED)


class Session:
    """A plan, on the user's images, over a folder of runs; making a session changes no run.

    `tell` is called with messages for the user; with `ids`, they name runs by id.
    """

    def __init__(
        self, asked: Plan, root: Path, settings: Settings = DEFAULTS, *, tell: Tell = aside, ids: bool = False
    ) -> None:
        """Read the images that no name identifies, and what the folder of runs already has.

        Raises `DataError` where the user's own images are missing, `ResLabError` where a run's files are damaged, a
        file of the user's words for a report is faulty, or the user's own file calls this while it is being loaded.
        """
        self.root, self.settings, self._tell, self._ids = root, settings, tell, ids
        _check_words(root, asked, tell)
        brought = look_at_brought([run.recipe for run in asked.runs()], settings.data_root, tell)
        self.own, self._sources = brought.images, brought.sources
        self.plan = asked.with_recipes(brought.identified)
        tell_remarks(root, self.plan.runs(), tell)
        self.planned = self._planned()
        self._to_fetch: frozenset[str] = frozenset()

    def _planned(self) -> list[Planned]:
        return plan(self.root, self.plan.runs(), self.settings.data_root, self.settings.keep_epochs)

    def fetch(self) -> None:
        """Fetch what others have trained already, from the shares in order, and leave the rest to be trained.

        Refused runs are trained here, and their training says why.  Raises `ShareError` where a place does not answer.
        """
        places = share_places(self.settings)
        push_place(self.settings, places)
        if not places:
            return
        found = fetch_instead(places, self.todo, self.root)
        if fetched := [one for one in found if one.kind == "fetched"]:
            self._tell(f"{len(fetched)} of {len(found)} runs fetched, not trained")
            self.planned = self._planned()
        for where in places if found and not fetched else ():  # a list may be long: only if nothing was fetched
            with contextlib.suppress(ShareError):
                self._remark_precision(where, listed(where).runs)

    def _remark_precision(self, where: Place, there: Sequence[str]) -> None:
        """Say that a share has these runs in another precision, which is part of their ids."""
        known, asked = set(there), {run.recipe.precision for run in self.todo}
        for precision in set(CHOICES["precision"]) - asked:
            others = [Run(vary(run.recipe, precision=precision), run.seed).id for run in self.todo]
            if count := sum(name in known for name in others):
                asks = f"--precision {precision} selects them"
                self._tell(f"remark: {where.shown} has {count} of these runs in {precision}; {asks}")

    def look_at_shares(self) -> None:
        """Count runs that shares list as fetched, for a plan that fetches nothing; report a share without a list."""
        there: set[str] = set()
        for where in share_places(self.settings):
            try:
                runs = listed(where).runs
            except ShareError as error:
                self._tell(f"remark: {error}")
            else:
                there.update(runs)
                self._remark_precision(where, runs)
        self._to_fetch = frozenset(run.id for run in self.todo if run.id in there)
        self.planned = [
            replace(item, status="finished", work_left=0.0) if item.run.id in self._to_fetch else item
            for item in self.planned
        ]

    @property
    def names(self) -> dict[str, str]:
        """The name of each run, by its id."""
        return {} if self._ids else run_names(self.plan.runs())

    @property
    def todo(self) -> list[Run]:
        """The runs to train, in order."""
        return in_order(self.planned)

    def check(self, out: Path | None = None) -> None:
        """Raise `DataError` where images are missing.

        Raises `ResLabError` where a network of the user's own fails its trial, once for all its runs, or where no
        report can be written to `out`.
        """
        for name in {run.recipe.dataset for run in self.todo}:
            check_present(name, self.settings.data_root)
        try_networks((run.recipe for run in self.todo), self._sources, self.settings.data_root)
        if out is not None:
            check_place(out)

    def jobs(self, asked: int | None = None, on: str = HERE) -> int | None:
        """Return how many runs train at a time: as requested, or here the number that trains the most images in total.

        None on a cluster without a request, which then decides itself.
        """
        return asked if on != HERE else choose_jobs(asked, self.settings.device, self.todo, self._tell)

    def outlook(self, jobs: int | None, *, diagnose: bool = True) -> Outlook:
        """Return what is to train, how long it takes and how much disk it needs; may measure the machine's speed.

        The time is for this machine with `jobs` runs at a time (one for None), and includes that of the diagnostics
        with `diagnose`.
        """
        found = outlook(self.plan, self.planned, self.root, jobs or 1, self.settings, self._tell, diagnose=diagnose)
        dropped = tuple(replaced(self.root, self.plan))
        return replace(found, own=tuple(self.own), remarks=dropped, to_fetch=self._to_fetch)

    def prepare(self) -> list[Path]:
        """Make the folders of the runs to train, and return them in the order of training."""
        self.record()
        keep_sources(self.root, self.todo, self._sources)
        places = [(run, run_files(self.root, run)) for run in self.todo]
        for run, files in places:
            files.create(run)
        return [files.path for _, files in places]

    def train(
        self,
        jobs: int | None,
        stop: StopRequest,
        on_closed: Callable[[], object] = lambda: None,
        on: str = HERE,
        slurm_options: Sequence[str] = (),
    ) -> None:
        """Train what is missing, each run in its own process or, on a graphics card, side by side in one.

        A failed run does not stop the others; its failure is in its folder.  `on` is where: here, slurm (tasks of a
        Slurm job, which keeps running after `stop`), ray or ray://ADDRESS.  Raises `ResLabError` where there is no such
        cluster, before anything is written.
        """
        todo = self.todo
        if not todo:
            try:
                self._begin()
            except ResLabError as error:  # the report needs no record
                self._tell(f"remark: {error}")
            return
        settings = replace(self.settings, trust_code=True)  # each folder's source is from a file named here
        launching = launcher(
            on,
            self.root,
            todo,
            name=f"reslab-{self.plan.name}",
            jobs=jobs,
            settings=settings,
            stop=stop,
            tell=self._tell,
            slurm_options=slurm_options,
        )
        with launching as train:
            self._begin()
            keep_sources(self.root, todo, self._sources)
            work = {item.run.id: (item.work, item.work_left) for item in self.planned if item.run in set(todo)}
            with Board(work, names=self.names, tell=self._tell, on_closed=on_closed) as board:
                train(on_event=board)

    def _begin(self) -> None:
        self.record()
        for item in self.planned:
            if item.status in ENDED:
                ending.settle(run_files(self.root, item.run))

    def push(self) -> None:
        """Push the plan's ended runs and its studies to the share that accepts them; without one, do nothing."""
        where = push_place(self.settings)
        if where is None:
            return
        names = [run.id for run in self.plan.runs() if run_files(self.root, run).ended() is not None]
        studies = [study.name for study in self.plan.studies]
        outcomes = push_runs(where, names, studies, self.root)
        if sent := [one for one in outcomes if one.kind in ("pushed", "replicate")]:
            self._tell(f"{len(sent)} of {len(outcomes)} runs pushed to {where.shown}")
        for one in outcomes:
            if one.kind == "refused":
                self._tell(f"{one.run} is not pushed: {one.words}")

    def diagnose(self, stop: StopRequest, *, again: str = "", may_exit: bool = False) -> bool:
        """Diagnose the plan's runs; return False where a stop came first (see `PlanDiagnosis.measure`)."""
        asked = PlanDiagnosis(self.plan, self.root, self.settings, self.names, self._tell)
        return asked.measure(stop, again=again, may_exit=may_exit)

    def report(
        self,
        out: Path,
        *,
        studies: Sequence[str] | None = None,
        title: str | None = None,
        author: str | None = None,
        answers: bool | None = None,
    ) -> "ReportFiles":
        """Write the report on these studies, or on all in the folder of runs, and say what is left out."""
        return write_report(
            self.root,
            out,
            studies or (),
            title=title,
            author=author,
            data_root=self.settings.data_root,
            answers=answers,
            tell=self._tell,
        )

    def outcome(self, stop: StopRequest) -> Outcome:
        """Return the current status of the runs."""
        statuses = {run.id: run_files(self.root, run).status() for run in self.plan.runs()}
        unfinished = {"interrupted", "pending"} & set(statuses.values())
        return Outcome(statuses, stop.interrupted or (stop() and bool(unfinished)))

    def record(self) -> None:
        """Write the studies below the folder of runs, so that a report knows what belongs to them.

        First reports runs that a study asked for before and no longer asks for.
        """
        for words in replaced(self.root, self.plan):
            self._tell(f"remark: {words}")
        known = recorded(self.root)[0]
        for study in self.plan.studies:
            if study not in known:
                record(self.root, study)
        record_plan(self.root, self.plan)


def _check_words(root: Path, asked: Plan, tell: Tell) -> None:
    """Check the words that a user has written beside the runs before hours of training, not at the report."""
    kinds = {study.name: study.kind for study in (*recorded(root)[0], *asked.studies)}
    for words in check_users(root, {OTHER_RUNS: OTHERS, **kinds}):
        tell(f"remark: {words}")
