"""The page in a browser behind a reverse proxy: under a path, under another name, and where streams are held back."""

import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

import httpx2
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from watch_browser import PATIENCE, Served, chromium, needs_chromium, opened, serving
from watch_fakes import SHALLOW, plant

from reslab.recipe import Run
from synthetic import Truth, write_run

pytestmark = needs_chromium

PREFIX = "/user/anna/proxy/8765"
NAME = "hub.example.test"


@contextmanager
def proxy(served: Served, *, strips: bool, holds: bool = False) -> Iterator[str]:
    """Pass on what is asked below PREFIX, as Jupyter and the portals of clusters do; return the proxy's address.

    It `strips` its own path or passes it on, and `holds` streams back until they end, which they do not.
    """
    upstream = f"http://127.0.0.1:{served.port}"
    # A connection that is kept may be closed by the page's server while a request is under way.
    asking = httpx2.AsyncClient(timeout=None, limits=httpx2.Limits(max_keepalive_connections=0))

    async def passed_on(request: Request) -> Response:
        path = request.url.path.removeprefix(PREFIX) if strips else request.url.path
        headers = [(name, value) for name, value in request.headers.raw if name != b"connection"]
        url = f"{upstream}{path}?{request.url.query}"
        sent = asking.build_request(request.method, url, headers=headers, content=await request.body())
        answer = await asking.send(sent, stream=True, follow_redirects=False)
        kept = {
            name: value for name, value in answer.headers.items() if name not in ("transfer-encoding", "connection")
        }
        if not answer.headers.get("content-type", "").startswith("text/event-stream"):
            content = await answer.aread()
            return Response(content, answer.status_code, kept)

        async def streamed() -> AsyncIterator[bytes]:
            try:
                async for part in answer.aiter_raw():
                    if not holds:
                        yield part
            finally:
                await answer.aclose()

        return StreamingResponse(streamed(), answer.status_code, kept)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with asking:
            yield

    app = Starlette(
        lifespan=lifespan, routes=[Route(f"{PREFIX}{{rest:path}}", passed_on, methods=["GET", "HEAD", "POST"])]
    )
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", timeout_graceful_shutdown=1, ws="none"))
    running = Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    running.start()
    try:
        yield f"http://{NAME}:{listening.getsockname()[1]}{PREFIX}/"
    finally:
        server.should_exit = True
        running.join(PATIENCE)
        listening.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium(f"--host-resolver-rules=MAP {NAME} 127.0.0.1") as found:
        yield found


@pytest.fixture
def root(tmp_path: Path) -> Path:
    plant(tmp_path / "runs")
    return tmp_path / "runs"


@contextmanager
def through(browser: Any, root: Path, *, prefix: str = "", holds: bool = False) -> Iterator[tuple[Served, Any]]:
    """Serve runs and open a page on them through a proxy, which strips its path where the server is told of none."""
    with (
        serving(root, "--allow-host", NAME, *(["--prefix", prefix] if prefix else [])) as served,
        proxy(served, strips=not prefix, holds=holds) as address,
        opened(browser, address) as page,
    ):
        yield served, page


def token(served: Served) -> str:
    """Return the query of the address that was printed, without which a name from elsewhere gets nothing."""
    return f"?{served.address.partition('?')[2]}"


def problems(page: Any) -> list[str]:
    """Return what went wrong, but for a header that browsers heed only on this machine's own names or encrypted."""
    return [text for text in page.problems if "Cross-Origin-Opener-Policy" not in text]


@pytest.mark.parametrize("strips", [True, pytest.param(False, marks=pytest.mark.deep)])
def test_the_page_works_under_a_path(browser: Any, root: Path, strips: bool) -> None:
    with through(browser, root, prefix="" if strips else PREFIX) as (served, page):
        assert (PREFIX in served.address) is not strips
        page.goto(token(served))
        page.locator(".contact[data-state=live]").wait_for()
        assert "token" not in page.url
        page.goto("?view=study&name=my-depth")
        page.locator(".chart svg").first.wait_for()
        page.get_by_role("link", name="Plan").click()
        page.locator("tr", has_text="shallow").wait_for()
        write_run(root, Run(SHALLOW, 9), Truth(3.0, 1.0), stop_after=2)
        page.locator("section[data-key=other-runs]").wait_for()
        assert page.locator(".contact").get_attribute("data-state") == "live"
        assert page.url.startswith(f"http://{NAME}:")
        assert PREFIX in page.url
        assert not problems(page)


@pytest.mark.deep
def test_the_report_is_written_through_a_proxy(browser: Any, root: Path) -> None:
    with through(browser, root, prefix=PREFIX) as (served, page):
        page.goto(token(served))
        (root.parent / "report").write_text("in the way of the folder")
        page.get_by_role("button", name="Write the report").click()
        page.locator("#written", has_text="Not written").wait_for(timeout=1000 * 4 * PATIENCE)
        assert "report" in page.locator("#written").inner_text()  # reslab's own words, so it was asked


def test_a_page_whose_stream_is_held_back_asks(browser: Any, root: Path) -> None:
    with through(browser, root, holds=True) as (served, page):
        page.goto(token(served))
        page.locator(".contact[data-state=polling]").wait_for()
        write_run(root, Run(SHALLOW, 9), Truth(3.0, 1.0), stop_after=2)
        page.locator("section[data-key=other-runs]").wait_for()
        assert page.locator(".contact").get_attribute("data-state") == "polling"
        assert not problems(page)


def test_the_path_without_its_last_slash_leads_to_the_page(root: Path) -> None:
    with serving(root, "--prefix", PREFIX) as served:
        answer = httpx2.get(served.address.rstrip("/"), follow_redirects=True)
        assert answer.status_code == 200
        assert str(answer.url) == served.address
