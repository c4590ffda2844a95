"""Read the files of a folder or an archive; an archive is read member by member and never extracted."""

import gzip
import io
import tarfile
import zlib
from collections.abc import Collection, Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from reslab.errors import DataError
from reslab.files import odd_kind

MAX_FILE_BYTES = 256 * 2**20
"""Longer files are refused: CIFAR's largest has 155 MB."""

MAX_ALL_BYTES = 2**30
"""Most bytes that an archive may unpack to: CIFAR's have 190 MB at most."""

MAX_MEMBERS = 1000
"""Most members that an archive may have: CIFAR's have about ten files."""


def read_files(path: Path, wanted: Collection[str]) -> Iterator[tuple[str, BinaryIO]]:
    """Yield the name and the open content of each wanted file in a folder or a .tar.gz archive.

    Files are matched by their base name, whatever folder an archive has them in.  Raises `DataError` if the path is
    missing, is not such an archive, is truncated, or has a member that no legitimate archive has: an absolute path, one
    with `..`, a link, a device, the same file twice.
    """
    if path.is_dir():
        yield from _read_folder(path, wanted)
    elif path.is_file():
        yield from _read_archive(path, wanted)
    elif odd := odd_kind(path):
        raise DataError(f"{path} is not a regular file but {odd}; give an archive or a folder")
    else:
        raise DataError(f"there is no file or folder {path}")


def _read_folder(path: Path, wanted: Collection[str]) -> Iterator[tuple[str, BinaryIO]]:
    for name in wanted:
        file = path / name
        try:
            if not file.is_file():
                continue
            _check_size(file.stat().st_size, str(file))
            content = file.read_bytes()
        except OSError as error:
            raise _unreadable(file, error) from error
        yield name, io.BytesIO(content)


def _read_archive(path: Path, wanted: Collection[str]) -> Iterator[tuple[str, BinaryIO]]:
    members = _members(path, wanted)
    while True:
        try:
            found = next(members, None)
        except (EOFError, zlib.error, OSError, tarfile.TarError) as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise _unreadable(path, error) from error
            raise DataError(
                f"{path} is not a whole .tar.gz archive: truncated or damaged ({error}); get it again"
            ) from error
        if found is None:
            return
        yield found


def _members(path: Path, wanted: Collection[str]) -> Iterator[tuple[str, BinaryIO]]:
    seen: set[str] = set()
    with gzip.open(path) as packed:
        unzipped = _Bounded(packed, path)
        with tarfile.open(fileobj=unzipped, mode="r:") as archive:  # type: ignore[call-overload]
            for number, member in enumerate(archive):
                if number >= MAX_MEMBERS:
                    raise DataError(f"{path} has more than {MAX_MEMBERS:,} members, unlike CIFAR: refused")
                _check_member(member, path)
                name = PurePosixPath(member.name).name
                if not member.isfile() or name not in wanted:
                    continue
                if name in seen:
                    raise DataError(f"{path} holds {name} twice: refused")
                seen.add(name)
                _check_size(member.size, f"{path}: {member.name}")
                content = archive.extractfile(member)
                assert content is not None
                pixels = content.read()
                if len(pixels) != member.size:
                    raise EOFError(f"{member.name} ends early")
                yield name, io.BytesIO(pixels)
        while unzipped.read(2**20):  # to the end, where gzip checks its checksum
            pass


class _Bounded:
    """An unpacked archive read up to a limit, and in no piece larger than CIFAR's largest file."""

    def __init__(self, unzipped: gzip.GzipFile, path: Path) -> None:
        self._unzipped, self._path = unzipped, path
        self.tell = unzipped.tell

    def read(self, size: int) -> bytes:
        if size > MAX_FILE_BYTES + tarfile.RECORDSIZE:
            raise DataError(f"{self._path} has a header of {size:,} bytes: refused")
        self._check(self.tell() + size)
        return self._unzipped.read(size)

    def seek(self, offset: int) -> int:
        self._check(offset)
        return self._unzipped.seek(offset)

    def _check(self, end: int) -> None:
        if end > MAX_ALL_BYTES:
            raise DataError(f"{self._path} unpacks to more than {MAX_ALL_BYTES:,} bytes, unlike CIFAR: refused")


def _check_member(member: tarfile.TarInfo, path: Path) -> None:
    place = PurePosixPath(member.name)
    if place.is_absolute() or ".." in place.parts or "\\" in member.name:
        raise DataError(f"{path} has a member {member.name!r} that points outside the archive: refused")
    if not (member.isfile() or member.isdir()):
        raise DataError(f"{path} has a member {member.name!r} that is a link or a device: refused")


def _unreadable(path: Path, error: OSError) -> DataError:
    return DataError(f"{path} cannot be read: {error.strerror or error}; check its permissions and the disk")


def _check_size(num_bytes: int, where: str) -> None:
    if num_bytes > MAX_FILE_BYTES:
        raise DataError(f"{where} has {num_bytes:,} bytes, more than any file of CIFAR: refused")
