"""The live page from Python: started by a call, with its address, and ended by another or with the process."""

import weakref
from collections.abc import Sequence
from html import escape
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Self

from reslab.errors import ResLabError
from reslab.files import as_path
from reslab.lab.folder.finding import runs_folder
from reslab.session.progress import Tell, aside
from reslab.watch.beside import end, start, telling_all
from reslab.watch.report import Report

NEEDED = ("starlette", "uvicorn")
_ADDRESS = "The live page: "
"""What stands before the address in the line that tells it."""


class LivePage:
    """A page in the browser that shows runs at work; it ends with `stop`, its `with` block, or this process."""

    def __init__(self, report: Report, tell: Tell, **options: object) -> None:
        """Start a page with these options of `serve`, and wait until it listens; raises `ResLabError` if it cannot."""
        try:
            self._process = start(report, **options)
        except OSError as error:
            raise ResLabError(f"the live page did not start: {error.strerror or error}") from None
        assert self._process.stdout is not None
        said = []
        for line in self._process.stdout:
            said.append(line.rstrip())
            if line.startswith(_ADDRESS):
                break
        else:
            end(self._process, None)
            raise ResLabError("\n".join(said) or "the live page did not start")
        tell(said[-1])
        self.address = said[-1].removeprefix(_ADDRESS)
        """Where the page is, as in http://127.0.0.1:8765/."""
        self._end = weakref.finalize(self, end, self._process, telling_all(self._process, tell))

    @property
    def is_on(self) -> bool:
        """Whether it is being served."""
        return self._process.poll() is None

    def stop(self) -> None:
        """End the page; runs go on without it."""
        self._end()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"<live page: {self.address}{'' if self.is_on else ', ended'}>"

    def _repr_html_(self) -> str:
        address = escape(self.address, quote=True)
        return f'<a href="{address}" target="_blank">{address}</a>' if self.is_on else escape(repr(self))


def live_page(
    runs: str | Path = "runs",
    out: str | Path = "report",
    *,
    host: str = "127.0.0.1",
    port: int | None = None,
    allow_hosts: Sequence[str] = (),
    prefix: str = "",
    token: bool = False,
    title: str | None = None,
    author: str | None = None,
    data_root: str | Path | None = None,
    tell: Tell = aside,
) -> LivePage:
    """Show the runs of a folder at work on a page in the browser, as long as this process lives; return the page.

    It has an `address`, is shown as a link in a notebook, and ends with `stop()` or its `with` block.  It reads the
    folder and changes nothing in it.  `out` is where its button writes the report, with this `title`, `author` and
    `data_root` as `write_report` takes them.  `host` and `port` are where it listens: anything but this machine's own
    needs the token in the address, and `token` asks for it here, too.  `allow_hosts` are other names that a proxy asks
    for, `prefix` is a path that it puts before the page's own.  Raises `ResLabError` where it cannot listen there, or
    reslab[watch] is not installed.
    """
    check_extra()
    runs_folder(runs, may_be_to_come=True)
    report = Report(as_path(runs), as_path(out), title, author, as_path(data_root))
    listening = {"host": host, "port": port, "allowed": list(allow_hosts), "prefix": prefix, "with_token": token}
    return LivePage(report, tell, **listening)


def check_extra() -> None:
    """Raise `ResLabError` where what the page needs is not installed."""
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise ResLabError(f"the live page needs {' and '.join(missing)}: pip install 'reslab[watch]'")
