"""Images that no name identifies: read before anything is planned, so that each set of them has its own runs."""

import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reslab.datasets import ARRAYS, SHORT, is_brought, is_named, known
from reslab.errors import ResLabError
from reslab.files import one_line
from reslab.lab.folder.store import run_files
from reslab.naming import dataset_name
from reslab.recipe import Run, vary
from reslab.session.progress import PLAIN_SECONDS, Tell

QUIET_SECONDS = 2.0
"""Reading that takes no longer than this is not reported."""

SHOWN_CLASSES = 5


@dataclass(frozen=True, slots=True)
class OwnImages:
    """A set of the user's own images, as a plan shows it."""

    dataset: str
    folder: Path
    fingerprint: str
    num_train: int
    num_test: int
    class_names: tuple[str, ...]

    @property
    def words(self) -> str:
        """The set in a line."""
        shown = ", ".join(map(one_line, self.class_names[:SHOWN_CLASSES]))
        more = ", ..." if len(self.class_names) > SHOWN_CLASSES else ""
        return (
            f"{known(self.dataset).words} {one_line(str(self.folder))}: {self.num_train:,} training and "
            f"{self.num_test:,} test images, {len(self.class_names)} classes ({shown}{more}), "
            f"fingerprint {self.fingerprint}"
        )

    def facts(self) -> dict[str, Any]:
        """Return the set for scripts."""
        return {
            "dataset": self.dataset,
            "folder": str(self.folder),
            "fingerprint": self.fingerprint,
            "num_train": self.num_train,
            "num_test": self.num_test,
            "num_classes": len(self.class_names),
        }


def look_at(datasets: Iterable[str], data_root: Path | None, tell: Tell) -> list[OwnImages]:
    """Return those of the data sets whose names do not identify their images, as found in the data root.

    Reads all their files the first time, and reports its progress and any reasons to doubt them; raises `DataError`
    where they are missing.
    """
    asked = [name for name in dict.fromkeys(datasets) if not is_named(name)]
    if not asked:
        return []
    from reslab.data.doubts import doubts
    from reslab.data.folders import Folders
    from reslab.data.own_images import from_function
    from reslab.data.sources import load_any

    found = []
    for name in asked:
        if name == ARRAYS:  # its recipe has the fingerprint
            continue
        if is_brought(name):
            path, brought = from_function(name, data_root, lambda words: tell(f"remark: {words}"))
            _remark(doubts(brought), tell)
            sizes = (len(brought.train), len(brought.test))
            found.append(OwnImages(name, path, brought.fingerprint[:SHORT], *sizes, brought.class_names))
            continue
        dataset = load_any(name, data_root, _Progress(tell))
        assert isinstance(dataset, Folders)
        _remark(dataset.remarks, tell)
        counts = (len(dataset.train), len(dataset.test))
        found.append(
            OwnImages(name, dataset.folder.absolute(), dataset.fingerprint[:SHORT], *counts, dataset.class_names)
        )
    return found


def _remark(remarks: Iterable[str], tell: Tell) -> None:
    for words in remarks:
        tell(f"remark: {words}")


def fingerprints(own: Iterable[OwnImages]) -> dict[str, str]:
    """Return the fingerprints of these images, which recipes hold, by data set."""
    return {one.dataset: one.fingerprint for one in own}


def tell_former(root: Path, runs: Iterable[Run], tell: Tell) -> None:
    """Report runs of the same recipes that an earlier version left, which do not record their images."""
    for run in runs:
        former = Run(vary(run.recipe, images=""), run.seed)
        if run.recipe.images and run_files(root, former).exists:
            tell(
                f"remark: {former.id} comes from an earlier ResLab, whose ids did not distinguish image folders; "
                f"it is left unchanged, and {run.id} is a new run"
            )


def tell_unofficial(root: Path, runs: Iterable[Run], tell: Tell) -> None:
    """Report ended runs that are named after a published set but were trained on other images."""
    others = []
    for run in runs:
        files = run_files(root, run)
        with suppress(ResLabError):  # its reader reports it
            found = files.images()
            if found.get("official") is False and not run.recipe.images and files.ended() is not None:
                others.append(run)
    if others:
        first = others[0]
        what = "it was" if len(others) == 1 else f"it and {len(others) - 1} more were"
        tell(
            f"remark: {first.id} has ended, but {what} trained on images other than the official ones of "
            f"{dataset_name(first.recipe.dataset)}: reports keep such runs apart.  To train again, remove the folder "
            f"{run_files(root, first).path}"
        )


class _Progress:
    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._next = time.monotonic() + QUIET_SECONDS

    def __call__(self, done: int, total: int) -> None:
        if (now := time.monotonic()) >= self._next:
            self._tell(f"reading each image once, to fingerprint the set: {done:,} of {total:,} ({done / total:.0%})")
            self._next = now + PLAIN_SECONDS
