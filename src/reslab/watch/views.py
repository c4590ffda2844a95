"""What the page asks for, made off the event loop, kept until it changes, and made anew before the pages are told."""

import asyncio
import hashlib
import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from reslab.watch.blocks import Values, finite
from reslab.watch.laboratory import Laboratory

MOST_KEPT = 48
"""Answers that are kept."""

WATCHED_SECONDS = 90.0
"""How long after it was asked for an answer is made anew on its own."""

PATIENCE = 4
"""An answer that took a second to make is not made again for this many seconds."""

Make = Callable[[Laboratory], Values]


@dataclass(slots=True)
class View:
    """An answer as it was last made."""

    make: Make
    version: int
    body: bytes
    tag: str
    made: float
    took: float
    asked: float


class Views:
    """Answers by name.  One thread makes them, so that none keeps the event loop from answering."""

    def __init__(self, laboratory: Laboratory) -> None:
        """Make answers from a laboratory."""
        self.laboratory = laboratory
        self._kept: dict[str, View] = {}
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="watch")
        self._loading: asyncio.Future[object] | None = None

    async def look(self) -> bool:
        """Look at the folder of runs; return whether anything changed."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, self.laboratory.look)

    async def get(self, name: str, make: Make) -> View:
        """Return an answer, made now if it is not there; one that is being made anew is given as it was."""
        if self.laboratory.looked is None:
            await self.look()
        now = time.monotonic()
        view = self._kept.get(name)
        if view is None:
            view = await self._make(name, make)
        view.asked = now
        return view

    async def refresh(self) -> bool:
        """Make anew what is looked at and has changed; return whether some must wait, for it takes long to make."""
        waiting = False
        for name, view in list(self._kept.items()):
            if view.version == self.laboratory.version:
                continue
            now = time.monotonic()
            if now - view.asked > WATCHED_SECONDS:
                del self._kept[name]
            elif now - view.made < PATIENCE * view.took:
                waiting = True
            else:
                try:
                    made = await self._make(name, view.make)
                except Exception:  # what it was of is gone: whoever asks again is told so
                    del self._kept[name]
                else:
                    made.asked = view.asked
        return waiting

    def close(self) -> None:
        """End the thread."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def _make(self, name: str, make: Make) -> View:
        view = await asyncio.get_running_loop().run_in_executor(self._pool, self._made, make)
        self._kept[name] = view
        if len(self._kept) > MOST_KEPT:
            del self._kept[min(self._kept, key=lambda one: self._kept[one].asked)]
        return view

    def _made(self, make: Make) -> View:
        begun = time.monotonic()
        version = self.laboratory.version
        values = make(self.laboratory)
        body = json.dumps(finite(values), allow_nan=False, separators=(",", ":")).encode()
        now = time.monotonic()
        return View(make, version, body, f'"{hashlib.sha256(body).hexdigest()[:24]}"', now, now - begun, now)
