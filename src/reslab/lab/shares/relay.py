"""How a run that trains here uses shares: it starts from their copy, and sends them its checkpoints and its end.

Checkpoints are sent no more often than they are written within an epoch, and take at most a twentieth of the time.
"""

import contextlib
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from reslab.errors import ShareError
from reslab.files import moved, sync_folder, write_whole, writing
from reslab.lab.folder import metrics
from reslab.lab.folder.store import RunFiles
from reslab.lab.settings import Settings
from reslab.lab.shares import handover
from reslab.lab.shares.fetching import fetch_first
from reslab.lab.shares.handover import Progress, Sender, State, folder_of
from reslab.lab.shares.places import Place, place
from reslab.lab.shares.pushing import push_run
from reslab.lab.shares.shared_lease import Lease, holding
from reslab.lab.shares.vetting import RefusedError, incoming, vetting
from reslab.training import saved

SHARE_OF_TIME = 1 / 20
"""Largest share of the time that may go into sending checkpoints."""
WAITS = (1.0, 5.0, 20.0, 60.0)
"""Seconds between attempts to send an ended run."""
LAST_WAITS = (1.0, 5.0)
"""Seconds between attempts to send a stopping run's last checkpoint, or its failure: little time may be left."""


def share_places(settings: Settings) -> list[Place]:
    """Return the shares, in order; when pushing, they may be new.  Raises `ShareError` if one cannot be used."""
    return [place(url, may_be_new=settings.push) for url in settings.shares]


def push_place(settings: Settings, places: Sequence[Place] | None = None) -> Place | None:
    """Return the share to push to, the first writable one; None if nothing is pushed.

    `places` are the `share_places` of these settings, if already known.  Raises `ShareError` if no share is writable.
    """
    if not settings.push:
        return None
    places = share_places(settings) if places is None else places
    if not places:
        raise ShareError("--push needs a share to push to: add --share")
    for one in places:
        if not one.is_read_only:
            return one
    raise ShareError(f"{places[0].shown} is read only; --push needs a --share that can be written to")


