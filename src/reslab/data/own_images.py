"""The user's own images in memory, kept: arrays that were given, or what a function in a file returns.

They are stored once, below the data root, in a file named by the fingerprint of their content, where a run finds them
when it is resumed or evaluated.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from reslab.data.given_images import PARTS, from_given, numbered
from reslab.data.images import Dataset, ImageSet, make_dataset
from reslab.data.places import keeping_place, looked, places
from reslab.datasets import ARRAYS, SHORT, Size, known
from reslab.errors import DataError
from reslab.files import one_line, write_whole
from reslab.own_code import parse
from reslab.own_running import load_function, modules_of, told

FOLDER = "own"
"""Where they are stored below the data root."""


class Brought(NamedTuple):
    """The user's own images and the file that they are stored in."""

    path: Path
    dataset: Dataset


def from_function(text: str, data_root: Path | None = None, tell: Callable[[str], object] = lambda _: None) -> Brought:
    """Call the function that a text names, e.g. my_images.py:load, and `keep` the images that it returns."""
    reference = parse(text)
    assert reference is not None
    folder = reference.path.absolute().parent
    if not reference.path.is_file():
        raise DataError(f"there is no file {reference.path}, which {text} names")
    with modules_of(folder, reference.file):
        function = load_function(folder, reference)
        try:
            given = function()
        except (Exception, SystemExit) as error:
            raise told(error, reference, folder, "it fails") from error
        try:
            dataset = from_given(given, f"{reference.file}:{reference.function}")
        except DataError as error:
            raise DataError(f"{reference.words}: {error}") from None
        except SystemExit as error:
            raise told(error, reference, folder, "its images cannot be read") from error
    return Brought(keep(dataset, data_root, tell), dataset)


def keep(dataset: Dataset, data_root: Path | None = None, tell: Callable[[str], object] = lambda _: None) -> Path:
    """Store the images below the data root, unless they are there, and return the file.

    If they are there with other class names, the given names replace them and `tell` is called.  Raises `DataError` if
    they cannot be stored, or the stored file is damaged.
    """
    path = keeping_place(data_root) / FOLDER / _file(dataset.fingerprint)
    before = _class_names(path) if path.is_file() else None
    if before is not None and dataset.class_names in (before, numbered(len(before))):
        return path
    arrays: dict[str, NDArray[Any]] = {}
    for which, part in zip(PARTS, (dataset.train, dataset.test), strict=True):
        arrays |= {f"{which}_images": np.ascontiguousarray(part.images), f"{which}_labels": part.labels}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, save(arrays, {"class_names": json.dumps(dataset.class_names)}))
    except OSError as error:
        raise DataError(
            f"cannot keep images in {path.parent}: {error.strerror or error}; choose another with --data-root"
        ) from error
    if before is not None:
        renamed = [(old, new) for old, new in zip(before, dataset.class_names, strict=True) if old != new]
        old, new = map(one_line, renamed[0])
        tell(
            f"{len(renamed)} of the {len(before)} classes of these images have other names from now on, as {new}, "
            f"which was {old}; finished runs keep the old names"
        )
    return path


def _class_names(path: Path) -> tuple[str, ...]:
    with _kept(path) as file:
        return tuple(json.loads(file.metadata()["class_names"]))


def load(name: str, images: str, data_root: Path | None = None) -> Dataset:
    """Return the images stored under a fingerprint; raise `DataError` if they are missing or damaged."""
    path = find(images, data_root)
    if path is None:
        raise DataError(missing(name, images, data_root))
    with _kept(path) as file:
        names = tuple(json.loads(file.metadata()["class_names"]))
        arrays = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (it is not a dict)
        train, test = (ImageSet(arrays[f"{which}_images"], arrays[f"{which}_labels"]) for which in PARTS)
        dataset = make_dataset(name, train, test, names)
    if not dataset.fingerprint.startswith(images):
        raise DataError(
            f"{path} is damaged: it no longer holds the images that it was written with; remove it and give them again"
        )
    return dataset


def count(images: str, data_root: Path | None = None) -> Size | None:
    """Return how many images and classes are stored under a fingerprint, None if there are none.

    Raises `DataError` if they are damaged.
    """
    path = find(images, data_root)
    if path is None:
        return None
    with _kept(path) as file:
        train, test = (file.get_slice(f"{which}_labels").get_shape()[0] for which in PARTS)
        return Size(train, test, len(json.loads(file.metadata()["class_names"])))


@contextmanager
def _kept(path: Path) -> Iterator[Any]:
    """Open a file of stored images; raise `DataError` if it is damaged."""
    try:
        with safe_open(path, framework="numpy") as file:
            yield file
    except (SafetensorError, LookupError, TypeError, ValueError, OSError) as error:
        raise DataError(f"{path} is damaged: {error}; remove it, and give the images again") from None


def sides(images: str, data_root: Path | None = None) -> tuple[int, int] | None:
    """Return the height and width of the images stored under a fingerprint, None if they are missing or damaged."""
    path = find(images, data_root)
    if path is None:
        return None
    with suppress(DataError), _kept(path) as file:
        _, _, height, width = file.get_slice(f"{PARTS[0]}_images").get_shape()
        return height, width
    return None


def find(images: str, data_root: Path | None = None) -> Path | None:
    """Return the file that stores the images of a fingerprint, or None."""
    paths = (place / FOLDER / _file(images) for place in places(data_root))
    return next((path for path in paths if path.is_file()), None)


def _file(fingerprint: str) -> str:
    return f"{fingerprint[:SHORT]}.safetensors"


def missing(name: str, images: str, data_root: Path | None) -> str:
    """Return the message for images that are not stored."""
    again = "reslab.train(images=...)" if name == ARRAYS else f"--dataset {name}"
    return (
        f"the images {images} of {known(name).words} are not kept in {looked(data_root)}: give them again ({again}), "
        f"or copy {FOLDER}/{_file(images)} there from where they were given"
    )
