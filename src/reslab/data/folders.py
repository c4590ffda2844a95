"""Your own images in files, one folder per class: fingerprinted, but never all in memory.

ROOT/train/CLASS/*.jpg    the training images
ROOT/test/CLASS/*.jpg     the images to evaluate on; ROOT/val/CLASS/*.jpg if there is no such test folder
"""

import hashlib
import os
import stat
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reslab.data.decoding import CHECK_SECONDS, NUM_NAMED, VERSION, check_files
from reslab.data.doubts import alike, repeated
from reslab.data.file_digests import digests, key_of
from reslab.datasets import Size
from reslab.errors import DataError
from reslab.files import is_text, odd_kind, one_line
from reslab.host import usable_cores

NAME = "imagefolder"
"""The name of any such data set in a recipe."""

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".ppm", ".tif", ".tiff")
"""Extensions of image files, in lower or upper case; other files are ignored."""

FORMERLY_HASHED = 1000
"""Files per part whose content earlier versions of ResLab covered in a fingerprint; now all are."""

Progress = Callable[[int, int], None]
"""Called repeatedly with the number of files read and the total."""


@dataclass(frozen=True, slots=True, eq=False)
class FileSet:
    """Image files with their labels: N paths below `folder`, and int64 of N."""

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
    """A data set in files, with the attributes of a `Dataset`.

    `former` is the fingerprint that earlier versions, which decoded differently, gave the same files; `remarks` are
    warnings about them.
    """

    train: FileSet
    test: FileSet
    class_names: tuple[str, ...]
    fingerprint: str
    former: str
    name: str = NAME
    official: bool = False
    remarks: tuple[str, ...] = ()

    @property
    def folder(self) -> Path:
        """The folder that it was read from."""
        return self.train.folder.parent

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


def read_folders(root: Path, progress: Progress | None = None) -> Folders:
    """Return the data set below a folder; no image is decoded.

    Labels number the sorted class names, as in torchvision.  The images are sorted by a hash of their names: the order
    is always the same, and its first images are as good as a random sample.  The fingerprint covers the classes, the
    part, class, name and content of every file, and the version of `reslab.data.decoding`, but not where the folder is
    or when it was written.  It takes one read of all files (see `reslab.data.file_digests`); `progress` reports on it.
    Raises `DataError` if a part, a class or the images of a class are missing, there is only one class, or the parts
    have different classes.
    """
    folders = root / "train", _measured(root)
    (classes, train, train_files), (others, test, test_files) = (_scan(folder) for folder in folders)
    _check_alike(root, classes, others)
    paths = [part.path(place) for part in (train, test) for place in range(len(part))]
    content = digests(root, paths, [key for _, key in train_files + test_files], progress)
    parts = (
        ("train", train, train_files, content[: len(train)]),
        ("test", test, test_files, content[len(train) :]),
    )
    names = "\0".join(classes).encode("utf-8", "surrogateescape")
    whole, former = hashlib.sha256(f"decoding {VERSION}\n".encode() + names), hashlib.sha256(names)
    for part, images, files, own in parts:
        sizes = [num_bytes for num_bytes, _ in files]
        whole.update(_fingerprint(part, images, sizes, own))
        former.update(_fingerprint(part, images, sizes, own[:FORMERLY_HASHED]))
    remarks = (*repeated(*((own, images.labels) for _, images, _, own in parts)), *alike(classes))
    return Folders(train, test, tuple(classes), whole.hexdigest(), former.hexdigest(), remarks=remarks)


def _check_alike(root: Path, classes: Sequence[str], others: Sequence[str]) -> None:
    if classes != others:
        raise DataError(
            f"{root / 'train'} and {_measured(root)} must have the same classes; {differing(classes, others)}"
        )


