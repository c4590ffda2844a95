"""The application: the page, its files, its data, its event stream, and the report that it writes."""

import asyncio
import json
import logging
import secrets
import time
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from functools import partial
from importlib import resources
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from reslab.errors import ResLabError
from reslab.watch.charts import chart_library
from reslab.watch.laboratory import Laboratory
from reslab.watch.pages import (
    NotThereError,
    compare_values,
    run_values,
    run_version,
    scores_values,
    scores_version,
    study_values,
    study_version,
)
from reslab.watch.plan import plan_values
from reslab.watch.report import Report
from reslab.watch.safety import LOOPBACK, REPORT_POLICY, Guard
from reslab.watch.views import Answer, Views

LOOK_SECONDS = 1.0
"""Seconds between looks at the folder of runs, unless a look takes long."""

LOOK_SHARE, MOST_LOOK_SECONDS = 0.01, 5.0
"""Share of a core that looks may take, and the most seconds between looks in any case."""

LOG = logging.getLogger("uvicorn.error")

BEAT_SECONDS = 10.0
"""Seconds between heartbeats on a stream."""

_JS, _CSS = "text/javascript; charset=utf-8", "text/css; charset=utf-8"
STATIC = {
    "watch.js": ("reslab.watch", "static/watch.js", _JS),
    "stream.js": ("reslab.watch", "static/stream.js", _JS),
    "views.js": ("reslab.watch", "static/views.js", _JS),
    "exhibits.js": ("reslab.watch", "static/exhibits.js", _JS),
    "fit.js": ("reslab.report", "templates/fit.js", _JS),
    "watch.css": ("reslab.watch", "static/watch.css", _CSS),
    "page.css": ("reslab.report", "templates/page.css", _CSS),
}
"""The page's own files by requested name: package, path in it, and media type."""


class Watch:
    """One server's state: what it watches and serves, and whether it is about to end."""

    def __init__(self, laboratory: Laboratory, report: Report) -> None:
        """Watch a folder of runs, and write its report."""
        self.laboratory, self.report = laboratory, report
        self.views = Views(laboratory, _ahead)
        self.write_token = secrets.token_urlsafe(24)
        self.started = secrets.token_hex(4)
        self.closing = False
        self._told: asyncio.Event = asyncio.Event()

    def tell(self) -> None:
        """Wake every stream."""
        self._told.set()
        self._told = asyncio.Event()

    def close(self) -> None:
        """End every stream."""
        self.closing = True
        self.tell()

    async def look_on(self) -> None:
        """Keep looking, and wake the streams after a change, once the answers have been remade."""
        while not self.closing:
            more, took, begun = False, 0.0, time.monotonic()
            try:
                changed = await self.views.look()
                took = time.monotonic() - begun
                if changed:
                    await self.views.refresh()
                    self.tell()
                more = await self.views.make_ahead()
            except Exception:  # the next look may succeed; if this loop ended, the page would just look idle
                LOG.exception("the folder of runs could not be looked at")
            if not more:
                await asyncio.sleep(max(LOOK_SECONDS, min(took / LOOK_SHARE, MOST_LOOK_SECONDS)))

    async def news(self) -> AsyncIterator[str]:
        """Yield an event for each change, and heartbeats in between."""
        yield "retry: 2000\n\n"
        while not self.closing:
            told = self._told
            found = {"version": self.laboratory.version, "server": self.started, "time": time.time()}
            yield f"data: {json.dumps(found)}\n\n"
            try:
                await asyncio.wait_for(told.wait(), BEAT_SECONDS)
            except TimeoutError:
                continue


def application(
    report: Report,
    *,
    hosts: Collection[str] = LOOPBACK,
    token: str | None = None,
    any_address: bool = False,
    prefix: str = "",
) -> tuple[ASGIApp, Watch]:
    """Return the guarded application for the folder of runs of a report, and its state."""
    watch = Watch(Laboratory(report.root, report.data_root), report)
    routes = [
        Route("/", partial(_page, watch)),
        Route("/static/vega.js", _library),
        Route("/static/{name}", _static),
        Route("/events", partial(_events, watch)),
        Route("/api/plan", partial(_plan, watch)),
        Route("/api/study/{name:path}", partial(_study, watch)),
        Route("/api/run/{run:path}", partial(_run, watch)),
        Route("/api/compare", partial(_compare, watch)),
        Route("/api/scores", partial(_scores, watch)),
        Route("/report", partial(_write_report, watch), methods=["POST"]),
        Route("/report/{name:path}", partial(_report_file, watch)),
    ]

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        looking = asyncio.create_task(watch.look_on())
        yield
        watch.close()
        looking.cancel()
        watch.views.close()

    app = Starlette(routes=routes, lifespan=lifespan, exception_handlers={HTTPException: _told_error, 500: _broken})
    return Guard(app, hosts, token, any_address=any_address, prefix=prefix), watch


