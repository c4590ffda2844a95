"""A place that fsspec reaches: S3, GCS, Hugging Face, SFTP and others."""

import contextlib
import functools
import io
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from reslab.errors import ResLabError, ShareError
from reslab.lab.shares.addresses import OBJECT_STORES, kind_of, without_password
from reslab.lab.shares.transfers import PIECE_BYTES, copied, reason

_SMALL_BYTES = 2**16
"""Files up to this length are fetched for comparison."""


_EXTRAS = {"s3": ("s3", "s3a"), "gcs": ("gs", "gcs"), "huggingface": ("hf",), "sftp": ("sftp", "ssh")}
"""ResLab's extras that install the drivers for these kinds of address."""


def by_fsspec(kind: str, url: str) -> "Remote":
    """Return the place at an address of this kind; raise `ShareError` if there is no usable driver for it."""
    try:
        import fsspec
        from fsspec.registry import known_implementations
    except ImportError:
        raise ShareError(f"{kind} addresses need fsspec: pip install fsspec") from None
    if kind not in known_implementations:
        raise ShareError(f"{without_password(url)}: {kind!r} is not a known kind of address")
    try:
        system, root = fsspec.core.url_to_fs(url)
    except ImportError as error:
        extra = next((extra for extra, kinds in _EXTRAS.items() if kind in kinds), None)
        remedy = f': pip install "reslab[{extra}]"' if extra else f": {error}"
        raise ShareError(f"{kind} addresses need a driver that is not installed{remedy}") from None
    except Exception as error:
        raise ShareError(f"{without_password(url)} cannot be used: {reason(error)}") from error
    return Remote(url, system, root.rstrip("/"))


@dataclass(frozen=True)
class Remote:
    """A place that fsspec reaches."""

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
                    return copied(iter(lambda: file.read(PIECE_BYTES), b""), to, most, f"{self.shown}/{name}")
            except (FileNotFoundError, IsADirectoryError):
                return None

    def holds(self, name: str, num_bytes: int, sha256: str) -> bool:
        """See `Place.holds`: compares the length and, for small files, the SHA-256."""
        with self._asked():
            self.system.invalidate_cache()
            try:
                size = self.system.info(f"{self.root}/{name}")["size"]
            except FileNotFoundError:
                return False
        if size != num_bytes:
            return False
        return num_bytes > _SMALL_BYTES or self.fetch(name, io.BytesIO(), num_bytes) == sha256

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
        """See `Place.write`: object stores write atomically; elsewhere, a complete file is renamed into place."""
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
            try:  # many drivers and servers accept the mode and ignore it
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
        """Turn any error of a driver into a `ShareError`: each driver has its own kinds."""
        try:
            yield
        except ResLabError:
            raise
        except Exception as error:
            raise ShareError(f"{self.shown} cannot be used: {reason(error)}") from error
