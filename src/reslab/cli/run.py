"""The verb `run`: a question asked, what it still needs trained, and the report written."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from reslab.cli import INTERRUPTED, OK, SOME_FAILED
from reslab.cli.console import Board, aside, print_json, remark_cache
from reslab.cli.flags import (
    Activations,
    AsJson,
    DataRoot,
    Device,
    KeepEpochs,
    Out,
    Runs,
    check_least,
    default_precision,
)
from reslab.cli.lists import names, whole_numbers
from reslab.cli.measuring import diagnose_plan
from reslab.cli.overview import tell_left_out
from reslab.cli.own_images import fingerprints, look_at, tell_former
from reslab.cli.planning import announce, choose_jobs, plan_facts, show_plan
from reslab.data.sources import check_present
from reslab.errors import LockedError, ResLabError
from reslab.lab.launch import launch
from reslab.lab.planner import in_order, plan
from reslab.lab.stopping import StopRequest
from reslab.lab.store import RunFiles, run_files
from reslab.presets import muon_left
from reslab.recipe import Run
from reslab.report.existing_files import check_place
from reslab.studies.asked import record
from reslab.studies.catalogue import ask_all
from reslab.studies.plans import Given, read_plan
from reslab.studies.study import Options, Plan
from reslab.training.schedule import parse_epochs

SEQUENCE = "separated by commas"


def run(
    study: Annotated[
        str,
        Parameter(
            help="A study's name (depth, learning-rate, epochs, data-size, batch-size, degradation, shortcuts, "
            "fidelity), assignment for the first five together, or a TOML file of your own (a study or a plan)."
        ),
    ],
    *more: Annotated[str, Parameter(show=False)],
    seeds: int | None = None,
    depths: Annotated[
        str | None, Parameter(help=f"Depths to train, {SEQUENCE}; default: the study's.  Not with a TOML study.")
    ] = None,
    dataset: Annotated[
        str | None, Parameter(help=f"Data sets, {SEQUENCE}; default: cifar10,cifar100, or the TOML file's.")
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
    time_limit: float | None = None,
    dry_run: Annotated[bool, Parameter(negative="")] = False,
    prepare: Annotated[bool, Parameter(negative="")] = False,
    no_report: Annotated[bool, Parameter(negative="")] = False,
    no_diagnose: Annotated[bool, Parameter(negative="")] = False,
    title: str | None = None,
    author: str | None = None,
    json: AsJson = False,
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
        Recipe to start from (see reslab presets); default: assignment.  Not with a TOML study.
    jobs
        Number of runs to train at a time; default: measured, the number with the most images a second in total.
    checkpoint_seconds
        Seconds between checkpoints within an epoch.
    time_limit
        Write checkpoints and stop after this many minutes.
    dry_run
        Train nothing; show what would train, how long it would take and how much disk it needs.
    prepare
        Train nothing; create and list the run folders, each to be trained with python -m reslab.lab.execute FOLDER.
    no_report
        Do not write the report.
    no_diagnose
        Skip the diagnostics (see `reslab diagnose`) that a study measures on the first seed of each variant.
    title
        Title of the report.
    author
        Author of the report.
    """
    if more:
        each = "; ".join(f"reslab run {name}" for name in (study, *more))
        raise ResLabError(
            f"run takes one study at a time, not {', '.join((study, *more))}: {each}.  "
            "Runs they share train only once, and the report covers all the studies"
        )
    check_least("--checkpoint-seconds", checkpoint_seconds, 0)
    check_least("--time-limit", time_limit, 0)
    if dry_run and prepare:
        raise ResLabError("--dry-run changes nothing and --prepare makes folders; choose one of them")
    asked = _plan(study, seeds, depths, dataset, epochs, preset, precision, device)
    kept = None if keep_epochs is None else parse_epochs(keep_epochs)
    for words in dict.fromkeys(filter(None, (muon_left(item.recipe) for item in asked.runs()))):
        aside(f"remark: {words}")
    own = look_at((item.recipe.dataset for item in asked.runs()), data_root)
    asked = asked.on_images(fingerprints(own))
    tell_former(runs, asked.runs())
    planned = plan(runs, asked.runs(), data_root, kept)
    todo = in_order(planned)
    if prepare:
        _prepare(asked, runs, todo, json=json)
        return OK
    if not dry_run:
        for name in {item.recipe.dataset for item in todo}:
            check_present(name, data_root)
        if not no_report:
            check_place(out)
    remark_cache()
    jobs = choose_jobs(jobs, device, todo)
    facts = plan_facts(asked, planned, own, runs, jobs, device)
    if dry_run:
        show_plan(facts, planned, own, asked, json=json)
        return OK
    for member in asked.studies:
        record(runs, member)
    for item in planned:
        if item.status in ("finished", "diverged"):
            run_files(runs, item.run).settle()
    stop = StopRequest(None if time_limit is None else 60 * time_limit)
    if todo:
        from reslab.lab.speed import runs_each

        if not json:
            announce(facts)
        work = {item.run.id: (item.work, item.work_left) for item in planned if item.run in set(todo)}
        arguments = _worker_arguments(data_root, device, jobs, checkpoint_seconds, checkpoint_activations, kept)
        shared = runs_each(device, jobs)
        with Board(work, on_closed=stop.ask) as board:
            launch(runs, todo, jobs=jobs, runs_each=shared, arguments=arguments, on_event=board, stop=stop)
    elif not json:
        done = "its run is" if len(planned) == 1 else f"all {len(planned)} runs are"
        print(f"{asked.title}: {done} done; nothing to train")
    if not no_diagnose and not stop.interrupted:
        diagnose_plan(asked, runs, data_root, device, stop)
        if stop.interrupted:  # nothing to be saved: the answer is at once
            return INTERRUPTED
    statuses = {item.id: run_files(runs, item).status() for item in asked.runs()}
    written = None
    if not no_report:
        from reslab.report.write import write_report

        written = write_report(runs, out, title=title, author=author, data_root=data_root)
        tell_left_out(written)
    failed = [run for run, status in statuses.items() if status == "failed"]
    page = None if written is None else written.html
    if json:
        print_json({"study": asked.name, "runs": statuses, "report": None if page is None else str(page)})
    else:
        _conclude(runs, statuses, failed, page)
    if stop.interrupted or (stop() and {"interrupted", "pending"} & set(statuses.values())):
        return INTERRUPTED
    if failed:
        return SOME_FAILED
    # What has not ended is another process's, which may have left it by now.
    return OK if set(statuses.values()) <= {"finished", "diverged"} else LockedError.exit_code