class Relay:
    """The shares of one run that trains here; does nothing without shares."""

    def __init__(
        self, files: RunFiles, settings: Settings, remark: Callable[[str], object], stop: Callable[[], bool]
    ) -> None:
        """Read and write nothing yet.  Raises `ShareError` if a share cannot be used on this machine."""
        self._files, self._name, self._root = files, files.name, files.called.parent.parent
        self._places = share_places(settings)
        self._to = push_place(settings, self._places)
        self._remark, self._stop = remark, stop
        self._every, self._next = settings.checkpoint_seconds, 0.0
        self._sender: Sender | None = None
        self._lease: Lease | None = None
        self._silent = False
        self._refused: set[tuple[str, str]] = set()
        self.length = (0, 0)
        """Iterations and epochs of the run, once they are known."""

    def begin(self) -> None:
        """Fetch the run if it has ended on a share, or else what defines it, unless its folder exists."""
        if self._fetch_ended() or not self._places or self._files.exists:
            return
        for where in self._places:
            with self._told(where):
                if (found := handover.progress(where, self._name)) is None:
                    continue
                with incoming(self._root, self._name) as fetched:
                    with vetting(fetched.path):
                        handover.fetch(where, found, fetched, only=("run.json", "network/"))
                    with writing(self._files.path):
                        self._files.path.parent.mkdir(parents=True, exist_ok=True)
                        moved(fetched.path, self._files.path)
                return

    @contextmanager
    def holding(self) -> Iterator[None]:
        """Keep other machines from this run; if it has ended elsewhere by then, fetch it.

        Raises `LockedError` if another machine trains it, and `ShareError` if the share does not answer.
        """
        if self._to is None or self._files.ended() is not None:
            yield
            return
        with holding(self._to, f"{folder_of(self._name)}/lease", self._stop) as lease:
            if lease is None:
                self._remark(
                    f"{self._to.shown} cannot keep two machines from training the same run; if two do, the second to "
                    "end is kept beside the first"
                )
            self._lease = lease
            self._fetch_ended()
            yield

    @contextmanager
    def further(self, iteration: int) -> Iterator[RunFiles | None]:
        """Yield a temporary folder with a share's copy of the run, if one is further than `iteration`; else None."""
        found: list[tuple[Place, Progress]] = []
        for where in self._places:
            with self._told(where):
                if (one := handover.progress(where, self._name)) is not None:
                    found.append((where, one))
        if self._to is not None:
            self._sender = Sender(self._to, self._name, dict(found).get(self._to))
        with contextlib.ExitStack() as kept:
            usable = None
            for where, one in sorted(found, key=lambda pair: -pair[1].iteration):
                if one.iteration > iteration and usable is None:
                    fetched = kept.enter_context(incoming(self._root, self._name))
                    with self._told(where), vetting(fetched.path):
                        handover.fetch(where, one, fetched, asked=self._files.read_run())
                        usable = fetched
            yield usable

    def refused(self, error: Exception) -> None:
        """Report that a share's copy is not resumed from."""
        self._refuse("a share", str(error).partition("; ")[0])

    def checkpointed(self, *, last: bool = False) -> None:
        """Send the newest checkpoint, unless one was sent too recently; the `last` one is always sent.

        Raises `LockedError` if another machine has taken over the run.
        """
        begun = time.monotonic()
        if self._sender is not None and (last or begun >= self._next):
            self._send("stopped" if last else "training")
            now = time.monotonic()
            self._next = now + max(self._every, (now - begun) / SHARE_OF_TIME)

    def failed(self) -> None:
        """Send the failure, for those who follow the run."""
        if self._sender is not None:
            self._send("failed")

    def end(self) -> None:
        """Send the ended run; raise `ShareError` if the share refuses it, or does not answer for a long time."""
        if self._to is None:
            return
        for wait in (*WAITS, 0.0):
            try:
                outcome = push_run(self._to, self._files)
                if outcome.kind != "refused":
                    handover.forget(self._to, self._name)
                break
            except ShareError as error:
                if not wait or self._stop():
                    raise self._unsent(str(error)) from None
            time.sleep(wait)
        if outcome.kind == "refused":
            raise self._unsent(outcome.words)
        if self._lease is not None:
            self._lease.end()

    def _unsent(self, words: str) -> ShareError:
        return ShareError(f"{words}; {self._files.path} has the run, which `reslab push` sends")

    def _send(self, state: State) -> None:
        assert self._sender is not None
        goes_on = state == "training"
        for wait in (0.0,) if goes_on else (*LAST_WAITS, 0.0):
            try:
                if self._lease is not None:
                    self._lease.check()
                self._sender.send(self._files, state, *self.length)
                self._silent = False
                return
            except ShareError as error:
                if wait:
                    time.sleep(wait)
                elif not goes_on:
                    self._remark(f"{error}; another machine would resume from what was sent before, this one from here")
                elif not self._silent:
                    self._remark(f"{error}; training continues, and the next checkpoint will be sent")
        self._silent = True

    def _fetch_ended(self) -> bool:
        """Fetch the run if it has ended on one of the shares; return whether it has ended."""
        if self._files.ended() is not None:
            return True
        outcome = fetch_first(
            self._places, self._name, self._root, lambda where, words: self._refuse(where.shown, words)
        )
        return outcome.kind not in ("absent", "refused", "running")

    @contextmanager
    def _told(self, where: Place) -> Iterator[None]:
        """Report what is wrong with a share or its copy, and continue without it."""
        try:
            yield
        except ShareError as error:
            self._remark(str(error))
        except RefusedError as error:
            self._refuse(where.shown, str(error))

    def _refuse(self, shown: str, words: str) -> None:
        """Report once what is wrong with a share's copy, although the share is queried several times."""
        if (shown, words) not in self._refused:
            self._refused.add((shown, words))
            self._remark(f"the copy on {shown} is refused, so the run is trained here: {words}")


def adopt(found: RunFiles, files: RunFiles) -> None:
    """Replace a run's files by a share's copy; a kill at any instant leaves a folder that resumes."""
    files.check_held()
    newest = saved.newest(found.checkpoints)
    assert newest is not None
    with writing(files.path):
        for epoch in found.kept_epochs():
            files.epoch_weights(epoch).parent.mkdir(exist_ok=True)
            shutil.move(found.epoch_weights(epoch), files.epoch_weights(epoch))
        metrics.forget_sums(files.path)
        for name in (metrics.NAME, metrics.SUMS, "provenance.json"):
            if (found.path / name).exists():
                write_whole(files.path / name, (found.path / name).read_bytes())
        target = files.checkpoints / newest.name
        files.checkpoints.mkdir(exist_ok=True)
        if target.exists():  # it could not be read
            shutil.rmtree(target)
        shutil.move(newest, target)
        sync_folder(files.checkpoints)
