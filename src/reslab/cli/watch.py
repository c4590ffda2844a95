"""The verb `watch`: the live page in the browser."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from reslab.cli import OK
from reslab.cli.console import aside
from reslab.cli.flags import DataRoot, Out, Runs
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
    title: str | None = None,
    author: str | None = None,
    data_root: DataRoot = None,
) -> int:
    """Show the runs live in the browser, until Ctrl-C.

    It reads the folder of runs and changes nothing in it.  For example, on a cluster's login node:

      reslab watch --runs runs --token

    Parameters
    ----------
    host
        Address to listen on; any but this machine's own requires the token, which is part of the printed address.
    port
        Port to listen on; default: 8765, or another if it is taken.
    allow_host
        Another host name to answer to, as a proxy sends it in its Host header; can be given several times.
    prefix
        Path that a proxy adds and does not strip, as in /user/anna/proxy/8765.
    token
        Require the token on this machine, too, because its other users can reach the page.
    title
        Title of the report that the page writes.
    author
        Author of the report that the page writes.
    """
    from reslab.watch.live import check_extra

    check_extra()
    runs_folder(runs, may_be_to_come=True)
    from reslab.watch.report import Report
    from reslab.watch.serve import serve

    serve(
        Report(runs, out, title, author, data_root),
        host=host,
        port=port,
        allowed=allow_host or (),
        prefix=prefix,
        with_token=token,
        tell=aside,
    )
    return OK
