"""Where images are found: the data set of a name from the data root, or the reason why there is none."""

from pathlib import Path

from reslab.data.cifar import LABELS, read_cifar
from reslab.data.digits import load_digits
from reslab.data.folders import Folders, Progress, check_parts, find_root, read_folders
from reslab.data.images import Dataset
from reslab.data.places import cifar_in, looked, places
from reslab.datasets import DATASETS, SHORT, is_named, known
from reslab.errors import DataError, ResLabError, nearest
from reslab.recipe import Recipe, vary

NAMES = tuple(name for name in DATASETS if is_named(name))
"""The data sets that `load` knows; `load_any` also knows those of the user's own images."""


def load(name: str, data_root: Path | None = None) -> Dataset:
    """Return a data set: digits, cifar10, cifar100 or cifar100-coarse, its images in canonical order.

    CIFAR is looked for in `data_root` if given, else where RESLAB_DATA says and then in the user's cache, as
    an unpacked folder or as an archive under their official names.  The digits need no file.  Raises
    `DataError` where there is none, or it is damaged.
    """
    check_name(name)
    check_present(name, data_root)
    match known(name).layout:
        case "scans":
            return load_digits()
        case "cifar":
            path = find(name, data_root)
            assert path is not None
            try:
                return read_cifar(path, LABELS[name][0])[1][name]
            except DataError as error:
                if not path.is_dir() or path == data_root:
                    raise
                raise DataError(
                    f"{error}.  The folder {path} is read before any archive: move it away first"
                ) from error
    raise _unread(name)


def load_any(name: str, data_root: Path | None = None, progress: Progress | None = None) -> Dataset | Folders:
    """Return a data set as `load` does, or the image folder in `data_root`, whose images stay in their files.

    `progress` hears how far their fingerprint has come, which takes a pass over all files the first time.
    """
    if known(name).layout == "folders":
        return read_folders(folder_root(data_root), progress)
    return load(name, data_root)


def identified(recipe: Recipe, data_root: Path | None = None, progress: Progress | None = None) -> Recipe:
    """Return the recipe with its `images` filled in from the data root, where the name of its set does not tell them.

    Raises `DataError` where they are not there.
    """
    if is_named(recipe.dataset):
        return recipe
    return vary(recipe, images=load_any(recipe.dataset, data_root, progress).fingerprint[:SHORT])


def folder_root(data_root: Path | None = None) -> Path:
    """Return the image folder, looked for as `load` looks for CIFAR; raises `DataError` where there is none."""
    root = find_root(places(data_root))
    if root is None:
        raise DataError(
            f"there is no image folder in {looked(data_root)}: ROOT/train/CLASS/*.jpg and ROOT/test/CLASS/*.jpg (or "
            "val) are needed, the classes of one folder divided between the two; --data-root ROOT or RESLAB_DATA says "
            "where"
        )
    return root


def check_present(name: str, data_root: Path | None = None) -> None:
    """Raise `DataError` where `load_any` would find no images of this name; none is read."""
    match known(name).layout:
        case "folders":
            check_parts(folder_root(data_root))
        case "cifar":
            if find(name, data_root) is None:
                raise DataError(_missing(name, data_root))
        case "scans":
            pass  # they come with scikit-learn
        case _:
            raise _unread(name)


def find(name: str, data_root: Path | None = None) -> Path | None:
    """Return the folder or archive that `load` would read, or None; only CIFAR has one."""
    if known(name).layout != "cifar":
        return None
    found = (cifar_in(place, LABELS[name][0]) for place in places(data_root))
    return next(filter(None, found), None)


def check_name(name: str) -> None:
    """Raise `DataError` unless there is a data set of this name."""
    if name not in NAMES:
        raise DataError(f"there is no data set {name!r}; there are {', '.join(NAMES)}{nearest(name, NAMES)}")


def _unread(name: str) -> ResLabError:
    return ResLabError(f"ResLab knows of the data set {name}, but not how to read it")


def _missing(name: str, data_root: Path | None) -> str:
    return (
        f"there are no images of {name} in {looked(data_root)}.  `reslab data fetch {LABELS[name][0]}` "
        "downloads them; `reslab data import PATH` takes an archive or a folder that you have; --data-root or "
        "RESLAB_DATA says where else to look"
    )
