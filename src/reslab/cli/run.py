"""The verb `run`: ask a question, train what it still needs, and write the report."""

import contextlib
import shlex
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from reslab.arguments import check_least
from reslab.cli import INTERRUPTED, OK, SOME_FAILED, command
from reslab.cli.console import aside, print_json, remark_cache
from reslab.cli.flags import (
    Activations,
    AsJson,
    DataRoot,
    Device,
    Ids,
    KeepEpochs,
    Out,
    Runs,
    StudyFields,
    given_fields,
)
from reslab.cli.lists import names as listed
from reslab.cli.lists import whole_numbers
from reslab.cli.plan_words import announce, show_plan
from reslab.errors import LockedError, NothingToReportError, ResLabError
from reslab.lab.folder.store import RunFiles
from reslab.lab.settings import Settings
from reslab.lab.shares.addresses import absolute
from reslab.lab.shares.relay import push_place
from reslab.lab.stopping import StopRequest
from reslab.session.asking import ask, ask_fitting
from reslab.session.fitting import Fit
from reslab.session.planning import Outlook, headed
from reslab.session.where import HERE, SLURM, check_on
from reslab.session.work import Outcome, Session
from reslab.studies.questions import QUESTIONS
from reslab.studies.study import Options
from reslab.training.schedule import parse_epochs

if TYPE_CHECKING:
    from reslab.report.write import ReportFiles

SEQUENCE = "separated by commas"


