"""One run: trained from its last checkpoint to its end; failures are recorded in its folder."""

import contextlib
import traceback
from collections.abc import Callable
from functools import partial
from typing import Any

import torch

from reslab.errors import LockedError, OwnCodeError, ResLabError, first_line
from reslab.lab.attempt import Attempt
from reslab.lab.folder import ending, manifest
from reslab.lab.folder.status import ENDED, Status
from reslab.lab.folder.store import RunFiles
from reslab.lab.settings import Settings
from reslab.lab.shares.relay import Relay
from reslab.lab.threads import computing_with, first_threads
from reslab.own_running import frames_in, told
from reslab.recipe import Run
from reslab.training import saved
from reslab.training.hardware import most_threads, on_stream, pick_device, stream_of_this_thread
from reslab.training.process_settings import deterministic, keeping_freed_memory

Event = dict[str, Any]


DEFAULTS = Settings()


def execute(
    files: RunFiles,
    settings: Settings = DEFAULTS,
    *,
    on_event: Callable[[Event], None] = lambda _: None,
    stop: Callable[[], bool] = lambda: False,
) -> Status:
    """Train a run to its end, or until `stop()`; do nothing if it has ended.  Returns its status afterwards.

    Events are dicts with `event` (preparing, start, remark, progress, epoch, end) and `run`.  A failure is written to
    failure.json and raised: as `ResLabError` if the user can fix it, unchanged otherwise.  An error in `on_event` is
    raised, too, but interrupts the run rather than failing it.
    """
    on_event = _Told(on_event)
    relay = Relay(files, settings, lambda words: on_event({"event": "remark", "run": files.name, "words": words}), stop)
    relay.begin()
    run = files.check()
    with relay.holding():
        status: Status | None = files.ended()
        if status is None:
            with files.lock() as held:
                status = held.ended() or _attempt(held, run, settings, on_event, stop, relay)
        if status in ENDED:
            ending.settle(files)
            relay.end()
    _emit(on_event, run, "end", status=status)
    return status


def _attempt(
    files: RunFiles,
    run: Run,
    settings: Settings,
    on_event: "_Told",
    stop: Callable[[], bool],
    relay: Relay,
) -> Status:
    for name in ("failure.json", manifest.NAME):  # a kill may have come between the manifest and the end
        files.remove(name)
    try:
        with relay.further(saved.reached(saved.newest(files.checkpoints))) as found:
            device = pick_device(settings.device)
            threads = first_threads(found or files, device, settings.threads, settings.default_threads)
            most = most_threads()
            tell = partial(_emit, on_event, run)
            with (
                deterministic(),
                torch.random.fork_rng(devices=[]),  # the user's random state stays as it was
                keeping_freed_memory(),
                on_stream(stream_of_this_thread(device)),
                computing_with(threads),
            ):
                return Attempt(files, run, settings, device, most, tell, stop, relay, found).go()
    except LockedError:
        raise  # another machine has the run, which has not failed
    except Exception as error:
        if error is on_event.error:
            raise
        trace = None if isinstance(error, ResLabError) else traceback.format_exc()
        shown = _of_own_network(error, files, run) or error
        with contextlib.suppress(ResLabError):  # if the disk is full, the raised error must do
            ending.fail(files, _kind(error), str(shown) or repr(shown), trace)
        with contextlib.suppress(ResLabError):
            relay.failed()
        _emit(on_event, run, "end", status="failed", message=str(shown) or repr(shown))
        if _kind(error) == "out-of-memory":
            raise ResLabError(
                f"not enough memory for {run.id}; try --checkpoint-activations, or fewer runs at a time "
                f"(--jobs).  The error was: {first_line(error)}"
            ) from error
        if shown is not error:
            raise shown from error
        raise


class _Told:
    """Passes events on, and keeps the error that doing so raised, such as from writing to a full disk."""

    def __init__(self, on_event: Callable[[Event], None]) -> None:
        self._on_event = on_event
        self.error: Exception | None = None

    def __call__(self, event: Event) -> None:
        try:
            self._on_event(event)
        except Exception as error:
            self.error = error
            raise


def _of_own_network(error: Exception, files: RunFiles, run: Run) -> OwnCodeError | None:
    """Return the error in words, if the code of the user's own network raised it."""
    own = run.recipe.own_network
    if own is None or isinstance(error, ResLabError) or not frames_in(files.network, error):
        return None
    return OwnCodeError(str(told(error, own, files.network, "it fails while it is trained")))


def _kind(error: Exception) -> str:
    words = str(error) if isinstance(error, RuntimeError) else ""
    starved = any(sign in words for sign in ("can't allocate memory", "out of memory"))
    return "out-of-memory" if starved or isinstance(error, MemoryError | torch.OutOfMemoryError) else "error"


def _emit(on_event: Callable[[Event], None], run: Run, event: str, **values: Any) -> None:
    on_event({"event": event, "run": run.id, **values})
