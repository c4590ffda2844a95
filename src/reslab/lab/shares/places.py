"""Where runs are shared: a folder, a web server, or whatever fsspec reaches (S3, GCS, Hugging Face, SFTP).

A place holds files by relative names.  Files are read up to a given length and no further, because nobody vouches for
a place: what is in a file is checked by `reslab.lab.shares.vetting`.  Web servers are read by `requests`, and cannot
be written to.
"""

import contextlib
import errno
import functools
import importlib.util
import io
import os
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol
from urllib.parse import quote, urlsplit, urlunsplit

from reslab.errors import ShareError, UnreadableError
from reslab.files import file_sha256, write_whole
from reslab.lab.shares.addresses import folder_of, kind_of, without_password
from reslab.lab.shares.remote_place import by_fsspec
from reslab.lab.shares.transfers import PIECE_BYTES, copied, reason

if TYPE_CHECKING:
    import requests

_ABSENT = (403, 404, 410)
"""What web servers say of a file that is not there; object stores say 403 to those who may not list."""
_TIMEOUT_SECONDS = (10.0, 20.0)
"""How long a server has to be connected, and may be silent."""
_ANSWER_SECONDS = 60.0
"""How long it has to begin its answer, all tries together."""
_SLOW_SECONDS, _SLOW_BYTES = 30.0, 2**15
"""What comes in so long, at least: a slow line's large file comes, and nobody waits for one byte after the other."""
_TRIES = 10


class Place(Protocol):
    """Files by relative names."""

    @property
    def shown(self) -> str:
        """Address without passwords."""

    def fetch(self, name: str, to: BinaryIO, most: int) -> str | None:
        """Copy a file into `to` and return its SHA-256; None where there is no such file.

        Raises `DamagedError` where it is longer than `most` bytes, and `ShareError` where the place does not answer.
        """

    def holds(self, name: str, num_bytes: int, sha256: str) -> bool:
        """Say whether a file is what it should be: its length, and its SHA-256 where that needs no transfer.

        Raises `ShareError` where the place does not answer.
        """

    @property
    def is_read_only(self) -> bool:
        """Say whether nothing can be written here."""

    def names(self, under: str = "") -> list[str] | None:
        """Return the names of all files, or of those below a folder; None where the place cannot list them."""

    def write(self, name: str, content: bytes | Path) -> None:
        """Write a file: its name shows the whole content or nothing."""

    def create(self, name: str, content: bytes) -> bool | None:
        """Write a file unless there is one; of several who try at once, one gets True.

        None where the place cannot do this; then it may have been written.
        """

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""


def place(url: str, *, may_be_new: bool = False) -> Place:
    """Return the place at an address or folder; raise `ShareError` where it cannot be used on this machine.

    A folder must be there unless it `may_be_new`.
    """
    kind = kind_of(url)
    if kind == "file":
        folder = Folder(folder_of(url))
        if not folder.path.is_dir() and not may_be_new:
            raise ShareError(f"there is no folder {folder.path}; give the folder or address of a share")
        return folder
    if kind in ("http", "https"):
        return Web(url.rstrip("/"))
    if "::" in url:
        raise ShareError(f"{without_password(url)} chains several file systems; give the address of one place")
    return by_fsspec(kind, f"{kind}{url[len(kind) :]}")


def read(where: Place, name: str, most: int) -> bytes | None:
    """Return a small file whole, or None where there is none."""
    into = io.BytesIO()
    return None if where.fetch(name, into, most) is None else into.getvalue()


