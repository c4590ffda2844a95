"""What a share is, and how the trainings on it are distinguished.

A share is a folder of runs like any other, on a disk, a web server or an object store:

    cifar10-resnet20-3f9a1c2b/seed0/...     files of the run, manifest.json last
    replicates/5f0c.../cifar10-.../seed0/   a second training of the same run, with other results
    studies/depth.json                      recorded studies
    index.json                              ids of the runs and names of the studies, for places that cannot be listed

`listing` says what a share has; `fetching` and `pushing` move ended runs by their ids, so that nothing need be trained
twice.
"""

import re
from dataclasses import dataclass
from typing import Literal

from reslab.errors import DamagedError
from reslab.lab.shares.vetting import listed_in

REPLICATES = "replicates"
"""Folder of second trainings, below the runs and on a share alike."""
ENDS = ("result.json", "failure.json")
"""The file that ended a run is the first of these that it has."""
MADE_LATER = ("diagnostics.json", "predictions.safetensors")
"""Files that may be made after a run's end."""

_RUN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*-[0-9a-f]{8}/seed(0|[1-9]\d{0,9})")
_KEY_DIGITS = 12

Kind = Literal["fetched", "pushed", "there", "replicate", "absent", "refused", "running"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of fetching or pushing a run.

    fetched, pushed; there: it already was; replicate: another training of it was there, and this one is kept beside it;
    absent: there is none; refused: it is invalid; running: it is being trained.
    """

    run: str
    kind: Kind
    words: str = ""


def is_run(name: str) -> bool:
    """Say whether a name can be that of a run: no other name from a share ever becomes a path."""
    return _RUN.fullmatch(name) is not None


def place_beside(first: str | None, other: str | None, name: str) -> tuple[Literal["new", "there", "replicate"], str]:
    """Return whether a training is new, there or a replicate, and its path, from the SHA-256 of each last file."""
    if first is None:
        return "new", name
    if first == other or other is None:
        return "there", name
    return "replicate", beside(other, name)


def beside(ended: str, name: str) -> str:
    """Return where a replicate goes, given the SHA-256 of the file that ended it."""
    return f"{REPLICATES}/{ended[:_KEY_DIGITS]}/{name}"


def end_sha256(content: bytes | None) -> str | None:
    """Return the SHA-256 of the file that ended a run, from its manifest: it differs between two trainings."""
    if content is None:
        return None
    files = listed_in(content)
    for name in ENDS:
        if name in files:
            return str(files[name]["sha256"])
    raise DamagedError("its manifest names no file that ended the run")
