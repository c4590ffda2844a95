"""Arrays in torch and NumPy files: described by a pickle, read on demand, and never trusted."""

import io
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from reslab.errors import CheckpointError
from reslab.inert import Name, Persistent, Record, Table, read_pickle

MAX_DIMENSIONS = 8


class Storages(Protocol):
    """Where a file keeps the numbers of its tensors."""

    def numbers(self, storage: "StorageName", dtype: torch.dtype) -> Tensor:
        """Return all numbers of a storage in one dimension; raise `CheckpointError` if they are missing."""


@dataclass(frozen=True, slots=True)
class StorageName:
    """A storage as a pickle names it."""

    key: str
    dtype: torch.dtype | None
    """None if the tensor gives it."""
    view: tuple[int, int] | None = None
    """First number and count, if it is a part of the storage with this key."""
    content: bytes | None = None
    """A torch file with only the storage, if the pickle embeds one."""


@dataclass(frozen=True, slots=True)
class Stored:
    """An array in a file: its layout, and how to read its numbers."""

    shape: tuple[int, ...]
    dtype: torch.dtype
    identity: tuple[Any, ...]
    """Equal for arrays that share the same numbers in the file."""
    read: Callable[[], Tensor]
    odd: str = ""
    """Why it is not a plain array of numbers; "" if it is."""


def stored(value: Any, storages: Storages) -> Stored | None:
    """Return the array that a value from a pickle describes, or None if it is something else."""
    if isinstance(value, Stored):
        return value
    for _ in range(MAX_DIMENSIONS):  # a parameter of a subclass of a tensor, and so on
        if not isinstance(value, Record):
            return None
        kind = value.maker.rpartition(".")[2]
        arguments = value.arguments if type(value.arguments) is tuple else ()
        if kind in _ODD and value.maker.startswith("torch"):
            return Stored((), torch.float32, (id(value),), _unreadable(_ODD[kind]), _ODD[kind])
        if kind in _TENSORS and value.maker.startswith("torch._utils."):
            return _tensor(arguments, kind, storages)
        if kind in _WRAPPERS and value.maker.startswith("torch") and arguments:
            value = arguments[0]
        elif kind == "_rebuild_from_type_v2" and len(arguments) >= 3 and isinstance(arguments[0], Name):
            value = Record(arguments[0].text, arguments[2])
        else:
            return _array(value)
    return None


def from_tensor(tensor: Tensor) -> Stored:
    """Return a tensor in memory as an array in a file."""
    return Stored(tuple(tensor.shape), tensor.dtype, (id(tensor),), lambda: tensor)


def _tensor(arguments: tuple[Any, ...], kind: str, storages: Storages) -> Stored | None:
    if len(arguments) < 4 or not isinstance(arguments[0], Persistent | Record):
        return None
    storage = _storage(arguments[0])
    offset, size, stride = arguments[1:4]
    shape = _whole(size)
    steps = _whole(stride)
    if storage is None or shape is None or steps is None or _whole((offset,)) is None or len(shape) != len(steps):
        raise CheckpointError("it has a tensor with an invalid description")
    dtype = _dtype(arguments[6]) if kind == "_rebuild_tensor_v3" and len(arguments) > 6 else storage.dtype
    if dtype is None:
        return Stored(shape, torch.uint8, (id(arguments),), _unreadable(_QUANTISED), _QUANTISED)
    marks = arguments[7 if kind == "_rebuild_tensor_v3" else 6 :]
    turned = any(isinstance(one, Table) and one.named().get("neg") is True for one in marks)
    identity = (storage.key, storage.view, offset, shape, steps, dtype, turned)

    def read() -> Tensor:
        numbers = _view(storages.numbers(storage, dtype), offset, shape, steps)
        return -numbers if turned else numbers  # torch may store a tensor as the negative of another

    return Stored(shape, dtype, identity, read)


