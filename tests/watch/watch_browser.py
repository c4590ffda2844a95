"""The page in a real browser: where one is found, and servers for it: the verb `watch`, and one in this process."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import uvicorn

from reslab.watch.app import application
from reslab.watch.report import Report
from reslab.watch.serve import Server

playwright = pytest.importorskip("playwright.sync_api")


def _chromium() -> str | None:
    """Return the system's Chromium, else the one that `playwright install chromium` has fetched."""
    ours = Path(os.environ.get("PLAYWRIGHT_BROWSERS_PATH") or Path.home() / ".cache" / "ms-playwright")
    names = ("chromium", "chromium-browser", "google-chrome")
    found = [*(path for name in names if (path := shutil.which(name))), *map(str, ours.glob("chromium-*/*/chrome"))]
    return found[0] if found else None


CHROMIUM = _chromium()
needs_chromium = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: .ci/run installs it, or apt-get install chromium"),
]

PATIENCE = 30
"""Seconds after which whatever a test waits for is taken not to come."""


@contextmanager
def chromium(*more: str) -> Iterator[Any]:
    """Start the browser."""
    with playwright.sync_playwright() as started:
        found = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", *more])
        try:
            yield found
        finally:
            found.close()


@contextmanager
def opened(browser: Any, address: str, **options: Any) -> Iterator[Any]:
    """Open a page that notes in `problems` what went wrong in it: errors, scripts that ran, refusals of the policy."""
    context = browser.new_context(base_url=address, viewport={"width": 1200, "height": 900}, **options)
    made = context.new_page()
    made.set_default_timeout(1000 * PATIENCE)
    made.problems = []
    made.on("pageerror", lambda error: made.problems.append(str(error)))
    made.on("console", lambda said: made.problems.append(said.text) if said.type == "error" else None)
    made.on("dialog", lambda dialog: (made.problems.append(f"a script ran: {dialog.message}"), dialog.dismiss()))
    try:
        yield made
    finally:
        context.close()


class Served:
    """The verb `watch` in a process of its own."""

    def __init__(self, root: Path, *more: str, port: int = 0) -> None:
        command = [sys.executable, "-m", "reslab", "watch", "--runs", str(root), "--out", str(root.parent / "report")]
        self.process = subprocess.Popen(
            [*command, "--port", str(port), *more], stderr=subprocess.PIPE, text=True, start_new_session=True
        )
        assert self.process.stderr is not None
        first = self.process.stderr.readline()
        assert first.startswith("The live page: "), first
        self.address = first.split()[-1]

    @property
    def port(self) -> int:
        return int(self.address.split("/")[2].rpartition(":")[2])

    def stop(self) -> float:
        """Send Ctrl-C; return after how many seconds the process had ended."""
        begun = time.monotonic()
        self.process.send_signal(signal.SIGINT)
        self.process.wait(PATIENCE)
        took = time.monotonic() - begun
        self.close()
        return took

    def close(self) -> None:
        """End the process, if it has not ended."""
        self.process.kill()
        self.process.wait()
        assert self.process.stderr is not None
        self.process.stderr.close()


@contextmanager
def serving(root: Path, *more: str) -> Iterator[Served]:
    """Serve a folder of runs while this lasts."""
    served = Served(root, *more)
    try:
        yield served
    finally:
        served.close()


@contextmanager
def serving_here(root: Path) -> Iterator[str]:
    """Serve a folder of runs from a thread of this process, which starts at once; give the address."""
    app, watch = application(Report(root, root.parent / "report"))
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, log_level="warning", lifespan="on", timeout_graceful_shutdown=1, ws="none")
    server = Server(config, watch)
    running = Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    running.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/"
    finally:
        server.handle_exit(signal.SIGTERM, None)
        running.join(PATIENCE)
        listening.close()