def run(
    study: Annotated[
        str,
        Parameter(
            help=f"A study's name ({', '.join(QUESTIONS)}), assignment for the first five together, or a TOML file of "
            "your own (a study or a plan).  Several are trained and reported as one plan."
        ),
    ],
    *more: Annotated[str, Parameter(show=False)],
    seeds: int | None = None,
    depths: Annotated[
        str | None,
        Parameter(help=f"Depths to train, {SEQUENCE}; default: the study's.  Not with a TOML study of your own."),
    ] = None,
    dataset: Annotated[
        str | None,
        Parameter(help=f"Data sets, {SEQUENCE}; default: cifar10,cifar100; for a TOML file, its own, or cifar10."),
    ] = None,
    epochs: float | None = None,
    preset: str | None = None,
    precision: Annotated[
        str | None,
        Parameter(
            help="fp32 or bf16, part of a run's id; default: the TOML file's, then RESLAB_PRECISION, then the "
            "faster one on this machine."
        ),
    ] = None,
    runs: Runs = Path("runs"),
    out: Out = Path("report"),
    data_root: DataRoot = None,
    device: Device = "auto",
    jobs: int | None = None,
    checkpoint_seconds: float = 60.0,
    checkpoint_activations: Activations = False,
    keep_epochs: KeepEpochs = None,
    share: Annotated[
        list[str] | None,
        Parameter(
            env_var="RESLAB_SHARE",
            negative="",
            help="Folder or address of shared runs: what is there is fetched, not trained (see docs/sharing.md).  "
            "Can be given several times; tried in order.",
        ),
    ] = None,
    push: Annotated[
        bool,
        Parameter(
            negative="",
            help="Also send to the --share: checkpoints as they are written, and runs when they end.  Another machine "
            "can then continue, and with --on the nodes need not see the --runs folder.",
        ),
    ] = False,
    on: Annotated[
        str,
        Parameter(
            help="Where to train: here, slurm (array jobs, whose progress is shown), ray (an existing cluster, or a "
            "new one on this machine) or ray://ADDRESS."
        ),
    ] = HERE,
    slurm_option: Annotated[
        list[str] | None,
        Parameter(negative="", help="An option for sbatch, as in partition=gpu; may be given several times."),
    ] = None,
    fit: Annotated[
        str | None,
        Parameter(
            help="Choose what fits into this time (12h, 90min) at the measured speed, and say what is dropped: "
            "first the third seed, then the recipe (fast, of 16 epochs, instead), then epochs, and finally the "
            "second seed."
        ),
    ] = None,
    time_limit: float | None = None,
    dry_run: Annotated[bool, Parameter(negative="")] = False,
    every: Annotated[bool, Parameter(name="--all", negative="", help="With --dry-run: list every run.")] = False,
    prepare: Annotated[bool, Parameter(negative="")] = False,
    watch: Annotated[bool, Parameter(negative="")] = False,
    no_report: Annotated[bool, Parameter(negative="")] = False,
    no_diagnose: Annotated[bool, Parameter(negative="")] = False,
    title: str | None = None,
    author: str | None = None,
    ids: Ids = False,
    json: AsJson = False,
    recipe: StudyFields = None,
) -> int:
    """Train the runs a study still needs and write its report.

    After an interruption the same command resumes; when every run is done it trains nothing.  For example:

      reslab run depth --dataset cifar10 --depths 20,56 --seeds 3

      reslab run my-study.toml --dry-run

    Parameters
    ----------
    seeds
        Number of seeds, counted from 0; default: 3, or the TOML file's.
    epochs
        Length of every run; the schedule is stretched to fit; default: the preset's, or the TOML file's.
    preset
        Recipe to start from (see reslab presets); default: assignment.  Not with a TOML study of your own.
    jobs
        Number of runs to train at a time; default: as many as train fastest; on a cluster, as many as fit.
    checkpoint_seconds
        Seconds between checkpoints within an epoch.
    time_limit
        Write checkpoints and stop after this many minutes.
    dry_run
        Train nothing; show what would train, how long it would take and how much disk it needs.
    prepare
        Train nothing; create and list the run folders, each to be trained with python -m reslab.lab.execute FOLDER.
    watch
        Show the runs live in the browser while this command runs; the address is printed.
    no_report
        Do not write the report.
    no_diagnose
        Skip the diagnostics (see `reslab diagnose`) that a study measures on the first seed of each variant.
    title
        Title of the report.
    author
        Author of the report.
    """
    check_least("--seeds", seeds, 1)
    check_least("--jobs", jobs, 1)
    check_least("--checkpoint-seconds", checkpoint_seconds, 0)
    check_least("--time-limit", time_limit, 0)
    if dry_run and prepare:
        raise ResLabError("--dry-run changes nothing and --prepare creates folders; choose one of them")
    if every and not dry_run:
        raise ResLabError("--all lists the runs of --dry-run; add it")
    if watch and (dry_run or prepare):
        raise ResLabError(f"--watch shows runs at work, and {'--dry-run' if dry_run else '--prepare'} trains nothing")
    if prepare:
        training = {
            "--on": on != HERE,
            "--jobs": jobs is not None,
            "--time-limit": time_limit is not None,
            "--keep-epochs": keep_epochs is not None,
            "--checkpoint-activations": checkpoint_activations,
        }
        if given := [flag for flag, is_given in training.items() if is_given]:
            raise ResLabError(
                f"--prepare creates folders and leaves their training to you; leave out {' and '.join(given)}, or pass "
                "it to python -m reslab.lab.execute if that accepts it"
            )
    check_on(on, slurm_option or ())
    if watch:
        from reslab.watch.live import check_extra

        check_extra()
    settings = Settings(
        data_root=data_root,
        device=device,
        checkpoint_seconds=checkpoint_seconds,
        checkpoint_activations=checkpoint_activations,
        keep_epochs=None if keep_epochs is None else parse_epochs(keep_epochs),
        shares=tuple(map(absolute, share or ())),
        push=push,
    )
    push_place(settings)  # checks that there is one for --push
    options = Options(
        preset=preset,
        datasets=listed("dataset", dataset),
        depths=whole_numbers("depths", depths),
        epochs=epochs,
        seeds=seeds,
        precision=precision,
        recipe=tuple(given_fields(recipe).items()),
        device=device,
    )
    questions, diagnose, found_fit = (study, *more), not no_diagnose, None
    if fit is None:
        asked = ask(questions, options)
    else:
        asked, found_fit = ask_fitting(
            fit, questions, options, runs, settings, tell=aside, diagnose=diagnose, keep=not dry_run, jobs=jobs
        )
        if not json:
            _print_fit(found_fit)
    session = Session(asked, runs, settings, tell=aside, ids=ids)
    if prepare:
        _print_folders(asked.name, session.prepare(), json=json)
        return OK
    jobs, planned = _look_ahead(session, jobs, on, None if no_report else out, only=dry_run, diagnose=diagnose)
    if dry_run:
        show_plan(planned, found_fit, json=json, every=every, ids=ids)
        return OK
    if not json:
        _announce(session, planned, on)
    with StopRequest(time_limit) as stop, _page(runs, out, title, author, data_root, shown=watch):
        if not _train(session, stop, jobs, on, slurm_option or (), diagnose=diagnose):
            return INTERRUPTED
        found = session.outcome(stop)
        written = None if no_report else _report(session, out, title=title, author=author)
    _conclude(session, found, None if written is None else written.html, json=json)
    session.push()  # last: a share that does not answer must not cost the report
    return _exit_code(found, written)


