"""The contents of a weights file, recognised by content: safetensors, torch, pickle, NumPy; nothing in it is run."""

import io
import mmap
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import safetensors
import safetensors.torch
import torch
from torch import Tensor

from reslab.errors import CheckpointError
from reslab.foreign import HEAD_BYTES, as_text, describe_text
from reslab.inert import Name, Persistent, PickleError, Table, read_pickle
from reslab.models.foreign import check_archive, check_head, check_part
from reslab.models.hostile import check_name
from reslab.models.stored import DTYPES, NUMPY, StorageName, Storages, from_bytes, from_tensor, parts

MAX_PICKLE_BYTES = 256 << 20
MAX_UNPACKED_BYTES = 4 << 30
"""Maximum unpacked size of the compressed parts of one file."""
MAX_UNPACKED_TIMES = 16
"""Maximum growth on unpacking, beyond 64 MiB: weights hardly compress, zip bombs grow a thousandfold."""

LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
"""The number, pickled, at the start of torch's files from before version 1.6."""


NUMPY_MAGIC = b"\x93NUMPY"


def read_content(path: Path) -> tuple[Any, Storages]:
    """Return a file's content as `reslab.inert` represents it, its arrays as `Stored` or described, and its storages.

    Raises `CheckpointError` with a clause about "it": what the file is if it holds no weights, or what is wrong.
    """
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
        size = file.seek(0, io.SEEK_END)
    if len(head) > 8 and head[8:9] == b"{" and int.from_bytes(head[:8], "little") < 1 << 40:
        return _safetensors(path), _Nowhere()
    check_head(head)
    check_part(path)
    if head.startswith(b"PK\x03\x04"):
        return _zip(path)
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        if head.startswith(NUMPY_MAGIC):
            return _npy(file, size), _Nowhere()
        try:
            return _pickles(content)
        except PickleError as error:
            text = as_text(head)
            if text is not None:
                raise CheckpointError(describe_text(text)) from None
            raise CheckpointError(f"{error}, or not a torch file") from None


class _Nowhere:
    """The storages of a file that has none."""

    def numbers(self, storage: StorageName, _dtype: torch.dtype) -> Tensor:
        raise CheckpointError(f"it is damaged: it refers to the storage {storage.key!r}, which it does not contain")


def _safetensors(path: Path) -> Table:
    try:
        return Table([(name, from_tensor(value)) for name, value in safetensors.torch.load_file(path).items()])
    except (safetensors.SafetensorError, OSError, ValueError, KeyError, RuntimeError, MemoryError) as error:
        raise CheckpointError("it is a safetensors file that is damaged or cut off; get it again") from error


@dataclass
class _Zip:
    """torch's format since 1.6: an archive with a pickle, and a member for each storage."""

    archive: Path
    folder: str
    swapped: bool
    room: int
    """Bytes that the remaining parts may unpack to."""
    known: dict[tuple[str, torch.dtype], Tensor] = field(default_factory=dict)

    def numbers(self, storage: StorageName, dtype: torch.dtype) -> Tensor:
        if (storage.key, dtype) not in self.known:
            with zipfile.ZipFile(self.archive) as archive:
                content = _member(archive, f"{self.folder}data/{storage.key}", self.room)
            self.room -= len(content)
            whole = len(content) - len(content) % dtype.itemsize
            numbers = from_bytes(bytearray(content)[:whole], dtype, swapped=self.swapped)
            self.known[storage.key, dtype] = numbers
        return self.known[storage.key, dtype]


def _zip(path: Path) -> tuple[Any, Storages]:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            check_archive(names)
            if all(name.endswith(".npy") for name in names):
                return _npz(archive, _room(path)), _Nowhere()
            folder = next(name for name in names if name.endswith("data.pkl")).removesuffix("data.pkl")
            pickled = _member(archive, f"{folder}data.pkl", MAX_PICKLE_BYTES)
            order = f"{folder}byteorder"
            swapped = order in names and _member(archive, order, 100).strip() == b"big"
    except CheckpointError:
        raise
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError, ValueError) as error:
        raise CheckpointError(_CUT_OFF) from error
    return read_pickle(io.BytesIO(pickled), check_name), _Zip(path, folder, swapped, _room(path))


def _room(path: Path) -> int:
    """Return the bytes that the parts of an archive may unpack to, at least the size of the file."""
    size = path.stat().st_size
    return max(size, min(MAX_UNPACKED_BYTES, (64 << 20) + MAX_UNPACKED_TIMES * size))


def _member(archive: zipfile.ZipFile, name: str, most: int) -> bytes:
    """Return a member of an archive; raise `CheckpointError` if it is missing, damaged or too large."""
    try:
        with archive.open(name) as file:
            content = file.read(most + 1)
    except KeyError:
        raise CheckpointError(f"it is damaged: its part {name[:200]!r} is missing") from None
    except Exception as error:  # including errors of zlib, bzip2 and the system
        raise CheckpointError(f"it is damaged: its part {name[:200]!r} cannot be unpacked") from error
    if len(content) > most:
        raise CheckpointError(f"its part {name[:200]!r} is too large for weights when unpacked")
    return content


