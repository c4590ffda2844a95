"""The live page from Python: a call starts it and returns it; another, or the end of the process, stops it."""

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
"""What precedes the address in the line that announces it."""


class LivePage:
    """A page in the browser that shows runs at work; it ends on `stop`, with its `with` block, or with this process."""

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
        """The page's URL, as in http://127.0.0.1:8765/."""
        self._end = weakref.finalize(self, end, self._process, telling_all(self._process, tell))

    @property
    def is_on(self) -> bool:
        """Whether the page is being served."""
        return self._process.poll() is None

    def stop(self) -> None:
        """End the page; runs continue without it."""
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
    """Show the runs of a folder at work on a page in the browser while this process lives; return the page.

    It has an `address`, appears as a link in a notebook, and ends on `stop()` or with its `with` block.  It reads the
    folder and changes nothing in it.  `out` is where its button writes the report, with this `title`, `author` and
    `data_root` as for `write_report`.  It listens at `host` and `port`: except on the loopback interface, the address
    must contain a token; `token` requires one there, too.  `allow_hosts` are other names that a proxy uses for it, and
    `prefix` is a path that the proxy puts before the page's own.  Raises `ResLabError` where it cannot listen there,
    or reslab[watch] is not installed.
    """
    check_extra()
    runs_folder(runs, may_be_to_come=True)
    report = Report(as_path(runs), as_path(out), title, author, as_path(data_root))
    listening = {"host": host, "port": port, "allowed": list(allow_hosts), "prefix": prefix, "with_token": token}
    return LivePage(report, tell, **listening)


def check_extra() -> None:
    """Raise `ResLabError` unless the packages that the page needs are installed."""
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise ResLabError(f"the live page needs {' and '.join(missing)}: pip install 'reslab[watch]'")
