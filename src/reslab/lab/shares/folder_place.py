"""A place that is a folder: on this machine, or mounted from another."""

import contextlib
import errno
import os
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from reslab.errors import ShareError, UnreadableError
from reslab.files import file_sha256, write_whole
from reslab.lab.shares.transfers import PIECE_BYTES, copied

_TRIES = 10


@dataclass(unsafe_hash=True)
class Folder:
    """A local or mounted folder; once seen, it must not vanish."""

    path: Path
    _device: int | None = field(default=None, init=False, compare=False)
    """Device it was on when first seen."""

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
        """See `Place.holds`: compares length and SHA-256."""
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
        """See `Place.names`; raises `ShareError` if a folder cannot be read."""
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
        """See `Place.create`: making a hard link to a complete file is atomic, even on network file systems."""
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
        """See `Place.remove`; folders left empty are removed, too."""
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
            self._check_mounted()  # records the device
        except OSError as error:
            remedy = ""
            if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
                remedy = "; make the share writable, or use it without --push"
            raise ShareError(f"cannot write {target}: {error.strerror or error}{remedy}") from error

    def _check_mounted(self) -> None:
        """Raise `ShareError` if the folder existed and is gone, as when it is no longer mounted."""
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
    """Write a file atomically, making its folder; retry if another process removes the folder while it is empty."""
    for tries_left in reversed(range(_TRIES)):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, content)
        except (FileNotFoundError, FileExistsError):
            if not tries_left:
                raise
        else:
            return
