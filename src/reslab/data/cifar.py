"""CIFAR-10 and CIFAR-100 from the official python and binary versions, packed or unpacked.

Source: A. Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009, and the formats described
at https://www.cs.toronto.edu/~kriz/cifar.html.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from reslab.data.archives import read_files
from reslab.data.images import Dataset, ImageSet, canonical_order, make_dataset, pixel_digests
from reslab.data.pickles import read_pickle
from reslab.datasets import known
from reslab.errors import DataError

IMAGE_SHAPE = (3, 32, 32)
"""Channels (red, green, blue), height and width."""


@dataclass(frozen=True, slots=True)
class Layout:
    """One official version: the names of its files, and of the folder and the archive that hold them.

    `label_keys` are the labels' names in a pickle, and their order in a binary record; `names_keys` and `names_files`
    say where the class names are, for each kind of label.
    """

    images: str
    folder: str
    archive: str
    train_files: tuple[str, ...]
    test_files: tuple[str, ...]
    names_files: tuple[str, ...]
    label_keys: tuple[str, ...]
    names_keys: tuple[str, ...] = ()

    @property
    def is_binary(self) -> bool:
        """Whether the images are bare records instead of pickles."""
        return not self.names_keys

    @property
    def files(self) -> tuple[str, ...]:
        """Names of all files that are read."""
        return (*self.names_files, *self.train_files, *self.test_files)


LAYOUTS = (
    Layout(
        images="cifar10",
        folder="cifar-10-batches-py",
        archive="cifar-10-python.tar.gz",
        train_files=tuple(f"data_batch_{number}" for number in range(1, 6)),
        test_files=("test_batch",),
        names_files=("batches.meta",),
        label_keys=("labels",),
        names_keys=("label_names",),
    ),
    Layout(
        images="cifar10",
        folder="cifar-10-batches-bin",
        archive="cifar-10-binary.tar.gz",
        train_files=tuple(f"data_batch_{number}.bin" for number in range(1, 6)),
        test_files=("test_batch.bin",),
        names_files=("batches.meta.txt",),
        label_keys=("labels",),
    ),
    Layout(
        images="cifar100",
        folder="cifar-100-python",
        archive="cifar-100-python.tar.gz",
        train_files=("train",),
        test_files=("test",),
        names_files=("meta",),
        label_keys=("coarse_labels", "fine_labels"),
        names_keys=("coarse_label_names", "fine_label_names"),
    ),
    Layout(
        images="cifar100",
        folder="cifar-100-binary",
        archive="cifar-100-binary.tar.gz",
        train_files=("train.bin",),
        test_files=("test.bin",),
        names_files=("coarse_label_names.txt", "fine_label_names.txt"),
        label_keys=("coarse_labels", "fine_labels"),
    ),
)
"""The official versions; a loader prefers the earlier ones."""

LABELS = {
    "cifar10": ("cifar10", "labels"),
    "cifar100": ("cifar100", "fine_labels"),
    "cifar100-coarse": ("cifar100", "coarse_labels"),
}
"""For each data set: whose images it has, and which labels."""


def read_cifar(path: Path, images: str | None = None) -> tuple[Layout, dict[str, Dataset]]:
    """Return which version an archive or an unpacked folder holds, and its data sets by name (see `LABELS`).

    `images` is cifar10 or cifar100; without it the path's content decides.  The data sets of CIFAR-100 share their
    images in the same order.  Raises `DataError` if files are missing, damaged, or not in the official format.
    """
    layout, contents = _read(path, [layout for layout in LAYOUTS if images in (None, layout.images)])
    ordered, labels, digests = [], [], []
    for files in (layout.train_files, layout.test_files):
        part, kinds = _join(contents[file] for file in files)
        digest = pixel_digests(part)
        order = canonical_order(digest, *reversed(kinds))
        ordered.append(part[order])
        labels.append([kind[order] for kind in kinds])
        digests.append(digest[order])
    datasets = {}
    for name, (owner, key) in LABELS.items():
        if owner != layout.images:
            continue
        kind = layout.label_keys.index(key)
        train, test = (ImageSet(ordered[part], labels[part][kind]) for part in (0, 1))
        names = _class_names(path, layout, contents, kind, _num_classes(name))
        datasets[name] = make_dataset(name, train, test, names, digests=(digests[0], digests[1]))
    return layout, datasets


_Labels = list[NDArray[np.int64]]
_Batch = tuple[NDArray[np.uint8], _Labels]


def _read(path: Path, layouts: Iterable[Layout]) -> tuple[Layout, dict[str, Any]]:
    """Read every file of the first layout that the path has files of."""
    owners = {file: layout for layout in layouts for file in layout.files}
    contents: dict[str, Any] = {}
    for file, content in read_files(path, owners):
        contents[file] = _parse(owners[file], file, content, f"{path}: {file}")
    found = [layout for layout in layouts if any(file in contents for file in layout.files)]
    if not found:
        raise _nothing_found(path, layouts)
    layout = found[0]
    missing = [file for file in layout.files if file not in contents]
    if missing:
        raise DataError(f"{path} lacks {', '.join(missing)}; fetch or import the data again")
    return layout, contents


def _nothing_found(path: Path, layouts: Iterable[Layout]) -> DataError:
    examples = ", ".join(layout.train_files[0] for layout in layouts)
    return DataError(f"{path} holds no file of CIFAR's official versions (such as {examples})")


def _parse(layout: Layout, file: str, content: BinaryIO, where: str) -> Any:
    """Return a batch (images and each kind of labels) or, for a file of names, its content."""
    is_names = file in layout.names_files
    if layout.is_binary:
        return _read_lines(content, where) if is_names else _parse_records(layout, content.read(), where)
    pickled = read_pickle(content, where)
    return pickled if is_names else _parse_pickled(layout, pickled, where)


def _parse_records(layout: Layout, records: bytes, where: str) -> _Batch:
    num_labels, num_pixels = len(layout.label_keys), int(np.prod(IMAGE_SHAPE))
    length = num_labels + num_pixels
    if not records or len(records) % length:
        raise DataError(f"{where} has {len(records):,} bytes, which is not a whole number of records of {length}")
    table = np.frombuffer(records, dtype=np.uint8).reshape(-1, length)
    labels = [table[:, column].astype(np.int64) for column in range(num_labels)]
    return table[:, num_labels:].reshape(-1, *IMAGE_SHAPE), _checked(layout, labels, where)


def _parse_pickled(layout: Layout, batch: dict[str, Any], where: str) -> _Batch:
    for key in ("data", *layout.label_keys):
        if key not in batch:
            raise DataError(f"{where} has no {key!r}")
    pixels = batch["data"]
    if not isinstance(pixels, np.ndarray) or pixels.ndim != 2 or pixels.shape[1] != np.prod(IMAGE_SHAPE):
        shape = getattr(pixels, "shape", type(pixels).__name__)
        raise DataError(f"{where}: data must be uint8 of N x 3072, not {shape}")
    labels = []
    for key in layout.label_keys:
        values = batch[key]
        if not isinstance(values, list) or not all(type(value) is int for value in values):
            raise DataError(f"{where}: {key} must be a list of whole numbers")
        if len(values) != len(pixels):
            raise DataError(f"{where}: {len(pixels):,} images cannot have {len(values):,} {key}")
        if not values:
            raise DataError(f"{where} holds no image")
        labels.append(np.array(values))
    return pixels.reshape(-1, *IMAGE_SHAPE), _checked(layout, labels, where)


def _checked(layout: Layout, labels: list[NDArray[Any]], where: str) -> _Labels:
    limits = {key: _num_classes(name) for name, (images, key) in LABELS.items() if images == layout.images}
    for key, values in zip(layout.label_keys, labels, strict=True):
        wrong = values[(values < 0) | (values >= limits[key])]
        if len(wrong):
            raise DataError(f"{where}: a label of {key} is {wrong[0]}, not in 0 to {limits[key] - 1}")
    return [values.astype(np.int64) for values in labels]


def _join(batches: Iterable[_Batch]) -> _Batch:
    images, labels = zip(*batches, strict=True)
    if len(images) == 1:
        return images[0], labels[0]
    return np.concatenate(images), [np.concatenate(kind) for kind in zip(*labels, strict=True)]


def _read_lines(content: BinaryIO, where: str) -> list[str]:
    try:
        return content.read().decode("ascii").split()
    except UnicodeDecodeError as error:
        raise DataError(f"{where} must be a list of class names, one per line") from error


def _num_classes(name: str) -> int:
    size = known(name).size
    assert size is not None
    return size.num_classes


def _class_names(path: Path, layout: Layout, contents: dict[str, Any], kind: int, num_classes: int) -> tuple[str, ...]:
    file = layout.names_files[min(kind, len(layout.names_files) - 1)]
    names = contents[file] if layout.is_binary else contents[file].get(layout.names_keys[kind])
    if not isinstance(names, list) or len(names) != num_classes:
        raise DataError(f"{path}: {file} must name {num_classes} classes")
    if not all(isinstance(name, str | bytes) for name in names):
        raise DataError(f"{path}: a class name in {file} is not text")
    return tuple(name.decode("latin1") if isinstance(name, bytes) else name for name in names)
