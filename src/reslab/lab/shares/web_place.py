"""A place that is a web server: read with `requests`, never written to."""

import functools
import importlib.util
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO
from urllib.parse import quote, urlsplit, urlunsplit

from reslab.errors import ShareError
from reslab.lab.shares.addresses import without_password
from reslab.lab.shares.transfers import PIECE_BYTES, copied, reason

if TYPE_CHECKING:
    import requests

_ABSENT = (403, 404, 410)
"""Status codes for a missing file; object stores send 403 to clients who may not list."""
_TIMEOUT_SECONDS = (10.0, 20.0)
"""How long connecting may take, and how long a server may be silent."""
_ANSWER_SECONDS = 60.0
"""How long a server has to start its answer, over all tries."""
_SLOW_SECONDS, _SLOW_BYTES = 30.0, 2**15
"""Minimum number of bytes in this time: enough for large files on a slow line, but not for a server that trickles."""


@dataclass(frozen=True)
class Web:
    """A web server that serves files, read only."""

    url: str

    @property
    def shown(self) -> str:
        """See `Place.shown`."""
        return without_password(self.url)

    def fetch(self, name: str, to: BinaryIO, most: int) -> str | None:
        """See `Place.fetch`."""
        _check_requests()
        import requests
        import urllib3

        parts = urlsplit(self.url)
        address = urlunsplit((parts.scheme, parts.netloc, f"{parts.path}/{quote(name)}", parts.query, ""))
        try:
            with self._answer(address) as answer:
                if answer.status_code in _ABSENT:
                    return None
                if answer.status_code != 200:
                    raise ShareError(f"{self.shown}/{name}: the server answers {answer.status_code} {answer.reason}")
                return copied(self._pieces(answer), to, most, f"{self.shown}/{name}")
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            raise ShareError(f"{self.shown} cannot be reached: {reason(error)}") from error

    def _answer(self, address: str) -> "requests.Response":
        """Return the answer once it has started, requested on a thread: a server may trickle its headers for ever."""
        session = _session()
        asked: Future[requests.Response] = Future()

        def ask() -> None:
            try:
                asked.set_result(session.get(address, stream=True, timeout=_TIMEOUT_SECONDS))
            except BaseException as error:
                asked.set_exception(error)

        threading.Thread(target=ask, daemon=True).start()
        try:
            return asked.result(_ANSWER_SECONDS)
        except TimeoutError:
            del _sessions().session  # that thread still has it
            raise ShareError(
                f"{self.shown} cannot be reached: it does not answer within {_ANSWER_SECONDS:g} s"
            ) from None

    def _pieces(self, answer: "requests.Response") -> Iterator[bytes]:
        """Yield the content as it arrives; raise `ShareError` if it arrives too slowly."""
        since, got = time.monotonic(), 0
        while piece := answer.raw.read1(PIECE_BYTES, decode_content=True):
            yield piece
            got += len(piece)
            if time.monotonic() - since > _SLOW_SECONDS:
                if got < _SLOW_BYTES:
                    raise ShareError(f"{self.shown} sends too slowly: {got:,} bytes in {_SLOW_SECONDS:g} s")
                since, got = time.monotonic(), 0

    def holds(self, name: str, num_bytes: int, sha256: str) -> bool:
        """See `Place.holds`; always refused, as a file here cannot be repaired."""
        raise self.refusal

    @property
    def is_read_only(self) -> bool:
        """See `Place.is_read_only`: web servers always are."""
        return True

    def names(self, under: str = "") -> list[str] | None:
        """See `Place.names`: web servers cannot list."""
        return None

    def write(self, name: str, content: bytes | Path) -> None:
        """See `Place.write`."""
        raise self.refusal

    def create(self, name: str, content: bytes) -> bool | None:
        """See `Place.create`."""
        raise self.refusal

    def remove(self, name: str) -> None:
        """See `Place.remove`."""
        raise self.refusal

    @property
    def refusal(self) -> ShareError:
        """The error for any attempt to write."""
        return ShareError(f"{self.shown} is a web server, which is read only; push to the folder or bucket behind it")


def _check_requests() -> None:
    """Raise `ShareError` if the library that reads from web servers is missing, as on a bare node."""
    if importlib.util.find_spec("requests") is None:
        raise ShareError("shares on web servers need requests: pip install requests")


@functools.cache
def _sessions() -> threading.local:
    return threading.local()


def _session() -> "requests.Session":
    """Return this thread's session: it reuses connections, and retries transient failures."""
    import requests
    from requests.adapters import HTTPAdapter
    from urllib3.util import Retry

    kept = _sessions()
    if not hasattr(kept, "session"):
        kept.session = requests.Session()
        tries = Retry(
            3,
            read=1,
            backoff_factor=0.3,
            status_forcelist=(429, 500, 502, 503, 504),
            respect_retry_after_header=False,  # a server may ask for a day
        )
        patient = HTTPAdapter(max_retries=tries)
        for prefix in ("http://", "https://"):
            kept.session.mount(prefix, patient)
    session: requests.Session = kept.session
    return session
