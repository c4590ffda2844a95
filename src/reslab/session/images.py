"""Fetch, import, check and list images, for Python and the verbs `data ...`."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from reslab.datasets import known
from reslab.errors import DataError
from reslab.files import as_path
from reslab.session.listing import Listing
from reslab.session.notebook import NotebookBars, display_handle
from reslab.session.progress import Tell, aside

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from reslab.data.fetch import Imported


@dataclass(frozen=True, slots=True)
class CheckedImages:
    """An image folder in which every file can be decoded."""

    path: Path
    num_train: int
    num_test: int
    num_classes: int
    passed_over: dict[str, int]
    """Number of files that are not part of the set, by ending."""
    remarks: tuple[str, ...]
    """Reasons to doubt the set, such as test images that are training images, too."""


class Images(NamedTuple):
    """The images of a data set, uint8 of N x C x H x W, their labels, int64 of N, and the names of the classes."""

    x_train: "NDArray[np.uint8]"
    y_train: "NDArray[np.int64]"
    x_test: "NDArray[np.uint8]"
    y_test: "NDArray[np.int64]"
    class_names: tuple[str, ...]


def load_data(name: str, *, data_root: str | Path | None = None) -> Images:
    """Return the images of a data set, such as digits or cifar10, as new arrays, in the order of predictions.

    `train` and `study` accept them as `images=`.  Raises `DataError` where the images are missing or damaged.
    """
    from reslab.data.sources import load

    found = load(name, as_path(data_root))
    (x_train, y_train), (x_test, y_test) = ((one.images.copy(), one.labels.copy()) for one in (found.train, found.test))
    return Images(x_train, y_train, x_test, y_test, found.class_names)


def fetch_data(
    name: str, *, mirrors: Sequence[str] = (), data_root: str | Path | None = None, tell: Tell = aside
) -> Path:
    """Download the official archive of a data set, checked by its SHA-256, and return where it is kept.

    `name` is cifar10, cifar100 or cifar100-coarse (the same archive).  Base URLs are tried in order: `mirrors`, those
    in RESLAB_MIRRORS, ResLab's own.  An interrupted download resumes; a completed one is not repeated.  Raises
    `DataError` where no mirror delivers.
    """
    from reslab.data.fetch import fetch

    bars: Progress | NotebookBars
    if (handle := display_handle()) is not None:
        bars = NotebookBars(handle)
    else:
        console = Console(stderr=True)
        columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
        bars = Progress(TextColumn("{task.description}"), *columns, console=console, disable=not console.is_terminal)
    bars.start()
    try:
        task = bars.add_task(name, total=None)
        return fetch(
            name,
            as_path(data_root),
            mirrors=mirrors,
            progress=lambda done, total: bars.update(task, completed=done, total=total),
            notice=lambda words: tell(f"reslab: {words}; trying the next mirror"),
        )
    finally:
        bars.stop()


def import_data(path: str | Path, *, force: bool = False, data_root: str | Path | None = None) -> "Imported":
    """Check images that you have, then copy them to where ResLab looks: CIFAR's archives, or the folders in them.

    With `force`, images that are not the official ones are accepted, too.  Returns the name of the data set, where it
    is kept, whether it is the official one and whether it was there already.  Raises `DataError` for what cannot be
    read.
    """
    from reslab.data.fetch import import_path

    return import_path(as_path(path), as_path(data_root), allow_unofficial=force)


def check_data(data_root: str | Path | None = None) -> CheckedImages:
    """Decode every file of the image folder in the data root and count the images.

    Before training, ResLab decodes files for a few seconds only; in a large set, a bad file may stop a run hours later.
    Also counts skipped files, and test images that are training images, too.  Raises `DataError` listing the files that
    cannot be decoded.
    """
    from reslab.data.folder_files import folder_root
    from reslab.data.folders import check_decodes, passed_over, read_folders

    try:
        root = folder_root(as_path(data_root))
    except DataError as error:
        raise DataError(
            f"{error}.  This checks image folders only; CIFAR and digits are checked whenever they are read: "
            "`reslab data list` shows which are here"
        ) from None
    dataset = read_folders(root)
    check_decodes(dataset, seconds=math.inf, most=None)
    sizes = (len(dataset.train), len(dataset.test), dataset.num_classes)
    return CheckedImages(root, *sizes, passed_over(root), dataset.remarks)


def list_data(data_root: str | Path | None = None) -> Listing:
    """Return the data sets: their sizes, whether they are here, and whether they are the official ones.

    Reads those that are here in full, which takes a few seconds; the files of an image folder are only counted.
    """
    from reslab.data.fetch import available

    rows, cells = [], []
    for item in available(as_path(data_root)):
        rows.append(
            {
                "name": item.name,
                "num_train": item.num_train,
                "num_test": item.num_test,
                "num_classes": item.num_classes,
                "path": None if item.path is None else str(item.path),
                "official": item.official,
                "problem": item.problem,
            }
        )
        where = f"comes with {package}" if (package := known(item.name).comes_with) else str(item.path or "not here")
        state = item.problem or {True: "official", False: "not the official images", None: ""}[item.official]
        cells.append([item.name, f"{item.num_train:,}", f"{item.num_test:,}", str(item.num_classes), where, state])
    row = _image_folder(as_path(data_root))
    rows.append(row)
    counts = ("-" if row[name] is None else f"{row[name]:,}" for name in ("num_train", "num_test", "num_classes"))
    cells.append([row["name"], *counts, row["path"] or "not here", row["problem"] or ""])
    return Listing("Data sets", rows, ["name", "train", "test", "classes", "where", ""], cells)


def _image_folder(data_root: Path | None) -> dict[str, Any]:
    """Return the row of the image folder, for `list_data`."""
    from reslab.data.folder_files import folder_root
    from reslab.data.folders import NAME, count

    size, path, problem = None, None, None
    try:
        path = folder_root(data_root)
        size = count(path)
    except DataError as error:
        problem = None if path is None else str(error)
    return {
        "name": NAME,
        "num_train": size and size.num_train,
        "num_test": size and size.num_test,
        "num_classes": size and size.num_classes,
        "path": None if path is None else str(path),
        "official": None,
        "problem": problem,
    }