def _npz(archive: zipfile.ZipFile, room: int) -> Table:
    table = Table()
    for name in archive.namelist():
        content = _member(archive, name, room)
        room -= len(content)
        table.pairs.append((name.removesuffix(".npy"), _npy(io.BytesIO(content), len(content))))
    return table


def _npy(file: BinaryIO, size: int) -> Any:
    """Return the array of a .npy file, or what is pickled in it."""
    file.seek(0)
    try:
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, fortran, kind = read(file)
    except (ValueError, EOFError, TypeError, SyntaxError) as error:
        raise CheckpointError("it is a NumPy file that is damaged or cut off; get it again") from error
    if kind.hasobject:
        return read_pickle(file, check_name)
    dtype = NUMPY.get(kind.str[1:])
    count = int(np.prod(shape, dtype=object))
    if dtype is None or min(shape, default=0) < 0:
        return None
    if count * kind.itemsize > size - file.tell():
        raise CheckpointError("it is a NumPy file that is cut off; get it again")
    array = np.frombuffer(file.read(count * kind.itemsize), dtype=kind).reshape(shape, order="F" if fortran else "C")
    return from_tensor(torch.from_numpy(array.astype(kind.newbyteorder("="), order="C")))


@dataclass
class _Legacy:
    """torch's format before 1.6: the numbers of each storage follow the pickles, in the order given by the last one."""

    content: dict[str, bytearray]
    swapped: bool

    def numbers(self, storage: StorageName, dtype: torch.dtype) -> Tensor:
        if storage.key not in self.content:
            raise CheckpointError(f"it is damaged: its storage {storage.key!r} is missing")
        numbers = from_bytes(self.content[storage.key], dtype, swapped=self.swapped)
        if storage.view is None:
            return numbers
        first, count = storage.view
        return numbers[first : first + count]


def _pickles(source: "mmap.mmap | io.BytesIO", depth: int = 0) -> tuple[Any, Storages]:
    """Return the content of a plain pickle, or of the fourth in a sequence of five that torch used to write."""
    first = read_pickle(source, check_name)
    if first != LEGACY_MAGIC:
        return first, _Pickled(depth)
    version, system = read_pickle(source, check_name), read_pickle(source, check_name)
    little = dict(system.named()).get("little_endian", True) if isinstance(system, Table) else True
    root, keys = read_pickle(source, check_name), read_pickle(source, check_name)
    if version != 1001 or type(keys) is not list:
        raise CheckpointError("it is damaged or not in any of torch's formats")
    sizes = _item_sizes(root)
    content: dict[str, bytearray] = {}
    for key in keys:
        count = source.read(8)
        num_bytes = int.from_bytes(count, "little") * sizes.get(str(key), 1)
        numbers = bytearray(source.read(num_bytes)) if len(count) == 8 and num_bytes < 1 << 62 else bytearray()
        if len(count) < 8 or len(numbers) != num_bytes:
            raise CheckpointError(_CUT_OFF)
        content[str(key)] = numbers
    return root, _Legacy(content, swapped=not little)


def _item_sizes(root: Any) -> dict[str, int]:
    """Return the bytes per number of each storage that a pickle names."""
    sizes: dict[str, int] = {}
    todo, seen = [root], set()
    while todo:
        value = todo.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, Persistent) and type(value.key) is tuple and len(value.key) > 2:
            kind = value.key[1].text.rpartition(".")[2] if isinstance(value.key[1], Name) else ""
            dtype = DTYPES.get(kind.removesuffix("Storage"))
            sizes[str(value.key[2])] = dtype.itemsize if dtype is not None else _ITEMS_OF_QUANTISED.get(kind, 1)
        todo.extend(part for _, part in parts(value))
    return sizes


@dataclass
class _Pickled:
    """A plain pickle of tensors: each storage is a complete torch file, as bytes."""

    depth: int

    def numbers(self, storage: StorageName, dtype: torch.dtype) -> Tensor:
        if storage.content is None or self.depth:
            raise CheckpointError(f"it is damaged: its storage {storage.key!r} is missing")
        root, storages = _pickles(io.BytesIO(storage.content), depth=1)
        inner = root if isinstance(root, Persistent) else None
        key = inner.key if inner is not None and type(inner.key) is tuple and len(inner.key) > 2 else (None, None, "")
        return storages.numbers(StorageName(str(key[2]), dtype), dtype)


_CUT_OFF = "it is a torch file that is damaged or cut off; get it again"
_ITEMS_OF_QUANTISED = {"QInt32Storage": 4}