def differing(classes: Sequence[str], others: Sequence[str]) -> str:
    """Say what differs between the classes of two parts."""
    odd = sorted(set(classes) ^ set(others))
    if not odd:
        one, other = next(pair for pair in zip_longest(classes, others, fillvalue="nothing") if len(set(pair)) > 1)
        return f"they come in a different order, with {one_line(one)} here where {one_line(other)} is there"
    forms = {unicodedata.normalize("NFC", name) for name in odd}
    if len(forms) < len(odd):
        names = ", ".join(one_line(name) for name in sorted(forms)[:5])
        return f"a name differs in its Unicode form (NFC or NFD), rename one: {names}"
    names = ", ".join(map(one_line, odd[:5]))
    is_one = len(odd) == 1
    return f"{len(odd)} of them {'is' if is_one else 'are'} in one only, {names}{' and others' if len(odd) > 5 else ''}"


def check_decodes(dataset: Folders, seconds: float = CHECK_SECONDS, most: int | None = NUM_NAMED) -> None:
    """Decode files for some time, test images first; raise a `DataError` that names those that cannot be used.

    It names at most `most` files, and checking stops once there are more; None: all.
    """
    paths = (images.path(place) for images in (dataset.test, dataset.train) for place in range(len(images)))
    check_files(paths, workers=usable_cores(), seconds=seconds, most=most)


def count(root: Path) -> Size:
    """Return how many images and classes there are below a folder; raise `DataError` as `read_folders` does."""
    (classes, train, _), (others, test, _) = (_scan(folder) for folder in (root / "train", _measured(root)))
    _check_alike(root, classes, others)
    return Size(len(train), len(test), len(classes))


def check_parts(root: Path) -> None:
    """Raise `DataError` unless there are classes to train and to evaluate on; their images are not examined."""
    _classes(root / "train")
    _measured(root)


def passed_over(root: Path) -> dict[str, int]:
    """Return how many files below a folder are not part of the set, by extension; hidden files do not count."""
    found: Counter[str] = Counter()
    for part in (root / "train", _measured(root)):
        direct = [entry.name for entry in part.iterdir() if not entry.is_dir()]
        found.update(f"{_ending(name)} directly in {part.name}" for name in direct if not name.startswith("."))
        for name in _classes(part):
            for where, folders, files in _visible(part / name):
                found.update("link to a folder" for one in folders if (where / one).is_symlink())
                found.update(_ending(one) for one in files if not _is_image(one))
    return dict(found.most_common())


def in_place_of_train(places: Iterable[Path]) -> str:
    """Say what there is instead of a folder train: another kind of file, or a similar name; or ""."""
    for place in places:
        for root in (place / NAME, place):
            if (root / "train").exists() or (root / "train").is_symlink():
                return f"{root / 'train'} is {odd_kind(root / 'train') or 'a file'}, not a folder"
            if near := _near(root, ("train", "training")):
                return f"{root} has a folder {near}: name it train"
    return ""


def _near(root: Path, names: tuple[str, ...]) -> str:
    """Return a root's folder with one of these names in any case, or ""."""
    try:
        return next((one_line(name) for name in _subfolders(root) if name.lower() in names), "")
    except DataError:
        return ""


def _is_image(name: str) -> bool:
    return name.lower().endswith(SUFFIXES)


def _ending(name: str) -> str:
    return one_line(Path(name).suffix.lower()) or "without an ending"


def _measured(root: Path) -> Path:
    for name in ("test", "val"):
        if (root / name).is_dir() and _subfolders(root / name):
            return root / name
    near = _near(root, ("test", "tests", "testing", "val", "valid", "validation", "eval"))
    there = next((root / name for name in ("test", "val") if (root / name).exists()), None)
    found = f"; it has a folder {near}: name it val" if near and near not in ("test", "val") else ""
    if there is not None:
        found = f"; {there} has no folders" if there.is_dir() else f"; {there} is {odd_kind(there) or 'a file'}"
    raise DataError(
        f"{root} has training images but no test images: it needs a folder test or val with a folder for "
        f"each class, as in train{found}"
    )


