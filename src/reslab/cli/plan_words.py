"""A plan as `reslab run` prints it."""

from reslab.cli.console import print_json, print_table
from reslab.session.amounts import duration
from reslab.session.fitting import Fit
from reslab.session.planning import Outlook

MOST_LISTED = 20
"""Runs of a plan that are listed without being asked for."""


def show_plan(found: Outlook, fit: Fit | None = None, *, json: bool, every: bool, ids: bool) -> None:
    """Print a plan: what each study and seed takes, and the runs, where they are few or `every` one is asked for."""
    rows = found.rows()
    if json:
        print_json({**found.facts(), **({"fit": fit.facts()} if fit is not None else {}), "runs": rows})
        return
    if len(found.planned) <= MOST_LISTED or every:
        print_table(
            ["run", "status", "epochs done"],
            [[row["run" if ids else "name"], row["status"], str(row["epochs_done"])] for row in rows],
        )
        print()
    _print_parts(found)
    for one in found.own:
        print(f"Images: {one.words}")
    announce(found)
    if len(found.planned) > MOST_LISTED and not every:
        print(f"--all lists the {len(found.planned)} runs")


def announce(found: Outlook) -> None:
    """Print a plan in one line."""
    print(found.words, flush=True)


def _print_parts(found: Outlook) -> None:
    seeds = sorted({seed for part in found.parts for seed in part.seeds})
    if not seeds:
        return
    rows = [
        [
            part.study.name,
            str(part.num_to_train),
            *(duration(part.seeds[seed][1]) if seed in part.seeds else "-" for seed in seeds),
            duration(part.why_seconds) if part.why_seconds else "-",
            duration(part.seconds),
        ]
        for part in found.parts
    ]
    print_table(["study", "runs to train", *(f"seed {seed}" for seed in seeds), "the why", "in all"], rows)
    print()
