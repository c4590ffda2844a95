"""Cached answers for the page, made off the event loop and remade before pages are notified of a change."""

import asyncio
import hashlib
import json
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from reslab.files import finite
from reslab.watch.blocks import Values
from reslab.watch.laboratory import Laboratory

MOST_KEPT = 48
"""Most answers cached besides those made ahead."""

WATCHED_SECONDS = 30.0
"""How long after a request an answer counts as watched: an open page requests it after each change."""

CHEAP_SECONDS = 0.05
"""A watched answer that takes no more CPU time than this is remade at each change."""

PATIENCE = 12
"""Seconds of rest, per second that a costly answer took, before the next is remade, unless a request waits for it."""

PATIENCE_AHEAD = 100
"""An unwatched answer made ahead is remade at most once in this many times the time that it takes."""

Make = Callable[[Laboratory], Values]
Since = Callable[[Laboratory], int]
"""Returns the version of the laboratory at which an answer last changed."""


@dataclass(frozen=True, slots=True)
class Answer:
    """How an answer is made, and when it must be remade."""

    make: Make
    since: Since = lambda laboratory: laboratory.version


@dataclass(slots=True)
class View:
    """An answer as last made; `version` is the laboratory's latest for which it is current."""

    answer: Answer
    version: int
    body: bytes
    tag: str
    made: float
    took: float
    asked: float


def _is_watched(view: View) -> bool:
    return time.monotonic() - view.asked < WATCHED_SECONDS


class Views:
    """Answers by name.  One thread makes them, so that none blocks the event loop."""

    def __init__(self, laboratory: Laboratory, ahead: Callable[[Laboratory], Mapping[str, Answer]]) -> None:
        """Make answers from a laboratory, those of `ahead` before any request."""
        self.laboratory = laboratory
        self._ahead = ahead
        self.kept: dict[str, View] = {}
        self._making: dict[str, asyncio.Task[View]] = {}
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="watch")
        self._unmade: set[str] = set()
        self._behind = False
        self._rests_until = 0.0

    async def look(self) -> bool:
        """Look at the folder of runs; return whether it has changed, or a watched answer is out of date."""
        changed = await asyncio.get_running_loop().run_in_executor(self._pool, self.laboratory.look)
        return changed or self._behind

    async def get(self, name: str, answer: Answer) -> View:
        """Return an answer: the cached one if watched, since it will be remade; else remade now if out of date."""
        if self.laboratory.looked is None:
            await self.look()
        view = self.kept.get(name)
        if view is None or (not _is_watched(view) and answer.since(self.laboratory) > view.version):
            view = await self._make(name, answer)
        view.asked = time.monotonic()
        self._behind |= view.version != self.laboratory.version
        return view

    async def refresh(self) -> None:
        """Remake what has changed, oldest first: cheap watched answers at once, others as their rest allows."""
        ahead = self._ahead(self.laboratory)
        self._behind = False
        for name, view in sorted(self.kept.items(), key=lambda item: item[1].made):
            if view.answer.since(self.laboratory) <= view.version:
                view.version = self.laboratory.version
                continue
            now = time.monotonic()
            watched = _is_watched(view)
            if not watched and name not in ahead:
                self.kept.pop(name, None)
            elif watched and view.took <= CHEAP_SECONDS:
                await self._remake(name, view)
            elif now < self._rests_until or (not watched and now - view.made < PATIENCE_AHEAD * view.took):
                self._behind |= watched
            else:
                await self._remake(name, view)
                self._rests_until = time.monotonic() + PATIENCE * view.took

    async def make_ahead(self) -> bool:
        """Make the first missing one of the answers to be made ahead; return whether there was one."""
        ahead = self._ahead(self.laboratory)
        missing = next((name for name in ahead if name not in self.kept and name not in self._unmade), None)
        if missing is None:
            return False
        try:
            await self._make(missing, ahead[missing])
        except Exception:  # a request for it will report the error
            self._unmade.add(missing)
        return True

    def close(self) -> None:
        """End the thread."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def _remake(self, name: str, view: View) -> None:
        try:
            made = await self._make(name, view.answer)
        except Exception:  # e.g. its run is gone: the next request will report the error
            self.kept.pop(name, None)
        else:
            made.asked = view.asked

    async def _make(self, name: str, answer: Answer) -> View:
        """Make an answer, once for all concurrent requests."""
        task = self._making.get(name)
        if task is None:
            task = self._making[name] = asyncio.create_task(self._made_in_turn(name, answer))
        return await asyncio.shield(task)

    async def _made_in_turn(self, name: str, answer: Answer) -> View:
        try:
            view = await asyncio.get_running_loop().run_in_executor(self._pool, self._made, answer)
        finally:
            del self._making[name]
        self.kept[name] = view
        ahead = self._ahead(self.laboratory)
        if name in ahead:
            view.asked -= WATCHED_SECONDS  # not requested yet
        others = [one for one in self.kept if one not in ahead]
        if len(others) > MOST_KEPT:
            del self.kept[min(others, key=lambda one: self.kept[one].asked)]
        return view

    def _made(self, answer: Answer) -> View:
        begun = time.thread_time()  # CPU time: on a busy machine answers take longer but cost the same
        version = self.laboratory.version
        values = answer.make(self.laboratory)
        body = json.dumps(finite(values), allow_nan=False, separators=(",", ":")).encode()
        now, took = time.monotonic(), time.thread_time() - begun
        return View(answer, version, body, f'"{hashlib.sha256(body).hexdigest()[:24]}"', now, took, now)
