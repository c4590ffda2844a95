"""Atomic writing of files, and reading of JSON and TOML with errors that a user can act on."""

import contextlib
import errno
import hashlib
import json
import math
import os
import stat
import threading
import time
import tomllib
import unicodedata
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, overload

from reslab.errors import DamagedError, FullDiskError, ResLabError, UnreadableError

Json = dict[str, Any]

DIGEST = "digest"
NOT_AS_WRITTEN = "it is not what was written (its SHA-256 differs)"


def write_whole(path: Path, content: bytes) -> None:
    """Write a file atomically: a reader never sees part of the content, even after a power cut.

    Other threads and processes may write it at the same time: the last one wins.  If it raises OSError, the previous
    file is unchanged.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON object atomically; a number that is not finite raises ValueError."""
    write_whole(path, json_bytes(content))


def json_bytes(content: Mapping[str, Any]) -> bytes:
    """Return a JSON object as `write_json` writes it."""
    return (json.dumps(content, indent=1, allow_nan=False) + "\n").encode()


def finite(value: Any) -> Any:
    """Return a value ready for JSON: keys as text, tuples as lists, and None for numbers that are not finite."""
    if isinstance(value, Mapping):
        return {str(key): finite(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [finite(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def signed(content: Mapping[str, Any]) -> Json:
    """Return a JSON object with the SHA-256 of its content added, which `read_json` checks and removes."""
    return {**content, DIGEST: _digest(content)}


@contextlib.contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn an error in reading a file that exists into an `UnreadableError`."""
    try:
        yield
    except FileNotFoundError:
        raise
    except IsADirectoryError as error:
        raise UnreadableError(f"{path} cannot be read: it is a folder where a file should be; move it away") from error
    except OSError as error:
        raise UnreadableError(
            f"{path} cannot be read: {error.strerror or error}; check its permissions and the disk"
        ) from error


def is_there(path: Path) -> bool:
    """Say whether a file or folder exists; raise `UnreadableError` if that cannot be determined."""
    with reading(path):
        return path.exists()


def moved(folder: Path, to: Path) -> bool:
    """Rename a folder; return False if another process has just created one of that name.

    Raises OSError for any other failure.
    """
    try:
        folder.rename(to)
    except OSError as error:
        if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
            raise
        return False
    return True


def now() -> str:
    """Return the current time in UTC, in the format of records."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


FULL = (errno.ENOSPC, errno.EDQUOT)
"""Errors of a full disk or a used-up quota."""


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn an error in writing to the run at `path` into a `ResLabError`."""
    try:
        yield
    except OSError as error:
        kind = FullDiskError if error.errno in FULL else ResLabError
        raise kind(f"cannot write to {path}: {unwritten(error, '--runs')}") from error


def unwritten(error: OSError, flag: str) -> str:
    """Return why a write failed and what to do, naming the flag that sets the folder."""
    why, another = error.strerror or str(error), f"choose another folder with {flag}"
    if error.errno in FULL:
        return f"{why}; make room, or {another}"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"{why}; {another}, or make this one writable"
    if error.errno in (errno.EEXIST, errno.ENOTDIR):
        return f"there is a file where a folder is needed; {another}"
    return f"{why}; {another}"


def read_json(path: Path, *, must_be_signed: bool = False) -> Json | None:
    """Return a JSON object, or None if there is no such file; raise `DamagedError` if it is damaged.

    A `signed` object is checked against its digest; one without a digest is damaged if `must_be_signed`.  Raises
    `UnreadableError` if the system does not let the file be read.
    """
    try:
        with reading(path):
            content = path.read_bytes()
    except FileNotFoundError:
        return None
    return parse_json(content, str(path), must_be_signed=must_be_signed)


def read_toml(path: Path) -> dict[str, Any]:
    """Return the content of a TOML file; raise `ResLabError` if it cannot be read."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))  # Windows Notepad may add a byte order mark
    except OSError as error:
        raise ResLabError(f"cannot read {path}: {error.strerror or error}") from None
    except RecursionError:
        raise ResLabError(f"{path} is not TOML that can be read: its brackets are nested too deep") from None
    except ValueError as error:  # also bytes that are not text, and integers with too many digits
        raise ResLabError(f"{path} is not TOML: {_first(error)}") from None


def _first(error: Exception) -> str:
    """Return what is wrong, without Python's hints to programmers."""
    if isinstance(error, UnicodeDecodeError):
        return "it is not UTF-8"
    if "integer string conversion" in str(error):
        return "it has a number with thousands of digits"
    words = str(error).partition("; use sys.")[0]
    return words.replace("Cannot overwrite a value", "a key occurs twice")


def _not_json(error: ValueError, content: bytes) -> str:
    if not content.strip():
        return "it is empty"
    return f"line {error.lineno} is not JSON" if isinstance(error, json.JSONDecodeError) else _first(error)


def parse_json(content: bytes, name: str, *, must_be_signed: bool = False) -> Json:
    """Return the JSON object in a file's content; raise `DamagedError` with the file's `name`, as `read_json` does."""
    try:
        values = json.loads(content.decode())
    except RecursionError:
        raise DamagedError(f"{name} is damaged: its brackets are nested too deep") from None
    except ValueError as error:
        raise DamagedError(f"{name} is damaged: {_not_json(error, content)}") from None
    if not isinstance(values, dict):
        raise DamagedError(f"{name} is damaged: it should hold a JSON object")
    digest = values.pop(DIGEST, None)
    if (digest is not None or must_be_signed) and digest != _digest(values):
        raise DamagedError(f"{name} is damaged: {NOT_AS_WRITTEN}")
    return values


def file_sha256(path: Path) -> str | None:
    """Return the SHA-256 of a file's content, in hexadecimal; None if there is no such file."""
    try:
        with reading(path), path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return None


def odd_kind(path: Path) -> str:
    """Return in words what a path is if it is not a regular file, e.g. "a FIFO"; "" if it is one or does not exist."""
    try:
        mode = path.stat().st_mode
    except (OSError, RuntimeError) as error:
        if isinstance(error, RuntimeError) or error.errno == errno.ELOOP:
            return "a link that leads back to itself"
        return f"a link to {one_line(str(path.readlink()))}, which does not exist" if path.is_symlink() else ""
    if stat.S_ISREG(mode):
        return ""
    kinds = ((stat.S_ISDIR, "a folder"), (stat.S_ISFIFO, "a FIFO"), (stat.S_ISSOCK, "a socket"))
    return next((words for is_kind, words in kinds if is_kind(mode)), "a device")


def new_folder(below: Path, prefix: str = "") -> Path:
    """Create a new folder named by the time and this process, and return its path; raise OSError if that fails."""
    below.mkdir(parents=True, exist_ok=True)
    folder = below / f"{prefix}{time.strftime('%Y%m%dT%H%M%S')}-{os.getpid()}"
    while True:
        try:
            folder.mkdir()
        except FileExistsError:
            folder = folder.with_name(folder.name + "x")
        else:
            return folder


@overload
def as_path(given: str | Path) -> Path: ...
@overload
def as_path(given: None) -> None: ...
@overload
def as_path(given: str | Path | None) -> Path | None: ...
def as_path(given: str | Path | None) -> Path | None:
    """Return a Path with ~ expanded to the user's home; None, which stands for a default, stays None."""
    if given is None:
        return None
    path = Path(given)
    return path.expanduser() if path.parts[:1] == ("~",) else path


def printable(text: str) -> str:
    """Return the text with what no output can encode (as in names that are not UTF-8) as backslash escapes."""
    return text.encode(errors="backslashreplace").decode()


def one_line(text: str) -> str:
    """Return the text with line breaks and control characters escaped, e.g. for names of folders."""
    return "".join(repr(one)[1:-1] if unicodedata.category(one) in _COMMANDS else one for one in text)


_COMMANDS = ("Cc", "Cs", "Zl", "Zp")
"""Unicode categories: control characters, surrogates (bytes that are not text), line and paragraph separators."""


def is_text(name: str) -> bool:
    """Say whether a name can be encoded in UTF-8; one made from bytes that are not text cannot."""
    return not any(unicodedata.category(one) == "Cs" for one in name)


def sync_folder(folder: Path) -> None:
    """Flush a folder's directory entries to disk, if the system supports it."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _digest(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
