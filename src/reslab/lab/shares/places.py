"""Where runs are shared: a folder, a web server, or whatever fsspec reaches (S3, GCS, Hugging Face, SFTP).

A place holds files by relative names.  Files are read only up to a given length, because places are not trusted; their
content is checked by `reslab.lab.shares.vetting`.
"""

import io
from pathlib import Path
from typing import BinaryIO, Protocol

from reslab.errors import ShareError
from reslab.lab.shares.addresses import folder_of, kind_of, without_password
from reslab.lab.shares.folder_place import Folder
from reslab.lab.shares.remote_place import by_fsspec
from reslab.lab.shares.web_place import Web


class Place(Protocol):
    """Files by relative names."""

    @property
    def shown(self) -> str:
        """Address without passwords."""

    def fetch(self, name: str, to: BinaryIO, most: int) -> str | None:
        """Copy a file into `to` and return its SHA-256; None if there is no such file.

        Raises `DamagedError` if it is longer than `most` bytes, and `ShareError` if the place does not answer.
        """

    def holds(self, name: str, num_bytes: int, sha256: str) -> bool:
        """Say whether a file has the right length and, where checking is cheap, the right SHA-256.

        Raises `ShareError` if the place does not answer.
        """

    @property
    def is_read_only(self) -> bool:
        """Say whether nothing can be written here."""

    def names(self, under: str = "") -> list[str] | None:
        """Return the names of all files, or of those below a folder; None if the place cannot list them."""

    def write(self, name: str, content: bytes | Path) -> None:
        """Write a file atomically."""

    def create(self, name: str, content: bytes) -> bool | None:
        """Write a file unless it exists; return whether this call did: of several at once, only one gets True.

        Returns None if the place cannot do this; the file may then have been written.
        """

    def remove(self, name: str) -> None:
        """Remove a file, if it exists."""


def place(url: str, *, may_be_new: bool = False) -> Place:
    """Return the place at an address or folder; raise `ShareError` if it cannot be used on this machine.

    A folder must exist unless it `may_be_new`.
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
    """Return a small file's content, or None if there is none; raises as `Place.fetch` does."""
    into = io.BytesIO()
    return None if where.fetch(name, into, most) is None else into.getvalue()