async def _told_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, error.status_code)


async def _broken(_: Request, error: Exception) -> Response:
    return JSONResponse({"error": f"this view could not be made: {error!r}; the terminal has more"}, 500)


_TEMPLATES = Environment(loader=PackageLoader("reslab.watch"), autoescape=True, undefined=StrictUndefined)


async def _page(watch: Watch, _: Request) -> Response:
    text = _TEMPLATES.get_template("watch.html").render(token=watch.write_token, folder=str(watch.laboratory.root))
    return Response(text, media_type="text/html; charset=utf-8")


async def _static(request: Request) -> Response:
    found = STATIC.get(request.path_params["name"])
    if found is None:
        raise HTTPException(404, "there is no such file")
    package, place, kind = found
    content = resources.files(package).joinpath(place).read_bytes()
    return Response(content, media_type=kind, headers={"Cache-Control": "no-cache"})


async def _library(_: Request) -> Response:
    content = await asyncio.to_thread(chart_library)
    return Response(content, media_type=_JS, headers={"Cache-Control": "private, max-age=86400"})


async def _events(watch: Watch, _: Request) -> Response:
    headers = {"X-Accel-Buffering": "no", "Cache-Control": "no-store, no-transform"}
    return StreamingResponse(watch.news(), media_type="text/event-stream", headers=headers)


_PLAN, _SCORES = Answer(plan_values), Answer(scores_values, scores_version)


def _ahead(laboratory: Laboratory) -> dict[str, Answer]:
    """Return the answers made before any request: what a reader opens first."""
    studies = {f"study {study.name}": _of_study(study.name) for study in laboratory.studies}
    return {"plan": _PLAN, "scores": _SCORES, **studies}


def _of_study(name: str) -> Answer:
    return Answer(lambda lab: study_values(lab, name), lambda lab: study_version(lab, name))


async def _answered(watch: Watch, request: Request, name: str, answer: Answer) -> Response:
    try:
        view = await watch.views.get(name, answer)
    except ResLabError as error:
        raise HTTPException(404 if isinstance(error, NotThereError) else 500, str(error)) from None
    headers = {"ETag": view.tag, "Cache-Control": "no-cache", "X-Version": str(view.version)}
    if request.headers.get("if-none-match") == view.tag:
        return Response(status_code=304, headers=headers)
    return Response(view.body, media_type="application/json", headers=headers)


async def _plan(watch: Watch, request: Request) -> Response:
    return await _answered(watch, request, "plan", _PLAN)


async def _study(watch: Watch, request: Request) -> Response:
    name = request.path_params["name"]
    return await _answered(watch, request, f"study {name}", _of_study(name))


async def _run(watch: Watch, request: Request) -> Response:
    run_id, against = request.path_params["run"], request.query_params.get("against")
    answer = Answer(lambda lab: run_values(lab, run_id, against), lambda lab: run_version(lab, run_id))
    return await _answered(watch, request, f"run {run_id} {against}", answer)


async def _compare(watch: Watch, request: Request) -> Response:
    first, second = (request.query_params.get(side, "") for side in ("a", "b"))
    answer = Answer(lambda lab: compare_values(lab, first, second))
    return await _answered(watch, request, f"compare {first} {second}", answer)


async def _scores(watch: Watch, request: Request) -> Response:
    return await _answered(watch, request, "scores", _SCORES)


async def _write_report(watch: Watch, request: Request) -> Response:
    given = request.headers.get("x-reslab-write", "")
    if not secrets.compare_digest(given.encode(), watch.write_token.encode()):
        raise HTTPException(403, "reload the page: the server has been restarted")
    return JSONResponse(await watch.report.write())


async def _report_file(watch: Watch, request: Request) -> Response:
    found: Mapping[str, Path] = await asyncio.to_thread(watch.report.files)
    path = found.get(request.path_params["name"] or "index.html")
    if path is None:
        raise HTTPException(404, "the report has no such file")
    return FileResponse(path, headers={"Content-Security-Policy": REPORT_POLICY})
