"""A study in Python: plan, run, inspect and report it, with one call each."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from reslab.amounts import counted
from reslab.analysis.tidy import read_tables
from reslab.arguments import check_least, checked
from reslab.errors import LockedError, ResLabError, nearest
from reslab.exhibits.blocks import Figure, Table
from reslab.files import as_path
from reslab.lab.folder.status import ENDED
from reslab.lab.folder.store import RunFiles, run_files
from reslab.lab.settings import Settings, kept_epochs
from reslab.lab.shares.addresses import absolute
from reslab.lab.stopping import StopRequest
from reslab.session.comparison import Comparison, of_compared
from reslab.session.display import Bundle, ShownFigure, ShownTable, bundle, html_table, text_table
from reslab.session.planning import Outlook
from reslab.session.progress import aside
from reslab.session.run import Run
from reslab.session.runs import Runs
from reslab.session.where import HERE, check_on
from reslab.session.work import Outcome, Session
from reslab.studies.catalogue import chapter_of
from reslab.studies.chapter import find, write
from reslab.studies.plans import plan_of
from reslab.studies.study import Plan
from reslab.studies.study import Study as AskedStudy

if TYPE_CHECKING:
    from reslab.report.write import ReportFiles

Block = TypeVar("Block", Figure, Table)


class Study:
    """One question, or several in one plan, over a folder of runs.

    Nothing is trained before `run`.  Several questions are `studies`, each of which has its own table and figures.
    """

    def __init__(self, plan: Plan, root: Path, settings: Settings) -> None:
        """Take a plan, the folder of runs, and how to execute them; `reslab.study` makes a study from names."""
        self._plan, self._root, self._settings = plan, root, settings
        self._identified: Plan | None = None

    @property
    def name(self) -> str:
        """The study's name, as in learning-rate."""
        return self._plan.name

    @property
    def title(self) -> str:
        """The question in short."""
        return self._plan.title

    @property
    def studies(self) -> dict[str, "Study"]:
        """Each question by its name."""
        return {one.name: Study(plan_of(one), self._root, self._settings) for one in self._plan.studies}

    def __getitem__(self, name: str) -> "Study":
        """Return one of the questions by its name."""
        found = self.studies
        if name not in found:
            raise ResLabError(f"there is no question {name!r} here{nearest(name, found)}; there are {', '.join(found)}")
        return found[name]

    @property
    def asked(self) -> Plan:
        """The plan as a value: its studies, their variants and seeds, on the images that are here when first read."""
        if self._identified is None:
            self._identified = self._session().plan
        return self._identified

    @property
    def runs(self) -> Runs:
        """The runs of this study that have a folder, finished or not."""
        return Runs(self._begun())

    @checked
    def plan(self, jobs: int | None = None, *, share: str | Sequence[str] = ()) -> Outlook:
        """Return what would train, how long that takes and how much disk it needs; may measure the machine's speed.

        Runs that a `share` lists count as fetched.
        """
        session = Session(self._plan, self._root, replace(self._settings, shares=_shares(share)))
        session.look_at_shares()
        return session.outlook(session.jobs(jobs))

    @checked
    def run(
        self,
        *,
        jobs: int | None = None,
        diagnose: bool = True,
        time_limit: float | None = None,
        share: str | Sequence[str] = (),
        push: bool = False,
        on: str = HERE,
        slurm_options: Sequence[str] = (),
        checkpoint_seconds: float = 60.0,
        checkpoint_activations: bool = False,
        keep_epochs: Iterable[int] | None = None,
    ) -> Runs:
        """Train what is missing, `jobs` runs at a time, measure the diagnostics, and return the study's runs.

        Runs that a `share` has are fetched, not trained (see `reslab.pull`), and those that it has a checkpoint of
        resume from there; with `push`, checkpoints and runs that end here are sent to it.  `on` is where runs train:
        here, slurm, ray or ray://ADDRESS.  Checkpoints, and the epochs whose weights are kept, are as in
        `reslab.train`.  `jobs` defaults to the number that trains the most images in total; on a cluster, to as many as
        fit; on each graphics card of a Ray cluster, to one.  After `time_limit` minutes, all runs write a checkpoint
        and stop.  Ctrl-C, or a notebook's stop button, checkpoints the current runs and raises KeyboardInterrupt;
        calling again resumes.  A failed run does not stop the others; at the end, `ResLabError` names the runs that
        failed, or else `LockedError` those that another process held.
        """
        check_on(on, slurm_options)
        check_least("jobs", jobs, 1)
        check_least("time_limit", time_limit, 0)
        settings = replace(
            self._settings,
            checkpoint_seconds=checkpoint_seconds,
            checkpoint_activations=checkpoint_activations,
            keep_epochs=kept_epochs(keep_epochs),
            shares=_shares(share),
            push=push,
        )
        session = Session(self._plan, self._root, settings)
        self._identified = session.plan
        session.fetch()
        session.check()
        with StopRequest(time_limit) as stop:
            session.train(
                session.jobs(jobs, on),
                stop,
                on_closed=stop.ask,
                on=on,
                slurm_options=slurm_options,
            )
            if diagnose and not stop.interrupted:
                session.diagnose(stop)
            found = session.outcome(stop)
        problem = KeyboardInterrupt() if stop.interrupted else self._problem(found)
        try:
            session.push()
        except ResLabError as error:
            if problem is None:
                raise
            aside(f"remark: {error}")
        if problem is not None:
            raise problem
        return self.runs

    def _problem(self, found: Outcome) -> ResLabError | None:
        """Return what to raise where runs failed, or were left to another process; otherwise None."""
        total = len(found.statuses)
        if found.failed:
            failures = [f"{run}: {RunFiles(self._root / run).failure_message()}" for run in found.failed]
            return ResLabError(f"{len(found.failed)} of {total} runs failed; {'; '.join(failures)}")
        if found.stopped or found.complete:
            return None
        left = [f"{run} ({status})" for run, status in found.statuses.items() if status not in ENDED]
        return LockedError(
            f"{len(left)} of {total} runs are left to another process: {', '.join(left)}; call this again once it has "
            "ended"
        )

    def prepare(self) -> list[Path]:
        """Make the folders of the runs that are left, and return them in the order of training; train nothing.

        Each is for `python -m reslab.lab.execute FOLDER`, as in a cluster job.
        """
        return self._session().prepare()

    def table(self) -> ShownTable:
        """Return the errors of the last epoch, one row per variant, with differences and verdicts."""
        return ShownTable(self._block(Table, "errors"))

    def verdicts(self) -> list[Comparison]:
        """Return the study's comparisons, each with its interval and verdict (see `Comparison`)."""
        study = self._one()
        tables = read_tables(self._root)
        return of_compared(find(study, tables, chapter_of(study, self._root)).compared)

    @property
    def figures(self) -> tuple[str, ...]:
        """Names of the figures available so far, as `figure` takes them."""
        return tuple(block.key for block in self._blocks() if isinstance(block, Figure))

    @checked
    def figure(self, name: str = "final") -> ShownFigure:
        """Return a figure of the report: "final", the key figure, or one of `figures`."""
        return ShownFigure(self._block(Figure, name))

    @checked
    def report(
        self,
        out: str | Path = "report",
        *,
        title: str | None = None,
        author: str | None = None,
        answers: bool | None = None,
    ) -> "ReportFiles":
        """Write the report of these studies into a folder: page, Markdown, PDF, figures, tables; return the files.

        `answers` makes a handout's solution (true) or a handout (false), whatever the study says.
        """
        session = self._session()
        session.record()
        return session.report(
            as_path(out),
            title=title,
            author=author,
            answers=answers,
            studies=[one.name for one in self._plan.studies],
        )

    def _session(self) -> Session:
        return Session(self._plan, self._root, self._settings)

    def _begun(self) -> Iterator[Run]:
        root, device = self._settings.data_root, self._settings.device
        for run in self.asked.runs():
            files = run_files(self._root, run)
            if files.exists:
                yield Run(files.path, data_root=root, device=device)

    def _one(self) -> AskedStudy:
        if len(self._plan.studies) > 1:
            names = ", ".join(one.name for one in self._plan.studies)
            raise ResLabError(
                f"{self.name} is several questions ({names}); take one, as in study[{self._plan.studies[0].name!r}]"
            )
        return self.asked.studies[0]

    def _blocks(self) -> Sequence[object]:
        study = self._one()
        chapter = chapter_of(study, self._root)
        return write(find(study, read_tables(self._root), chapter), chapter)

    def _block(self, kind: type[Block], key: str) -> Block:
        found = {block.key: block for block in self._blocks() if isinstance(block, kind)}
        if key not in found:
            what = kind.__name__.lower()
            there = f"; there are {', '.join(found)}" if found else ""
            raise ResLabError(f"the study {self.name} has no {what} {key!r} yet{nearest(key, found)}{there}")
        return found[key]

    def _rows(self) -> list[list[str]]:
        counts = {one.name: len(one.runs()) for one in self._plan.studies}
        return [[one.name, one.title, str(counts[one.name])] for one in self._plan.studies]

    def __repr__(self) -> str:
        return f"<study {self.name}: {counted(len(self._plan.runs()), 'run')} in {self._root}>"

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> Bundle:
        columns = ("study", "question", "runs")
        return bundle(text_table(self.title, columns, self._rows()), html_table(self.title, columns, self._rows()))


def _shares(share: str | Sequence[str]) -> tuple[str, ...]:
    return tuple(map(absolute, [share] if isinstance(share, str) else share))
