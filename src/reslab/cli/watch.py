"""The verb `watch`: the live page in the browser."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from reslab.cli import OK
from reslab.cli.console import aside
from reslab.cli.flags import Out, Runs
from reslab.lab.folder.finding import runs_folder


def watch(
    *,
    runs: Runs = Path("runs"),
    out: Out = Path("report"),
    host: str = "127.0.0.1",
    port: int | None = None,
    allow_host: Annotated[list[str] | None, Parameter(name="--allow-host", negative="")] = None,
    prefix: str = "",
    token: Annotated[bool, Parameter(negative="")] = False,
) -> int:
    """Show the runs at work on a page in the browser, until Ctrl-C.

    It reads the folder of runs and changes nothing in it.  For example, on a cluster's login node:

      reslab watch --runs runs --token

    Parameters
    ----------
    host
        Address to listen at; anything but this machine's own needs the token in the address that is printed.
    port
        Port to listen at; default: 8765, or another where that is taken.
    allow_host
        Name that a proxy asks for (its Host header), to be answered, too; may be given several times.
    prefix
        Path that a proxy puts before the page's own and does not take away, as in /user/anna/proxy/8765.
    token
        Ask for the token on this machine, too: other users of it can reach the page.
    """
    from reslab.watch.live import check_extra

    check_extra()
    runs_folder(runs, may_be_to_come=True)
    from reslab.watch.serve import serve

    serve(runs, out, host=host, port=port, allowed=allow_host or (), prefix=prefix, with_token=token, tell=aside)
    return OK