def _storage(value: Persistent | Record) -> StorageName | None:
    """Return the storage that a pickle names: ("storage", type, key, location, count[, view]) in torch files."""
    if isinstance(value, Record):
        return _within(value)
    key = value.key
    if type(key) is not tuple or len(key) < 3 or key[0] != "storage":
        return None
    kind = key[1].text.rpartition(".")[2] if isinstance(key[1], Name) else ""
    name = key[2] if type(key[2]) in (str, int) else ""
    view: tuple[int, int] | None = None
    if len(key) > 5 and type(key[5]) is tuple and len(key[5]) == 3:
        first, count = _whole(key[5][1:]) or (0, 0)
        view = first, count
    return StorageName(str(name)[:200], DTYPES.get(kind.removesuffix("Storage")), view)


def _within(value: Record) -> StorageName | None:
    """Return the storage embedded in a plain pickle, as a torch file that holds nothing else."""
    content = content_of(value.arguments[0]) if type(value.arguments) is tuple and value.arguments else None
    if value.maker != "torch.storage._load_from_bytes" or content is None:
        return None
    source = io.BytesIO(content)
    *_, inner = (read_pickle(source) for _ in range(4))  # a number, a version, the system, the storage
    outer = _storage(inner) if isinstance(inner, Persistent) else None
    return outer and StorageName(f"{outer.key} of {id(content)}", outer.dtype, None, content)


def _view(numbers: Tensor, offset: int, shape: tuple[int, ...], steps: tuple[int, ...]) -> Tensor:
    """Return the tensor of this shape within the numbers of a storage; it must lie within them and not be larger."""
    count = math.prod(shape)
    if count == 0:
        return torch.empty(shape, dtype=numbers.dtype) if max(shape) < 2**31 else torch.empty(0)
    last = offset + sum((length - 1) * step for length, step in zip(shape, steps, strict=True))
    if count > len(numbers) or last >= len(numbers):
        raise CheckpointError("it is damaged: a tensor claims more numbers than the file has for it")
    return torch.as_strided(numbers, shape, steps, offset)


def _array(value: Record) -> Stored | None:
    """Return the array that a pickled NumPy array describes; None if it is something else."""
    if value.maker.startswith("numpy"):
        kind = value.maker.rpartition(".")[2]
        if kind == "_reconstruct" and type(value.state) is tuple and len(value.state) == 5:
            _, size, dtype, fortran, content = value.state
            return _numpy(size, dtype, fortran is True, content)
        if kind == "_frombuffer" and type(value.arguments) is tuple and len(value.arguments) == 4:
            content, dtype, size, order = value.arguments
            return _numpy(size, dtype, order == "F", content)
    return None


def _numpy(size: Any, kind: Any, fortran: bool, content: Any) -> Stored | None:
    shape, content = _whole(size), content_of(content)
    code = kind.arguments[0] if isinstance(kind, Record) and type(kind.arguments) is tuple and kind.arguments else ""
    dtype = NUMPY.get(code) if type(code) is str else None
    if shape is None or dtype is None or content is None:
        return None
    order = kind.state[1] if type(kind.state) is tuple and len(kind.state) > 1 else "|"

    def read() -> Tensor:
        if len(content) % dtype.itemsize:
            raise CheckpointError("it is damaged: an array is cut off")
        numbers = from_bytes(bytearray(content), dtype, swapped=order == ">")
        lengths = tuple(reversed(shape)) if fortran else shape
        steps = tuple(math.prod(lengths[place + 1 :]) for place in range(len(lengths)))
        array = _view(numbers, 0, lengths, steps)
        return array.permute(*reversed(range(len(shape)))) if fortran else array

    return Stored(shape, dtype, (id(kind), id(content), shape), read)


def content_of(value: Any) -> bytes | None:
    """Return the bytes in a pickle of Python 2 or 3: as bytes, as Python 2 text, or encoded as latin-1."""
    if isinstance(value, Record) and value.maker == "_codecs.encode" and type(value.arguments) is tuple:
        value = value.arguments[0] if value.arguments else None
    if type(value) is str:
        try:
            return value.encode("latin-1")
        except UnicodeEncodeError:
            return None
    return bytes(value) if isinstance(value, bytes | bytearray) else None


