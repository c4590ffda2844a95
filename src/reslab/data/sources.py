"""Load a data set by its name from the data root, or say why it is not there."""

from importlib import import_module
from pathlib import Path
from typing import Any

from reslab.data import own_images
from reslab.data.folders import Folders, Progress
from reslab.data.images import Dataset
from reslab.data.places import looked
from reslab.datasets import DATASETS, is_brought, known, named
from reslab.errors import DataError, ResLabError, nearest
from reslab.recipe import Recipe


def load(name: str, data_root: Path | None = None) -> Dataset:
    """Return a data set identified by its name (digits, cifar10, ...), its images in canonical order.

    Files are looked for in `data_root` if given, else where RESLAB_DATA says and then in the user's cache.  Raises
    `DataError` if it is missing or damaged.
    """
    check_name(name)
    loaded = load_any(name, data_root)
    assert isinstance(loaded, Dataset)
    return loaded


def load_any(
    name: str, data_root: Path | None = None, progress: Progress | None = None, *, images: str = ""
) -> Dataset | Folders:
    """Return a data set as `load` does, or the image folder in `data_root`, whose images stay in their files.

    `progress` reports on their fingerprint, which takes a pass over all files the first time.  `images` says which of
    the user's own arrays are meant (see `Recipe.images`); none of the user's code is run.
    """
    if is_brought(name):
        return own_images.load(name, images, data_root)
    check_present(name, data_root)
    loaded: Dataset | Folders = _function(name, known(name).loader)(name, data_root, progress)
    return loaded


def load_for(recipe: Recipe, data_root: Path | None = None) -> Dataset | Folders:
    """Return the images of a recipe, as `load_any` does."""
    return load_any(recipe.dataset, data_root, images=recipe.images)


def check_present(name: str, data_root: Path | None = None) -> None:
    """Raise `DataError` if `load_any` would find no images of this name; none is read."""
    if known(name).finder is not None and find(name, data_root) is None:
        raise DataError(_missing(name, data_root))


def find(name: str, data_root: Path | None = None) -> Path | None:
    """Return the file or folder that `load_any` would read; None if there is none or the set needs no file."""
    finder = known(name).finder
    if finder is None:
        return None
    found: Path | None = _function(name, finder)(name, data_root)
    return found


def check_name(name: str) -> None:
    """Raise `ResLabError` unless this name identifies a data set."""
    if name not in named():
        raise ResLabError(f"there is no data set {name!r}; there are {', '.join(named())}{nearest(name, named())}")


def _function(name: str, place: str) -> Any:
    """Return the function that the table names as module:function."""
    module, _, function = place.partition(":")
    try:
        return getattr(import_module(module), function)
    except (ImportError, AttributeError, ValueError):
        raise ResLabError(f"ResLab knows the data set {name}, but not how to read it: there is no {place!r}") from None


def _missing(name: str, data_root: Path | None) -> str:
    archive = known(name).archive
    way = ""
    if archive is not None:
        owner = next(other for other, spec in DATASETS.items() if spec.archive == archive)
        way = (
            f"`reslab data fetch {owner}` downloads them; `reslab data import PATH` takes an archive or a folder that "
            "you have; "
        )
    where = "--data-root or RESLAB_DATA says where else to look"
    return f"there are no images of {name} in {looked(data_root)}.  {way}{where}"
