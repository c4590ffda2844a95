"""A plan as `reslab run` prints it."""

from reslab.cli.console import print_json, print_table
from reslab.session.fitting import Fit
from reslab.session.planning import Outlook

MOST_LISTED = 20
"""Most runs of a plan that are listed without --all."""


def show_plan(found: Outlook, fit: Fit | None = None, *, json: bool, every: bool, ids: bool) -> None:
    """Print a plan: the time of each study and seed, and the runs if they are few or `every` one is requested."""
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
    for words in found.remarks:
        print(f"Remark: {words}")
    announce(found)
    if len(found.planned) > MOST_LISTED and not every:
        print(f"--all lists the {len(found.planned)} runs")


def announce(found: Outlook) -> None:
    """Print a plan in one line."""
    print(found.words, flush=True)


def _print_parts(found: Outlook) -> None:
    if found.num_to_train:
        print_table(*found.table())
        print()
