"""Images of your own in files, a folder a class: found and known by a fingerprint, but never all in memory.

ROOT/train/CLASS/*.jpg    the training images
ROOT/test/CLASS/*.jpg     the images to measure on; ROOT/val/CLASS/*.jpg where there is no such test folder
"""

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reslab.data.decoding import CHECK_SECONDS, VERSION, check_files
from reslab.data.sizes import Size
from reslab.errors import DataError
from reslab.host import usable_cores

NAME = "imagefolder"
"""What the recipe calls any such data set."""

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".ppm", ".tif", ".tiff")
"""Endings of image files, in small or capital letters; other files are passed over."""

NUM_HASHED = 1000
"""Files of each part whose content is in the fingerprint."""


@dataclass(frozen=True, slots=True, eq=False)
class FileSet:
    """Image files with their labels: paths below `folder`, and int64 of N."""

    folder: Path
    names: tuple[str, ...]
    labels: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.names)

    def path(self, place: int) -> Path:
        """Return the file at this place."""
        return self.folder / self.names[place]

    def take(self, indices: NDArray[np.int64]) -> "FileSet":
        """Return the files at these places, in this order."""
        return FileSet(self.folder, tuple(self.names[index] for index in indices), self.labels[indices])


@dataclass(frozen=True, slots=True, eq=False)
class Folders:
    """A data set in files, with what a `Dataset` has."""

    train: FileSet
    test: FileSet
    class_names: tuple[str, ...]
    fingerprint: str
    name: str = NAME
    official: bool = False

    @property
    def num_classes(self) -> int:
        """Number of classes."""
        return len(self.class_names)


def find_root(places: Iterable[Path]) -> Path | None:
    """Return the first PLACE/imagefolder or PLACE that has a folder train, or None; ROOT/train stands for ROOT."""
    roots = [root for place in places for root in (place / NAME, place, *_above(place))]
    return next((root for root in roots if (root / "train").is_dir()), None)


def _above(part: Path) -> tuple[Path, ...]:
    return (part.parent,) if part.name in ("train", "test", "val") and part.is_dir() else ()


def read_folders(root: Path) -> Folders:
    """Return the data set below a folder; no image is decoded.

    Labels follow the names of the classes, sorted, as torchvision has them.  The images are in the order of a hash of
    their names: always the same, and any beginning of it is as good as a random sample.  The fingerprint covers the
    classes, the names and sizes of all files, the content of the first 1,000 of each part (all of a small set), and
    the version of `reslab.data.decoding`; a file beyond those that is changed without changing its size goes unseen.
    Raises `DataError` where a part, a class or the images of a class are missing, or the parts have other classes.
    """
    folders = root / "train", _measured(root)
    parts, sizes = zip(*(_scan(folder) for folder in folders), strict=True)
    (classes, train), (others, test) = parts
    if classes != others:
        odd = sorted(set(classes) ^ set(others))
        raise DataError(
            f"{folders[0]} and {folders[1]} must have the same classes; {len(odd)} of them are in one only, "
            f"{', '.join(odd[:5])}{' and others' if len(odd) > 5 else ''}"
        )
    whole = hashlib.sha256(f"decoding {VERSION}\n".encode())
    whole.update("\0".join(classes).encode("utf-8", "surrogateescape"))
    for part, images, num_bytes in zip(("train", "test"), (train, test), sizes, strict=True):
        whole.update(_fingerprint(part, images, num_bytes))
    return Folders(train, test, tuple(classes), whole.hexdigest())


def check_decodes(dataset: Folders, seconds: float = CHECK_SECONDS) -> None:
    """Decode files for so long, those to measure on first; raise `DataError` that names those that will not do."""
    paths = (images.path(place) for images in (dataset.test, dataset.train) for place in range(len(images)))
    check_files(paths, workers=usable_cores(), seconds=seconds)


def count(root: Path) -> Size:
    """Return how many images and classes there are below a folder; raises `DataError` as `read_folders` does."""
    (classes, train), (_, test) = (_scan(folder)[0] for folder in (root / "train", _measured(root)))
    return Size(len(train), len(test), len(classes))


def check_parts(root: Path) -> None:
    """Raise `DataError` unless there are classes to train and to measure on; no class is looked into."""
    _classes(root / "train")
    _measured(root)


def _measured(root: Path) -> Path:
    for name in ("test", "val"):
        if (root / name).is_dir() and _subfolders(root / name):
            return root / name
    raise DataError(
        f"{root} has images to train on, but none to measure on: there must be a folder test or val with a folder for "
        "each class, as in train"
    )


def _classes(folder: Path) -> list[str]:
    classes = _subfolders(folder)
    if not classes:
        raise DataError(f"{folder} has no folders: there must be one for each class, with its images in it")
    return classes


def _subfolders(folder: Path) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.name for entry in entries if entry.is_dir() and not entry.name.startswith("."))
    except OSError as error:
        raise DataError(f"cannot read {folder}: {error.strerror}") from error


def _scan(folder: Path) -> tuple[tuple[list[str], FileSet], list[int]]:
    """Return the classes and the images of a part in their order, and the sizes of the files in bytes."""
    classes = _classes(folder)
    found: list[tuple[bytes, str, int, int]] = []
    for label, name in enumerate(classes):
        own = _images(folder, name)
        if not own:
            raise DataError(
                f"{folder / name} has no images (files ending in {', '.join(SUFFIXES)}); every class needs at least one"
            )
        found += [(_digest(image), image, label, num_bytes) for image, num_bytes in own]
    found.sort()
    labels = np.array([label for _, _, label, _ in found], dtype=np.int64)
    images = FileSet(folder, tuple(image for _, image, _, _ in found), labels)
    return (classes, images), [num_bytes for *_, num_bytes in found]


def _images(folder: Path, name: str) -> list[tuple[str, int]]:
    """Return the image files in or below a class's folder, by their paths below `folder`, and their sizes."""

    def fail(error: OSError) -> None:
        raise DataError(f"cannot read {error.filename}: {error.strerror}") from error

    found = []
    for where, _, files in os.walk(folder / name, onerror=fail):
        below = Path(where).relative_to(folder).as_posix()
        for file in files:
            if file.lower().endswith(SUFFIXES) and not file.startswith("."):
                try:
                    found.append((f"{below}/{file}", (Path(where) / file).stat().st_size))
                except OSError as error:
                    fail(error)
    return found


def _digest(name: str) -> bytes:
    return hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest()


def _fingerprint(part: str, images: FileSet, sizes: list[int]) -> bytes:
    whole = hashlib.sha256(f"{part} {len(images)}\n".encode())
    for name, num_bytes in zip(images.names, sizes, strict=True):
        whole.update(_digest(name) + num_bytes.to_bytes(8, "little"))
    for place in range(min(NUM_HASHED, len(images))):
        try:
            whole.update(hashlib.sha256(images.path(place).read_bytes()).digest())
        except OSError as error:
            raise DataError(f"cannot read {images.path(place)}: {error.strerror}") from error
    return whole.digest()
