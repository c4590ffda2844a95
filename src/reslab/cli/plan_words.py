"""A plan as `reslab run` prints it."""

from reslab.cli.console import print_json, print_table
from reslab.session.planning import Outlook


def show_plan(found: Outlook, *, json: bool) -> None:
    """Print a plan, run by run."""
    rows = found.rows()
    if json:
        print_json({**found.facts(), "runs": rows})
        return
    print_table(
        ["run", "what it is", "status", "epochs done"],
        [[str(value) for value in row.values()] for row in rows],
    )
    print()
    for one in found.own:
        print(f"Images: {one.words}")
    announce(found)


def announce(found: Outlook) -> None:
    """Print a plan in one line."""
    print(found.words, flush=True)