def _classes(folder: Path) -> list[str]:
    classes = _subfolders(folder)
    if not classes:
        raise DataError(f"{folder} has no folders: it needs one per class, with the images in it")
    if len(classes) == 1:
        raise DataError(f"{folder} has one class, {one_line(classes[0])}: it needs a folder for each of at least two")
    if unreadable := [name for name in classes if not is_text(name)]:
        raise DataError(
            f"{one_line(str(folder / unreadable[0]))} has a name that is not UTF-8, which no report can show: "
            "rename it in every part"
        )
    return classes


def _subfolders(folder: Path) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            seen = [entry for entry in entries if not entry.name.startswith(".")]
        lost = [entry.name for entry in seen if entry.is_symlink() and not Path(entry.path).exists()]
        found = sorted(entry.name for entry in seen if entry.is_dir())
    except OSError as error:
        raise DataError(f"cannot read {folder}: {error.strerror}") from error
    if lost:
        raise DataError(
            f"{one_line(str(folder / lost[0]))} is a broken link, perhaps to a disk that is not mounted; restore its "
            "target, or remove it"
        )
    return found


_File = tuple[int, bytes]
"""Size of a file in bytes, and its `key_of`."""


def _scan(folder: Path) -> tuple[list[str], FileSet, list[_File]]:
    """Return the classes and the images of a part in order, with the size and key of each file."""
    classes = _classes(folder)
    found: list[tuple[bytes, str, int, _File]] = []
    for label, name in enumerate(classes):
        own = _images(folder, name)
        if not own:
            raise DataError(
                f"{one_line(str(folder / name))} has no images (files ending in {', '.join(SUFFIXES)}); every class "
                "needs at least one"
            )
        found += [(_digest(image), image, label, file) for image, file in own]
    found.sort()
    labels = np.array([label for _, _, label, _ in found], dtype=np.int64)
    images = FileSet(folder, tuple(image for _, image, _, _ in found), labels)
    return classes, images, [file for *_, file in found]


def _visible(
    folder: Path, fail: Callable[[OSError], object] | None = None
) -> Iterator[tuple[Path, list[str], list[str]]]:
    """Walk a folder, skipping hidden entries such as the copies in Jupyter's .ipynb_checkpoints."""
    for where, folders, files in os.walk(folder, onerror=fail):
        folders[:] = [one for one in folders if not one.startswith(".")]
        yield Path(where), folders, [one for one in files if not one.startswith(".")]


def _images(folder: Path, name: str) -> list[tuple[str, _File]]:
    """Return the image files in or below a class's folder, by their paths below `folder`."""

    def fail(error: OSError) -> None:
        raise DataError(f"cannot read {error.filename}: {error.strerror}") from error

    found = []
    for where, _, files in _visible(folder / name, fail):
        below = where.relative_to(folder).as_posix()
        for file in files:
            if _is_image(file):
                path = where / file
                try:
                    status = path.stat()
                except OSError as error:
                    _check_ordinary(path)
                    fail(error)
                if not stat.S_ISREG(status.st_mode):
                    _check_ordinary(path)
                found.append((f"{below}/{file}", (status.st_size, key_of(status))))
    return found


def _check_ordinary(path: Path) -> None:
    if odd := odd_kind(path):
        raise DataError(f"{one_line(str(path))} is not a regular file but {odd}; remove it")


def _digest(name: str) -> bytes:
    return hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest()


def _fingerprint(part: str, images: FileSet, sizes: list[int], content: list[bytes]) -> bytes:
    whole = hashlib.sha256(f"{part} {len(images)}\n".encode())
    for name, num_bytes in zip(images.names, sizes, strict=True):
        whole.update(_digest(name) + num_bytes.to_bytes(8, "little"))
    for digest in content:
        whole.update(digest)
    return whole.digest()
