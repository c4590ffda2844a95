"""Exchange runs and studies with shares: fetch them instead of training, push them, train them again to check."""

import random
import shutil
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

from reslab.amounts import counted
from reslab.arguments import check_least
from reslab.errors import ResLabError, ShareError, nearest
from reslab.files import as_path
from reslab.lab.folder.finding import find_runs, runs_folder
from reslab.lab.folder.store import RunFiles
from reslab.lab.planner import plan
from reslab.lab.settings import Settings
from reslab.lab.shares.addresses import as_address, kind_of
from reslab.lab.shares.fetching import fetch_first, fetch_run
from reslab.lab.shares.listing import INDEX, INDEX_BYTES, listed, write_index
from reslab.lab.shares.places import Place, place, read
from reslab.lab.shares.pushing import push_run
from reslab.lab.shares.replicates import Agreement, compare
from reslab.lab.shares.share import REPLICATES, Outcome, is_run
from reslab.lab.stopping import StopRequest
from reslab.naming import run_names
from reslab.recipe import Run
from reslab.session.listing import Listing
from reslab.session.progress import Board, Tell, aside
from reslab.session.where import HERE, launcher
from reslab.studies.asked import fetch_study, push_study, record_path, recorded
from reslab.studies.study import Study

AT_A_TIME = 16
"""Runs transferred at a time: most of the time goes into waiting for answers."""
AGAIN = "again"
"""Folder below the replicates for what `verify` trains."""

OnOutcome = Callable[[Outcome], object]


def pull(
    url: str, names: Sequence[str] = (), runs: str | Path = "runs", *, on_outcome: OnOutcome = lambda _: None
) -> list[Outcome]:
    """Fetch completed runs from a share: those named, those of the studies named, or all of them with all studies.

    A recipe's id means all of its seeds, a plan's name those of its studies that are there.  Returns an outcome for
    each run and, where nothing is named, for each unusable record of a study.  Raises `ShareError` where the share does
    not answer, and `ResLabError` where it does not have what was named, or only an unusable record of it.
    """
    root = as_path(runs)
    _check_address(url, root, "pull")
    where = place(url)
    there = cache(lambda: listed(where))
    ids: dict[str, None] = {}
    for name in names:
        if is_run(name):
            ids[name] = None
        elif is_run(f"{name}/seed0"):
            seeds = [run for run in there().runs if run.startswith(f"{name}/")]
            if not seeds:
                known = list(dict.fromkeys(run.partition("/")[0] for run in there().runs))
                raise ResLabError(f"{where.shown} has no run of the recipe {name}{nearest(name, known)}")
            ids |= dict.fromkeys(seeds)
        elif (study := fetch_study(where, name, root)) is not None:
            ids |= dict.fromkeys(run.id for run in study.runs())
        else:
            fetched = _fetch_plan(where, name, there().studies, root)
            ids |= dict.fromkeys(run.id for study in fetched for run in study.runs())
    refused: list[Outcome] = []
    if not names:
        found = there()
        if not (found.runs or found.studies) and read(where, INDEX, INDEX_BYTES) is None:
            raise ShareError(f"{where.shown} has nothing to pull: no run that has ended, no study; is it a share?")
        ids = dict.fromkeys(found.runs)
        for name in found.studies:
            try:
                fetch_study(where, name, root)
            except ResLabError as error:  # an unusable record does not hold back the runs
                if isinstance(error, ShareError):
                    raise
                refused.append(Outcome(f"studies/{name}.json", "refused", str(error)))
    for one in refused:
        on_outcome(one)
    return [*refused, *_each(lambda name: fetch_run(where, name, root), ids, on_outcome)]


def _fetch_plan(where: Place, name: str, known: Sequence[str], root: Path) -> list[Study]:
    """Fetch those studies of a plan that a share has; raise `ResLabError` if there are none, or no such plan."""
    tasks = [task for task in _tasks(name) if task in known]
    studies = [study for task in tasks if (study := fetch_study(where, task, root)) is not None]
    if not studies:
        raise ResLabError(
            f"{where.shown} has no study {name!r}{nearest(name, known)}; it has {', '.join(known) or 'none'}"
        )
    return studies