@dataclass(unsafe_hash=True)
class Folder:
    """A folder of this machine, or one that is mounted; once it was there, it must stay."""

    path: Path
    _device: int | None = field(default=None, init=False, compare=False)
    """What it was on when it was first seen."""

    @property
    def shown(self) -> str:
        """See `Place.shown`."""
        return str(self.path.absolute())

    def fetch(self, name: str, to: BinaryIO, most: int) -> str | None:
        """See `Place.fetch`."""
        self._check_mounted()
        try:
            with (self.path / name).open("rb") as file:
                return copied(iter(lambda: file.read(PIECE_BYTES), b""), to, most, f"{self.shown}/{name}")
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise ShareError(f"{self.path / name} cannot be read: {error.strerror or error}") from error

    def holds(self, name: str, num_bytes: int, sha256: str) -> bool:
        """See `Place.holds`: both are compared."""
        path = self.path / name
        try:
            return path.is_file() and path.stat().st_size == num_bytes and file_sha256(path) == sha256
        except (OSError, UnreadableError) as error:
            raise ShareError(f"{path} cannot be read: {error}") from error

    @property
    def is_read_only(self) -> bool:
        """See `Place.is_read_only`."""
        return self.path.is_dir() and not os.access(self.path, os.W_OK | os.X_OK)

    def names(self, under: str = "") -> list[str] | None:
        """See `Place.names`; raises `ShareError` where a folder cannot be looked into."""
        self._check_mounted()
        walk = os.walk(self.path / under, onerror=_raise_unless_gone)
        try:
            found = [Path(folder) / file for folder, _, files in walk for file in files]
        except OSError as error:
            raise ShareError(f"{error.filename} cannot be read: {error.strerror or error}") from error
        return sorted(path.relative_to(self.path).as_posix() for path in found)

    def write(self, name: str, content: bytes | Path) -> None:
        """See `Place.write`."""
        with self._written(name) as target:
            _write_below(target, content.read_bytes() if isinstance(content, Path) else content)

    def create(self, name: str, content: bytes) -> bool | None:
        """See `Place.create`: a link to a file that is whole is made or not made, on network file systems, too."""
        with self._written(name) as target:
            whole = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
            _write_below(whole, content)
            try:
                os.link(whole, target)
            except FileExistsError:
                return False
            except OSError as error:
                none = (
                    errno.EPERM,
                    errno.EOPNOTSUPP,
                    errno.ENOTSUP,
                    errno.ENOSYS,
                    errno.EMLINK,
                )  # macOS has two of them
                if error.errno not in none:
                    raise
                return None  # no links here
            finally:
                whole.unlink(missing_ok=True)
        return True

    def remove(self, name: str) -> None:
        """See `Place.remove`; a folder that is empty then goes, too."""
        with self._written(name) as target:
            target.unlink(missing_ok=True)
            for folder in [above for above in target.parents if above.is_relative_to(self.path) and above != self.path]:
                try:
                    folder.rmdir()
                except OSError:
                    break

    @contextlib.contextmanager
    def _written(self, name: str) -> Iterator[Path]:
        self._check_mounted()
        target = self.path / name
        try:
            yield target
            self._check_mounted()  # from now on it is known
        except OSError as error:
            remedy = ""
            if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
                remedy = "; make the share writable, or use it without --push"
            raise ShareError(f"cannot write {target}: {error.strerror or error}{remedy}") from error

    def _check_mounted(self) -> None:
        """Raise `ShareError` where the folder was there and is gone, as one that is no longer mounted."""
        device = None
        try:
            device = self.path.stat().st_dev
            is_gone = self._device not in (None, device) and not any(self.path.iterdir())
        except FileNotFoundError:
            is_gone = self._device is not None
        except OSError as error:
            raise ShareError(f"{self.shown} cannot be read: {error.strerror or error}") from error
        if is_gone:
            raise ShareError(f"{self.shown} was there and is gone; is it still mounted?")
        self._device = device


def _raise_unless_gone(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error


def _write_below(path: Path, content: bytes) -> None:
    """Write a file whole, its folder made; again where another process removes that meanwhile, still empty as it is."""
    for tries_left in reversed(range(_TRIES)):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, content)
        except (FileNotFoundError, FileExistsError):
            if not tries_left:
                raise
        else:
            return


@dataclass(frozen=True)
class Web:
    """A web server that hands out files, to be read only."""

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
        """Return the answer once it has begun, asked for in a thread: a server may send its first lines for ever."""
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
        """Yield what comes, as it comes; raise `ShareError` where that is too little."""
        since, got = time.monotonic(), 0
        while piece := answer.raw.read1(PIECE_BYTES, decode_content=True):
            yield piece
            got += len(piece)
            if time.monotonic() - since > _SLOW_SECONDS:
                if got < _SLOW_BYTES:
                    raise ShareError(f"{self.shown} sends too slowly: {got:,} bytes in {_SLOW_SECONDS:g} s")
                since, got = time.monotonic(), 0

    def holds(self, name: str, num_bytes: int, sha256: str) -> bool:
        """See `Place.holds`; who cannot mend a file need not ask."""
        raise self.refusal

    @property
    def is_read_only(self) -> bool:
        """See `Place.is_read_only`: web servers take nothing."""
        return True

    def names(self, under: str = "") -> list[str] | None:
        """See `Place.names`: web servers do not list."""
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
        """What is said to those who want to write."""
        return ShareError(f"{self.shown} is a web server, which is read only; push to the folder or bucket behind it")


def _check_requests() -> None:
    """Raise `ShareError` where the library that reads from web servers is missing, as on a bare node."""
    if importlib.util.find_spec("requests") is None:
        raise ShareError("shares on web servers need requests: pip install requests")


@functools.cache
def _sessions() -> threading.local:
    return threading.local()


def _session() -> "requests.Session":
    """Return this thread's session: its connections are used again, and what fails for a moment is tried again."""
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