def _look_ahead(
    session: Session, jobs: int | None, on: str, out: Path | None, *, only: bool, diagnose: bool
) -> tuple[int | None, Outlook]:
    """Return how many runs train at a time and what is to train; unless `only` looking, fetch and check first."""
    if only:
        session.look_at_shares()
    else:
        session.fetch()
        session.check(out)
    remark_cache()
    jobs = session.jobs(jobs, on)
    return jobs, session.outlook(1 if on == SLURM else jobs, diagnose=diagnose)


def _train(
    session: Session, stop: StopRequest, jobs: int | None, on: str, slurm_options: Sequence[str], *, diagnose: bool
) -> bool:
    """Train and diagnose; return False if diagnosing was interrupted, which ends at once: there is nothing to save."""
    session.train(jobs, stop, on_closed=stop.ask, on=on, slurm_options=slurm_options)
    if not diagnose or stop.interrupted:
        return True
    session.diagnose(stop, again=command(), may_exit=True)
    return not stop.interrupted


def _announce(session: Session, planned: Outlook, on: str) -> None:
    """Say what is about to be trained."""
    title, total = headed(session.plan.title), len(session.planned)
    if not session.todo:
        done = "its run is" if total == 1 else f"all {total} runs are"
        print(f"{title} {done} done; nothing to train")
    elif on != HERE:
        print(f"{title} {len(session.todo)} of {total} runs left to train", flush=True)
    else:
        announce(planned)


def _exit_code(found: Outcome, written: "ReportFiles | None") -> int:
    if found.stopped:
        return INTERRUPTED
    if found.failed:
        return SOME_FAILED
    if not found.complete:
        return LockedError.exit_code
    return OK if written is None or written.pdf is not None else ResLabError.exit_code


def _report(session: Session, out: Path, *, title: str | None, author: str | None) -> "ReportFiles | None":
    """Write the report; if an empty one would replace one with results, say why not and return None."""
    try:
        return session.report(out, title=title, author=author)
    except NothingToReportError as error:
        aside(f"remark: {error}")
        return None


def _page(
    runs: Path, out: Path, title: str | None, author: str | None, data_root: Path | None, *, shown: bool
) -> contextlib.AbstractContextManager[None]:
    if not shown:
        return contextlib.nullcontext()
    from reslab.watch.beside import page_beside
    from reslab.watch.report import Report

    return page_beside(Report(runs, out, title, author, data_root), tell=aside)


def _print_fit(found: Fit) -> None:
    print(found.words)
    if found.size.flags:
        print(f"The same as: {_chosen(shlex.split(command()))} {found.size.flags}")


_SIZES = ("--fit", "--preset", "--epochs", "--seeds")


def _chosen(words: Sequence[str]) -> str:
    """Return a command line without the flags that choose the size and those that only show the plan."""
    kept, skipped = list[str](), False
    for word in words:
        if skipped:
            skipped = False
        elif word in _SIZES:
            skipped = True
        elif word not in ("--dry-run", "--all") and not word.startswith(tuple(f"{flag}=" for flag in _SIZES)):
            kept.append(word)
    return shlex.join(kept)


def _print_folders(study: str, paths: list[Path], *, json: bool) -> None:
    folders = [str(path) for path in paths]
    if json:
        print_json({"study": study, "folders": folders})
    else:
        print(*folders, sep="\n", end="\n" if folders else "")


def _conclude(session: Session, found: Outcome, page: Path | None, *, json: bool) -> None:
    """Print the status of the runs, and where the report is."""
    if json:
        report = None if page is None else str(page)
        print_json({"study": session.plan.name, "runs": found.statuses, "report": report})
        return
    counts = Counter(found.statuses.values())
    print("Runs: " + ", ".join(f"{count} {status}" for status, count in counts.items()))
    for run in found.failed:
        print(f"  {session.names.get(run, run)}: {RunFiles(session.root / run).failure_message()}")
    if page is not None:
        print(f"Report: {page}")