def from_bytes(content: bytearray, dtype: torch.dtype, *, swapped: bool = False) -> Tensor:
    """Return the numbers in bytes, without a copy unless `swapped`, that is, of the other byte order."""
    if not content:
        return torch.empty(0, dtype=dtype)
    if swapped and dtype.itemsize > 1:
        width = dtype.itemsize // (2 if dtype.is_complex else 1)
        turned = torch.frombuffer(content, dtype=torch.uint8).reshape(-1, width).flip(1).reshape(-1)
        return turned.contiguous().view(dtype)
    return torch.frombuffer(content, dtype=dtype)


def _whole(values: Any) -> tuple[int, ...] | None:
    """Return values that are valid lengths or offsets: at most `MAX_DIMENSIONS` whole numbers, 0 or more; else None."""
    if isinstance(values, Record) and values.maker == "torch.Size" and type(values.arguments) is tuple:
        values = values.arguments[0] if values.arguments else ()
    if type(values) not in (tuple, list) or len(values) > MAX_DIMENSIONS:
        return None
    return tuple(values) if all(type(value) is int and 0 <= value < 2**62 for value in values) else None


def _dtype(value: Any) -> torch.dtype | None:
    found = getattr(torch, value.text.rpartition(".")[2], None) if isinstance(value, Name) else None
    return found if isinstance(found, torch.dtype) else None


def _unreadable(why: str) -> Callable[[], Tensor]:
    def read() -> Tensor:
        raise CheckpointError(f"it holds {why}")

    return read


def parts(value: Any) -> list[tuple[str | None, Any]]:
    """Return the parts of a value from a pickle, each with its name or index, or None without either."""
    if isinstance(value, Table):
        return [(_name(key), part) for key, part in value.pairs]
    if isinstance(value, Record):
        rest = [
            part for given in (value.state, value.arguments) for part in (given if type(given) is tuple else [given])
        ]
        return [*parts(value.table), *((None, part) for part in (*value.elements, *rest))]
    return [(str(place), part) for place, part in enumerate(value)] if type(value) in (list, tuple) else []


def _name(key: Any) -> str | None:
    """Return a key as a name, with bytes decoded; None if it cannot be one."""
    if type(key) is str:
        return key
    if type(key) in (int, float):
        return str(key)
    content = content_of(key)
    return None if content is None else content.decode("latin-1")


DTYPES: dict[str, torch.dtype] = {
    "Float": torch.float32,
    "Double": torch.float64,
    "Half": torch.float16,
    "BFloat16": torch.bfloat16,
    "Long": torch.int64,
    "Int": torch.int32,
    "Short": torch.int16,
    "Char": torch.int8,
    "Byte": torch.uint8,
    "Untyped": torch.uint8,
    "Bool": torch.bool,
    "ComplexFloat": torch.complex64,
    "ComplexDouble": torch.complex128,
}
"""Dtypes by torch's names of storages."""

NUMPY: dict[str, torch.dtype] = {
    "f2": torch.float16,
    "f4": torch.float32,
    "f8": torch.float64,
    "i8": torch.int64,
    "i4": torch.int32,
    "i2": torch.int16,
    "i1": torch.int8,
    "u1": torch.uint8,
    "b1": torch.bool,
    "c8": torch.complex64,
    "c16": torch.complex128,
}
"""Dtypes by NumPy's codes."""

_TENSORS = ("_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_tensor_v3")
_WRAPPERS = (
    "_rebuild_parameter",
    "_rebuild_parameter_with_state",
    "_rebuild_device_tensor_from_numpy",
    "_rebuild_device_tensor_from_cpu_tensor",
    "_rebuild_xla_tensor",
    "Parameter",
    "Buffer",
)
_QUANTISED = "quantised numbers (dequantise the network before it is saved)"
_ODD = {
    "_rebuild_qtensor": _QUANTISED,
    "_rebuild_sparse_tensor": "a sparse tensor (save it with to_dense)",
    "_rebuild_sparse_csr_tensor": "a sparse tensor (save it with to_dense)",
    "_rebuild_nested_tensor": "a nested tensor",
    "_rebuild_meta_tensor_no_storage": "a tensor on the meta device, which has a shape but no numbers",
    "_rebuild_wrapper_subclass": "a tensor of a kind that torch itself does not know",
}