def fetch_instead(places: Sequence[Place], runs: Sequence[Run], root: Path) -> list[Outcome]:
    """Look for runs in shares, in order, before training them; a run refused from one is looked for in the next."""
    asked = {run.id: run for run in runs}
    return list(_each(lambda name: fetch_first(places, name, root, asked=asked[name]), asked, lambda _: None))


def push(
    url: str, names: Sequence[str] = (), runs: str | Path = "runs", *, on_outcome: OnOutcome = lambda _: None
) -> list[Outcome]:
    """Push completed runs to a share, then its index: those named, those of studies named, or all with all studies.

    A plan's name means those of its studies that are here.  A missing folder is created.  Damaged runs are refused,
    which is an outcome like the others.  Raises `ShareError` where the share cannot be written or its address was
    forgotten, `ResLabError` where there is nothing to push.
    """
    _check_address(url, as_path(runs), "push")
    where, root = place(url, may_be_new=True), runs_folder(runs)
    studies, there = _studies(root), _there(root)
    if not (studies or there):
        raise ResLabError(f"there is nothing to push in {root}: it has neither runs nor studies")
    names = _expanded(names, studies)
    sent = list(studies) if not names else [name for name in names if name in studies]
    unusable = (
        [] if names else [Outcome(f"studies/{one.path.name}", "refused", one.message) for one in recorded(root)[1]]
    )
    for one in unusable:
        on_outcome(one)
    return [*unusable, *push_runs(where, _ids(names, root, studies, there), sent, root, on_outcome=on_outcome)]


def push_runs(
    where: Place, ids: Sequence[str], studies: Sequence[str], root: Path, *, on_outcome: OnOutcome = lambda _: None
) -> list[Outcome]:
    """Push runs and the records of studies, and the index last; a damaged run does not hold back the others."""

    def pushed(name: str) -> Outcome:
        try:
            return push_run(where, RunFiles(root / name))
        except ShareError:
            raise  # the share cannot be written
        except ResLabError as error:
            return Outcome(name, "refused", str(error))

    outcomes = list(_each(pushed, ids, on_outcome))
    for name in studies:
        if why := push_study(where, name, root):
            outcomes.append(Outcome(f"studies/{name}.json", "absent", why))
            on_outcome(outcomes[-1])
    write_index(where)
    return outcomes


def verify(
    names: Sequence[str] = (),
    runs: str | Path = "runs",
    *,
    sample: int = 1,
    jobs: int = 1,
    data_root: str | Path | None = None,
    device: str = "auto",
    threads: int | None = None,
    tell: Tell = aside,
) -> Listing:
    """Train a sample of the completed runs again, below the replicates, and list how both trainings compare.

    Each row has the run, where it was trained again, whether the weights have the `same_bits`, both `test_errors` in
    percent (None where it diverged), and whether the record `contradicts` the weights: equal weights have different
    errors, so one of the two was edited.  The sample depends only on the ids, so the same call chooses the same runs.
    Runs that could not be trained are missing.  Ctrl-C writes checkpoints and raises KeyboardInterrupt; the same call
    resumes.
    """
    check_least("sample", sample, 1)
    check_least("jobs", jobs, 1)
    root = runs_folder(runs)
    studies = _studies(root)
    ids = _ids(_expanded(names, studies), root, studies, _there(root))
    ended = [name for name in ids if RunFiles(root / name).ended() is not None]
    if not ended:
        raise ResLabError(f"none of these runs has ended in {root}; `reslab status` lists the runs")
    chosen = random.Random(",".join(sorted(ended))).sample(sorted(ended), min(sample, len(ended)))
    asked = [RunFiles(root / name).check() for name in chosen]
    again = root / REPLICATES / AGAIN
    todo = [run for run in asked if RunFiles(again / run.id).ended() is None]
    settings = Settings(data_root=as_path(data_root), device=device, threads=threads)
    for run in todo:
        if run.recipe.own_network is not None:  # its code is copied, and runs if the user trusts it
            shutil.copytree(RunFiles(root / run.id).network, RunFiles(again / run.id).network, dirs_exist_ok=True)
    work = {item.run.id: (item.work, item.work_left) for item in plan(again, todo, settings.data_root)}
    with StopRequest() as stop, Board(work, names=run_names(todo), tell=tell, on_closed=stop.ask) as board:
        here = launcher(HERE, again, todo, name="verify", jobs=jobs, settings=settings, stop=stop, tell=tell)
        with here as train:
            train(on_event=board)
    if stop.interrupted:
        raise KeyboardInterrupt
    pairs = [(RunFiles(root / run.id), RunFiles(again / run.id)) for run in asked]
    return _compared([compare(first, other) for first, other in pairs if other.ended() is not None])