def _plan(
    study: str,
    seeds: int | None,
    depths: str | None,
    dataset: str | None,
    epochs: float | None,
    preset: str | None,
    precision: str | None,
    device: str,
) -> Plan:
    check_least("--seeds", seeds, 1)
    chosen = precision or default_precision(device)
    given_depths = None if depths is None else whole_numbers("depths", depths)
    if study.endswith(".toml"):
        given = Given(preset, names("dataset", dataset), given_depths, epochs, seeds, precision, chosen)
        return read_plan(Path(study), given)
    defaults = Options()
    return ask_all(
        study,
        Options(
            preset=preset or defaults.preset,
            datasets=names("dataset", dataset),
            depths=given_depths,
            epochs=epochs,
            seeds=seeds or defaults.seeds,
            precision=chosen,
        ),
    )


def _prepare(asked: Plan, root: Path, todo: list[Run], *, json: bool) -> None:
    """Make the folders of the runs to train, and print them in their order."""
    for member in asked.studies:
        record(root, member)
    places = [run_files(root, item) for item in todo]
    for item, files in zip(todo, places, strict=True):
        files.create(item)
    folders = [str(files.path) for files in places]
    if json:
        print_json({"study": asked.name, "folders": folders})
    else:
        print(*folders, sep="\n", end="\n" if folders else "")


def _worker_arguments(
    data_root: Path | None,
    device: str,
    jobs: int,
    checkpoint_seconds: float,
    checkpoint_activations: bool,
    kept: tuple[int, ...] | None,
) -> list[str]:
    from reslab.lab.speed import share_threads

    arguments = [
        "--device",
        device,
        "--default-threads",
        str(share_threads(jobs)),
        "--checkpoint-seconds",
        str(checkpoint_seconds),
    ]
    if data_root is not None:
        arguments += ["--data-root", str(data_root)]
    if kept is not None:
        arguments += ["--keep-epochs", ",".join(map(str, kept)) or "none"]
    return arguments + (["--checkpoint-activations"] if checkpoint_activations else [])


def _conclude(root: Path, statuses: Mapping[str, str], failed: list[str], page: Path | None) -> None:
    counts = {status: list(statuses.values()).count(status) for status in dict.fromkeys(statuses.values())}
    print("Runs: " + ", ".join(f"{count} {status}" for status, count in counts.items()))
    for run in failed:
        failure = RunFiles(root / run).failure() or {}
        print(f"  {run}: {failure.get('message')}")
    if page is not None:
        print(f"Report: {page}")
