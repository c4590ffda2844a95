"""The verbs `pull`, `push` and `verify`: fetch runs instead of training them, push them, train them again to check."""

from collections.abc import Sequence
from pathlib import Path

from reslab.cli import DAMAGED, OK, SOME_FAILED
from reslab.cli.console import aside, print_json, print_table
from reslab.cli.flags import AsJson, DataRoot, Device, Runs
from reslab.lab.shares.share import Kind, Outcome

_TOLD: dict[Kind, str] = {
    "fetched": "fetched",
    "pushed": "pushed",
    "there": "already there",
    "replicate": "kept as a second training of a run that is there",
    "absent": "left out",
    "running": "being trained here",
    "refused": "refused",
}
_SHOWN = 10
"""Most runs of a kind that are named with a reason."""


def pull(url: str, *names: str, runs: Runs = Path("runs"), json: AsJson = False) -> int:
    """Fetch completed runs from a share: a folder, a web address, s3://, gs://, hf:// or anything else fsspec supports.

    Every file is checked before a run is used, and nothing of yours is overwritten.  For example:

      reslab pull https://example.org/runs depth

    Parameters
    ----------
    url
        Folder or address of the share.
    names
        Studies, plans (assignment), runs or recipes; default: everything the share has.
    """
    from reslab.session.sharing import pull as fetch

    return _conclude(fetch(url, names, runs), json=json)


def push(url: str, *names: str, runs: Runs = Path("runs"), json: AsJson = False) -> int:
    """Push completed runs to a share and update its index; existing files stay, unless they are damaged.

    For example:

      reslab push s3://our-bucket/runs depth

    Parameters
    ----------
    url
        Folder or address of the share; a web server is read only.
    names
        Studies, plans (assignment), runs or recipes; default: every completed run, and every study.
    """
    from reslab.session.sharing import push as hand_on

    return _conclude(hand_on(url, names, runs), json=json)


def verify(
    *names: str,
    sample: int = 1,
    jobs: int = 1,
    threads: int | None = None,
    runs: Runs = Path("runs"),
    data_root: DataRoot = None,
    device: Device = "auto",
    json: AsJson = False,
) -> int:
    """Train some completed runs again and say whether the weights agree to the bit, or else how far the errors differ.

    The second training is kept beside the first.  After an interruption the same command resumes.  For example:

      reslab verify depth --sample 2

    Parameters
    ----------
    names
        Studies, plans (assignment), runs or recipes to choose from; default: all completed runs.
    sample
        Number of runs to train again; the same command chooses the same ones.
    jobs
        Number of runs to train at a time.
    threads
        CPU threads of each; default: as many as other work on the machine leaves cores for.
    """
    from reslab.session.sharing import verify as train_again

    found = train_again(
        names, runs, sample=sample, jobs=jobs, data_root=data_root, device=device, threads=threads, tell=aside
    )
    if json:
        print_json(list(found))
    else:
        print_table(list(found.columns), found.cells)
    if any(row["contradicts"] for row in found):
        return DAMAGED
    return OK if found else SOME_FAILED


def _conclude(outcomes: Sequence[Outcome], *, json: bool) -> int:
    by_kind: dict[Kind, list[Outcome]] = {kind: [one for one in outcomes if one.kind == kind] for kind in _TOLD}
    if json:
        print_json([{"run": one.run, "outcome": one.kind, "words": one.words} for one in outcomes])
    else:
        told = ", ".join(f"{len(by_kind[kind])} {words}" for kind, words in _TOLD.items() if by_kind[kind])
        print(f"Runs: {told or 'none'}")
        for one in by_kind["refused"]:
            aside(f"reslab: refused {one.run}: {one.words}")
        for kind in ("absent", "running", "replicate"):
            _tell_some(by_kind[kind], "kept beside the first" if kind == "replicate" else "left out")
    return DAMAGED if by_kind["refused"] else OK


def _tell_some(outcomes: Sequence[Outcome], what: str) -> None:
    """Say why each run is left out, or where it is kept; if there are many, only for the first ones."""
    for one in outcomes[:_SHOWN]:
        aside(f"reslab: {what} {one.run}: {one.words}")
    if len(outcomes) > _SHOWN:
        aside(f"reslab: {what} {len(outcomes) - _SHOWN} more; --json lists all")
