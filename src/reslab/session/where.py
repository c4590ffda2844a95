"""Where the runs of a plan train: in processes here, as tasks of a Slurm job, or on a Ray cluster."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from reslab.errors import ResLabError, ShareError, nearest
from reslab.lab.clusters import ray_cluster, slurm
from reslab.lab.launch import launch
from reslab.lab.settings import Settings
from reslab.lab.shares.addresses import without_password
from reslab.lab.shares.relay import push_place
from reslab.recipe import Run
from reslab.session.progress import Tell

HERE, SLURM, RAY = "here", "slurm", "ray"
"""Where runs can train; ray://ADDRESS is an existing Ray cluster."""


def check_on(on: str, slurm_options: Sequence[str] = ()) -> None:
    """Raise `ResLabError` for a place where no run can train, and for Slurm options elsewhere."""
    if on not in (HERE, SLURM, RAY) and not (on.startswith("ray://") and on != "ray://"):
        hint = nearest(on, (HERE, SLURM, RAY))
        raise ResLabError(f"--on is {HERE}, {SLURM}, {RAY} or ray://ADDRESS, not {on!r}{hint}")
    if slurm_options and on != SLURM:
        raise ResLabError("--slurm-option belongs to --on slurm; add it")


@contextmanager
def launcher(
    on: str,
    root: Path,
    runs: Sequence[Run],
    *,
    name: str,
    jobs: int | None,
    settings: Settings,
    stop: Callable[[], bool],
    tell: Tell,
    slurm_options: Sequence[str] = (),
) -> Iterator[Callable[..., bool]]:
    """Yield a function that trains these runs, passing events to `on_event`; nothing is written before it is called.

    `name` is that of the Slurm job, `jobs` the number of runs that train at a time; None leaves that to a cluster.  On
    a Ray cluster with graphics cards, it is the number of runs that share one.  Raises `ResLabError` where there is no
    cluster, and `ShareError` for a share whose password a script would contain.
    """
    from reslab.lab.speeds.speed import runs_each, share_threads

    if on == SLURM:
        _check_no_password(settings.shares)
        slurm.check(slurm_options)
        yield partial(
            slurm.launch,
            root,
            runs,
            name=name,
            options=slurm_options,
            arguments=settings.arguments(),
            stop=stop,
            tell=tell,
            where=push_place(settings),
            at_a_time=jobs,
        )
        return
    shared = runs_each(settings.device, jobs or 1)
    if on == HERE:
        arguments = [*settings.arguments(), "--default-threads", str(share_threads(jobs or 1))]
        yield partial(launch, root, runs, jobs=jobs or 1, runs_each=shared, arguments=arguments, stop=stop)
    else:
        address = None if on == RAY else on
        with ray_cluster.joined(address):
            yield partial(
                ray_cluster.launch,
                root,
                runs,
                address=address,
                runs_each=shared,
                at_a_time=jobs if shared == 1 else None,
                settings=settings,
                stop=stop,
            )


def _check_no_password(shares: Sequence[str]) -> None:
    for url in shares:
        if without_password(url) != url.rstrip("/"):
            raise ShareError(
                f"{without_password(url)} is given with a user, a password or a query, which the script "
                "would contain; put it where the driver looks for it (docs/sharing.md)"
            )
