"""Files written whole or not at all, and JSON objects read with an error a user can act on."""

import contextlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from reslab.errors import ResLabError, UnreadableError

Json = dict[str, Any]


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that its name only ever shows the whole content, even after a power cut.

    Raises OSError, and then leaves what was there before.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
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
    """Write a JSON object whole or not at all; a number that is not finite raises ValueError."""
    write_whole(path, (json.dumps(content, indent=1, allow_nan=False) + "\n").encode())


@contextlib.contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn what keeps a file that is there from being read into an `UnreadableError`."""
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        raise UnreadableError(
            f"{path} cannot be read: {error.strerror or error}; see to its permissions and its disk"
        ) from error


def read_json(path: Path) -> Json | None:
    """Return a JSON object, or None where there is no such file; raise `ResLabError` where it is damaged.

    Raises `UnreadableError` where the system does not let it be read.
    """
    try:
        with reading(path):
            content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except UnreadableError:
        raise
    except ValueError as error:
        raise ResLabError(f"{path} is damaged: {error}") from None
    if not isinstance(content, dict):
        raise ResLabError(f"{path} is damaged: it should hold a JSON object")
    return content


def printable(text: str) -> str:
    """Return the text with what no output can take, as of names that are not UTF-8, written as backslash escapes."""
    return text.encode(errors="backslashreplace").decode()


def sync_folder(folder: Path) -> None:
    """See the names in a folder on the disk, where the system can do that."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
