"""Where runs are shared: a folder, a web server, or whatever fsspec reaches (S3, GCS, Hugging Face, SFTP).

A place holds files by relative names.  Files are read up to a given length and no further, because nobody vouches for
a place: what is in a file is checked by `reslab.lab.share`.  Web servers are read by `requests`, which is always here,
and cannot be written to.
"""

import contextlib
import errno
import functools
import hashlib
import io
import os
import socket
import ssl
import threading
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol
from urllib.parse import quote, urlsplit, urlunsplit

from reslab.errors import DamagedError, ShareError
from reslab.files import write_whole
from reslab.lab.addresses import OBJECT_STORES, kind_of, without_password

if TYPE_CHECKING:
    import requests

PIECE_BYTES = 2**20
_ABSENT = (403, 404, 410)
"""What web servers say of a file that is not there; object stores say 403 to those who may not list."""
_TIMEOUT_SECONDS = (10.0, 60.0)


class Place(Protocol):
    """Files by relative names."""

    @property
    def shown(self) -> str:
        """Address without passwords."""

    def fetch(self, name: str, to: BinaryIO, most: int) -> str | None:
        """Copy a file into `to` and return its SHA-256; None where there is no such file.

        Raises `DamagedError` where it is longer than `most` bytes, and `ShareError` where the place does not answer.
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
        folder = Folder(Path(url.removeprefix("file://")).expanduser())
        if not folder.path.is_dir() and not may_be_new:
            raise ShareError(f"there is no folder {folder.path}; give the folder or address of a share")
        return folder
    if kind in ("http", "https"):
        return Web(url.rstrip("/"))
    if "::" in url:
        raise ShareError(f"{without_password(url)} chains several file systems; give the address of one place")
    return _by_fsspec(kind, f"{kind}{url[len(kind) :]}")


def read(where: Place, name: str, most: int) -> bytes | None:
    """Return a small file whole, or None where there is none."""
    into = io.BytesIO()
    return None if where.fetch(name, into, most) is None else into.getvalue()


@dataclass(frozen=True)
class Folder:
    """A folder of this machine, or one that is mounted."""

    path: Path

    @property
    def shown(self) -> str:
        """See `Place.shown`."""
        return str(self.path.absolute())

    def fetch(self, name: str, to: BinaryIO, most: int) -> str | None:
        """See `Place.fetch`."""
        try:
            with (self.path / name).open("rb") as file:
                return _copy(iter(lambda: file.read(PIECE_BYTES), b""), to, most, f"{self.shown}/{name}")
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise ShareError(f"{self.path / name} cannot be read: {error.strerror or error}") from error

    @property
    def is_read_only(self) -> bool:
        """See `Place.is_read_only`; whether this user may write shows when it is tried."""
        return False

    def names(self, under: str = "") -> list[str] | None:
        """See `Place.names`."""
        found = (Path(folder) / file for folder, _, files in os.walk(self.path / under) for file in files)
        return sorted(path.relative_to(self.path).as_posix() for path in found)

    def write(self, name: str, content: bytes | Path) -> None:
        """See `Place.write`."""
        with self._written(name) as target:
            write_whole(target, content.read_bytes() if isinstance(content, Path) else content)

    def create(self, name: str, content: bytes) -> bool | None:
        """See `Place.create`: a link to a file that is whole is made or not made, on network file systems, too."""
        with self._written(name) as target:
            whole = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
            try:
                write_whole(whole, content)
                os.link(whole, target)
            except FileExistsError:
                return False
            except OSError as error:
                if error.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK):
                    raise
                return None  # no links here
            finally:
                whole.unlink(missing_ok=True)
        return True

    def remove(self, name: str) -> None:
        """See `Place.remove`; a folder that is empty then goes, too."""
        with self._written(name, make=False) as target:
            target.unlink(missing_ok=True)
            for folder in [above for above in target.parents if above.is_relative_to(self.path) and above != self.path]:
                try:
                    folder.rmdir()
                except OSError:
                    break

    @contextlib.contextmanager
    def _written(self, name: str, *, make: bool = True) -> Iterator[Path]:
        target = self.path / name
        try:
            if make:
                target.parent.mkdir(parents=True, exist_ok=True)
            yield target
        except OSError as error:
            raise ShareError(f"cannot write {target}: {error.strerror or error}") from error


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
        import requests

        parts = urlsplit(self.url)
        address = urlunsplit((parts.scheme, parts.netloc, f"{parts.path}/{quote(name)}", parts.query, ""))
        try:
            with _session().get(address, stream=True, timeout=_TIMEOUT_SECONDS) as answer:
                if answer.status_code in _ABSENT:
                    return None
                if answer.status_code != 200:
                    raise ShareError(f"{self.shown}/{name}: the server answers {answer.status_code} {answer.reason}")
                return _copy(answer.iter_content(PIECE_BYTES), to, most, f"{self.shown}/{name}")
        except requests.RequestException as error:
            raise ShareError(f"{self.shown} cannot be reached: {_reason(error)}") from error

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


@dataclass(frozen=True)
class Remote:
    """What fsspec reaches."""

    url: str
    system: Any
    """A `fsspec.AbstractFileSystem`."""
    root: str

    @property
    def shown(self) -> str:
        """See `Place.shown`."""
        return without_password(self.url)

    def fetch(self, name: str, to: BinaryIO, most: int) -> str | None:
        """See `Place.fetch`."""
        with self._asked():
            try:
                with self.system.open(f"{self.root}/{name}", "rb") as file:
                    return _copy(iter(lambda: file.read(PIECE_BYTES), b""), to, most, f"{self.shown}/{name}")
            except (FileNotFoundError, IsADirectoryError):
                return None

    @property
    def is_read_only(self) -> bool:
        """See `Place.is_read_only`."""
        return False

    def names(self, under: str = "") -> list[str] | None:
        """See `Place.names`."""
        with self._asked():
            self.system.invalidate_cache()
            try:
                found = self.system.find(f"{self.root}/{under}" if under else self.root)
            except FileNotFoundError:
                return []
        root = PurePosixPath("/" + self.root.lstrip("/"))
        return sorted(str(PurePosixPath("/" + path.lstrip("/")).relative_to(root)) for path in found)

    def write(self, name: str, content: bytes | Path) -> None:
        """See `Place.write`: an object is there once it is whole; elsewhere a file gets its name when it is."""
        path = f"{self.root}/{name}"
        with self._asked():
            if self._is_object_store:
                self._put(content, path)
                return
            self.system.makedirs(str(PurePosixPath(path).parent), exist_ok=True)
            whole = f"{PurePosixPath(path).parent}/.{PurePosixPath(path).name}.{uuid.uuid4().hex}"
            try:
                self._put(content, whole)
                self.system.mv(whole, path)
            finally:
                self._remove(whole)

    def create(self, name: str, content: bytes) -> bool | None:
        """See `Place.create`."""
        path = f"{self.root}/{name}"
        with self._asked():
            if not self._is_object_store:
                self.system.makedirs(str(PurePosixPath(path).parent), exist_ok=True)
            try:
                self.system.pipe_file(path, content, mode="create")
            except FileExistsError:
                return False
            except (TypeError, ValueError, NotImplementedError):
                return None
            try:  # many drivers, and servers, take the wish and do not heed it
                self.system.pipe_file(path, content, mode="create")
            except FileExistsError:
                return True
        return None

    def remove(self, name: str) -> None:
        """See `Place.remove`."""
        with self._asked():
            self._remove(f"{self.root}/{name}")

    @functools.cached_property
    def _is_object_store(self) -> bool:
        return kind_of(self.url) in OBJECT_STORES

    def _put(self, content: bytes | Path, path: str) -> None:
        if isinstance(content, Path):
            self.system.put_file(str(content), path)
        else:
            self.system.pipe_file(path, content)

    def _remove(self, path: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            self.system.rm_file(path)

    @contextlib.contextmanager
    def _asked(self) -> Iterator[None]:
        """Turn whatever a driver raises into a `ShareError`: each has its own kinds of errors."""
        try:
            yield
        except (ShareError, DamagedError):
            raise
        except Exception as error:
            raise ShareError(f"{self.shown} cannot be used: {_reason(error)}") from error


def _by_fsspec(kind: str, url: str) -> Remote:
    try:
        import fsspec
        from fsspec.registry import known_implementations
    except ImportError:
        raise ShareError(f"{kind} addresses need fsspec: pip install fsspec") from None
    if kind not in known_implementations:
        raise ShareError(f"{without_password(url)}: nothing here knows {kind!r} addresses")
    try:
        system, root = fsspec.core.url_to_fs(url)
    except ImportError as error:
        raise ShareError(f"{kind} addresses need a driver that is not installed: {error}") from None
    except Exception as error:
        raise ShareError(f"{without_password(url)} cannot be used: {_reason(error)}") from error
    return Remote(url, system, root.rstrip("/"))


def _reason(error: BaseException) -> str:
    """Return why a driver's call failed, for people: what the system said, where the drivers' layers hide it."""
    chain = [error]
    for one in chain:
        inner = (one.__cause__, one.__context__, getattr(one, "reason", None), *one.args)
        chain += [each for each in inner if isinstance(each, BaseException) and each not in chain]
    for one in chain:
        if isinstance(one, ssl.SSLError):
            return f"its certificate or encryption is not accepted ({one.reason or one})"
        if isinstance(one, socket.gaierror):
            return f"no machine of this name is known ({one.strerror})"
    for one in chain:
        if isinstance(one, TimeoutError):
            return "it does not answer in time"
    for one in chain:
        if isinstance(one, OSError) and one.errno is not None and one.strerror:
            return one.strerror
    return f"{type(error).__name__}: {error}"


def _copy(pieces: Iterator[bytes], to: BinaryIO, most: int, name: str) -> str:
    digest, length = hashlib.sha256(), 0
    for piece in pieces:
        length += len(piece)
        if length > most:
            raise DamagedError(f"{name} is longer than the {most:,} bytes that it may have")
        digest.update(piece)
        to.write(piece)
    return digest.hexdigest()


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
        patient = HTTPAdapter(max_retries=Retry(3, backoff_factor=0.3, status_forcelist=(429, 500, 502, 503, 504)))
        for prefix in ("http://", "https://"):
            kept.session.mount(prefix, patient)
    session: requests.Session = kept.session
    return session
