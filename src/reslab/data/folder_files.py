"""Find and read the image folder in the data root or the user's cache."""

from pathlib import Path

from reslab.data.folders import Folders, Progress, check_parts, find_root, in_place_of_train, read_folders
from reslab.data.places import looked, places
from reslab.errors import DataError


def load(_: str, data_root: Path | None, progress: Progress | None = None) -> Folders:
    """Return the image folder, whose images stay in their files; raise `DataError` if there is none."""
    return read_folders(folder_root(data_root), progress)


def find(_: str, data_root: Path | None = None) -> Path:
    """Return the image folder after a look at its parts; raise `DataError` if it or a part of it is missing."""
    root = folder_root(data_root)
    check_parts(root)
    return root


def folder_root(data_root: Path | None = None) -> Path:
    """Return the image folder, searched for in the same places as CIFAR; raise `DataError` if there is none."""
    root = find_root(places(data_root))
    if root is None:
        instead = in_place_of_train(places(data_root))
        raise DataError(
            f"there is no image folder in {looked(data_root)}{f' ({instead})' if instead else ''}: "
            "ROOT/train/CLASS/*.jpg and ROOT/test/CLASS/*.jpg (or val) are needed, with every class in both; set ROOT "
            "with --data-root ROOT or RESLAB_DATA"
        )
    return root
