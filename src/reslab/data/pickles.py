"""Read CIFAR's pickled batches without running anything: only a few names are allowed, and all are inert here."""

import pickle
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from reslab.errors import DataError


def read_pickle(file: BinaryIO, where: str) -> dict[str, Any]:
    """Return the pickled dict with text keys; arrays are uint8 NumPy arrays, and Python 2 strings are bytes.

    `where` names the file in messages.  Raises `DataError` if the pickle is damaged, is not a dict, or names anything
    beyond what an official batch needs (an array, its data type, its constructor).
    """
    try:
        content = _Unpickler(file, where).load()
    except DataError:
        raise
    except Exception as error:  # damaged pickles raise nearly anything
        raise DataError(f"{where} is damaged or truncated ({error}); fetch or import the data again") from error
    if not isinstance(content, dict):
        raise DataError(f"{where} holds a {type(content).__name__}, not the dict of a CIFAR batch")
    return {_text(key, where): _plain(value, where) for key, value in content.items()}


class _Array:
    """Stands in for an array while unpickling: keeps its state and runs nothing."""

    __slots__ = ("state",)

    def __new__(cls, *_arguments: Any) -> "_Array":
        made = super().__new__(cls)
        made.state = None
        return made

    state: Any

    def __setstate__(self, state: Any) -> None:
        self.state = state


class _DataType:
    """Stands in for an array's data type while unpickling."""

    __slots__ = ("name",)

    def __init__(self, name: Any, *_arguments: Any) -> None:
        self.name = name.decode("latin1") if isinstance(name, bytes) else name

    def __setstate__(self, _state: Any) -> None:
        """Ignore byte order and alignment, which bytes do not have."""


# The official pickles name these (NumPy 2 moved the module).  NumPy itself is not called, and the stand-ins only store
# what they are given.
_ALLOWED: dict[tuple[str, str], type] = {
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _DataType,
    ("numpy.core.multiarray", "_reconstruct"): _Array,
    ("numpy._core.multiarray", "_reconstruct"): _Array,
}


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: BinaryIO, where: str) -> None:
        super().__init__(file, encoding="bytes")
        self._where = where

    def find_class(self, module: str, name: str) -> type:
        try:
            return _ALLOWED[module, name]
        except KeyError:
            raise DataError(
                f"{self._where} asks for {module}.{name}, which no CIFAR batch needs: refused, not run"
            ) from None


def _plain(value: Any, where: str) -> Any:
    return _to_numpy(value, where) if isinstance(value, _Array) else value


def _to_numpy(array: _Array, where: str) -> NDArray[np.uint8]:
    try:
        _, shape, kind, is_fortran, pixels = array.state
        if kind.name not in ("u1", "uint8") or is_fortran or not isinstance(pixels, bytes):
            raise ValueError("not a row-major array of uint8")
        return np.frombuffer(pixels, dtype=np.uint8).reshape(shape)
    except (TypeError, ValueError, AttributeError) as error:
        raise DataError(f"{where} holds an array that cannot be read ({error})") from error


def _text(key: Any, where: str) -> str:
    if isinstance(key, bytes):
        return key.decode("latin1")
    if isinstance(key, str):
        return key
    raise DataError(f"{where} has a key that is not text: {key!r}")
