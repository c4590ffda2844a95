"""Errors shown to users, each with the exit code that the command line returns for it."""

import difflib
from collections.abc import Iterable


def nearest(name: str, known: Iterable[str]) -> str:
    """Return " (did you mean ...?)" with the nearest known name, to follow a wrong one, or ""."""
    close = closest(name, known)
    return "" if close is None else f" (did you mean {close!r}?)"


USUAL = {"lr": "learning_rate", "wd": "weight_decay", "bs": "batch_size", "rate": "learning_rate"}
"""Common names elsewhere for some fields of a recipe."""


def closest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that is nearest to a wrong one or is meant by it elsewhere, if there is one."""
    known = list(known)
    if (usual := USUAL.get(name.lower())) in known:
        return usual
    plain = {one.replace("-", "").replace("_", "").lower(): one for one in known}
    close = difflib.get_close_matches(name.replace("-", "").replace("_", "").lower(), plain, n=1)
    return plain[close[0]] if close else None


class ResLabError(ValueError):
    """A user's mistake or a limit of their machine: the message says what is wrong and what to do."""

    exit_code = 2


class UnknownRunError(ResLabError, KeyError):
    """There is no run of this id among those looked up."""

    __str__ = Exception.__str__  # a KeyError quotes its message


class DataError(ResLabError):
    """Images are missing, damaged, or not what they should be."""

    exit_code = 4


class CheckpointError(ResLabError):
    """Saved weights or a checkpoint are missing, damaged, or do not fit the network."""

    exit_code = 5


class DamagedError(CheckpointError):
    """A file is not what was written to it."""


class UnreadableError(ResLabError):
    """A file exists but the system does not let it be read; its content may be intact."""


class FullDiskError(ResLabError):
    """The disk that holds a folder is full, or the user's quota on it is used up."""


class ShareError(ResLabError):
    """A place where runs are shared cannot be reached, or serves something that must not be used."""

    exit_code = 6


class OwnCodeError(ResLabError):
    """A network of the user's own failed during training."""

    exit_code = 3


class LockedError(ResLabError):
    """Another process holds the run."""

    exit_code = 8


class NothingToReportError(ResLabError):
    """No run has an epoch yet, and writing would overwrite a report that has some."""


class ReplacedError(ResLabError):
    """The folder of a run was removed or replaced during training."""


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, or its type and arguments where it has none."""
    return (str(error).splitlines() or [repr(error)])[0]