def _compared(found: Sequence[Agreement]) -> Listing:
    """Return how second trainings compare with the first, for scripts and for people."""
    rows = [
        {
            "run": one.run,
            "where": one.where,
            "same_bits": one.same_bits,
            "test_errors": one.errors,
            "contradicts": one.contradicts,
        }
        for one in found
    ]
    cells = [[one.run, one.where, one.bits_words, *map(_error, one.errors)] for one in found]
    title = f"{counted(len(rows), 'run')} trained again"
    return Listing(title, rows, ["run", "trained again on", "weights", "test error in %", "again"], cells)


def _error(error: float | None) -> str:
    return "diverged" if error is None else f"{error:.2f}"


def _check_address(url: str, root: Path, verb: str) -> None:
    """Raise `ShareError` for the name of a study or run in place of a share's address, which was forgotten."""
    if kind_of(url) != "file" or Path(url).is_dir():
        return
    is_study = False
    if url.replace("-", "").replace("_", "").isalnum():
        from reslab.studies.catalogue import PLANS
        from reslab.studies.questions import QUESTIONS

        is_study = url in (*QUESTIONS, *PLANS) or record_path(root, url).exists()
    if is_study or is_run(url) or is_run(f"{url}/seed0"):
        what = "study" if is_study else "run"
        raise ShareError(
            f"{url} is the name of a {what}, not the address of a share.  Give the address first, as in "
            f"`reslab {verb} URL {url}`; a folder of this name is ./{url}"
        )


def _tasks(name: str) -> list[str]:
    """Return the names of the studies in one of ResLab's plans; none for any other name."""
    from reslab.studies.plans import assignment_plan

    plan = assignment_plan()
    return [study.name for study in plan.studies] if name == plan.name else []


def _expanded(names: Sequence[str], studies: Collection[str]) -> list[str]:
    """Return the names, replacing a plan's by those of its studies that are in `studies`."""
    found: list[str] = []
    for name in names:
        is_plain = name in studies or is_run(name) or is_run(f"{name}/seed0")
        tasks = [] if is_plain else [task for task in _tasks(name) if task in studies]
        found += tasks or [name]
    return found


def _studies(root: Path) -> dict[str, Study]:
    return {study.name: study for study in recorded(root)[0]}


def _there(root: Path) -> list[str]:
    return [files.name for files in find_runs(root)]


def _ids(names: Sequence[str], root: Path, studies: Mapping[str, Study], there: Sequence[str]) -> list[str]:
    """Return the ids of those runs `there`, below `root`, that are named or in a named study; by default all."""
    ids: dict[str, None] = {} if names else dict.fromkeys(there)
    for name in names:
        of_recipe = [one for one in there if one == name or one.startswith(f"{name}/")]
        if name in studies:
            found = [run.id for run in studies[name].runs() if run.id in there]
        elif of_recipe:
            found = of_recipe
        elif (address := as_address(name)) is not None:
            raise ResLabError(f"{address} is an address, not a run or study in {root}; `reslab pull` fetches its runs")
        else:
            hint = nearest(name, [*studies, *there])
            raise ResLabError(
                f"there is no run or study {name!r} in {root}{hint}; `reslab status --ids` lists the runs"
            )
        ids |= dict.fromkeys(found)
    return list(ids)


def _each(call: Callable[[str], Outcome], ids: Iterable[str], on_outcome: OnOutcome) -> Iterator[Outcome]:
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        try:
            for outcome in pool.map(call, ids):
                on_outcome(outcome)
                yield outcome
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
