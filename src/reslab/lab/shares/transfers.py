"""Transfers from a place: copying with a length limit, and short reasons for failures."""

import hashlib
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from reslab.errors import DamagedError
from reslab.files import writing

PIECE_BYTES = 2**20


def copied(pieces: Iterator[bytes], to: BinaryIO, most: int, name: str) -> str:
    """Copy pieces into `to` and return their SHA-256; raise `DamagedError` if they are longer than `most` bytes.

    An error in writing them here becomes a `ResLabError` that names the file.
    """
    digest, length = hashlib.sha256(), 0
    for piece in pieces:
        length += len(piece)
        if length > most:
            raise DamagedError(f"{name} is longer than the {most:,} bytes allowed")
        digest.update(piece)
        with writing(Path(getattr(to, "name", "memory"))):  # an error of this disk is not the place's
            to.write(piece)
    return digest.hexdigest()


def reason(error: BaseException) -> str:
    """Return why a driver's call failed, for people: the system's own error, even if the driver wrapped it."""
    chain = [error]
    for one in chain:
        inner = (one.__cause__, one.__context__, getattr(one, "reason", None), *one.args)
        chain += [each for each in inner if isinstance(each, BaseException) and each not in chain]
    for one in chain:
        if isinstance(one, ssl.SSLError):
            return f"its certificate or encryption is not accepted ({one.reason or one})"
        if isinstance(one, socket.gaierror):
            return f"no machine with this name is known ({one.strerror})"
    for one in chain:
        if isinstance(one, TimeoutError):
            return "it does not answer in time"
    for one in chain:
        if isinstance(one, OSError) and one.errno is not None and one.strerror:
            return one.strerror
    return f"{type(error).__name__}: {error}"
