"""Small made-up images in CIFAR's official forms, and the real ones where this machine has them."""

import struct
import tarfile
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from reslab.data.cifar import LAYOUTS, Layout
from reslab.data.images import Dataset, ImageSet
from reslab.data.sources import find, load

CIFAR10_NAMES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
LAYOUT = {layout.folder: layout for layout in LAYOUTS}

Parts = dict[str, tuple[NDArray[np.uint8], list[NDArray[np.int64]]]]
"""By file: pixels (N x 3072) and each kind of labels."""


def image_set(
    count: int, *, num_classes: int = 10, shape: tuple[int, int, int] = (3, 32, 32), seed: int = 0
) -> ImageSet:
    """Return random images whose labels go round the classes."""
    images = np.random.default_rng(seed).integers(0, 256, (count, *shape), dtype=np.uint8)
    return ImageSet(images, np.arange(count, dtype=np.int64) % num_classes)


def parts(layout: Layout, *, seed: int = 0) -> Parts:
    """Return random images for the files of a version: 4 in each file of CIFAR-10, 100 in each of CIFAR-100."""
    generator = np.random.default_rng(seed)
    count, classes = (4, (10,)) if layout.images == "cifar10" else (100, (20, 100))
    made: Parts = {}
    for file in (*layout.train_files, *layout.test_files):
        fine = generator.permutation(classes[-1])[:count].astype(np.int64)
        labels = [fine] if len(classes) == 1 else [fine // 5, fine]
        made[file] = generator.integers(0, 256, (count, 3072), dtype=np.uint8), labels
    return made


def write_folder(root: Path, layout: Layout, content: Parts) -> Path:
    """Write the parts as an unpacked folder of this version."""
    folder = root / layout.folder
    folder.mkdir(parents=True)
    for file, (pixels, labels) in content.items():
        if layout.is_binary:
            table = np.column_stack([*(kind.astype(np.uint8) for kind in labels), pixels])
            (folder / file).write_bytes(table.tobytes())
        else:
            lists = [[int(label) for label in kind] for kind in labels]
            batch = {"data": pixels, **dict(zip(layout.label_keys, lists, strict=True))}
            (folder / file).write_bytes(official_pickle(batch))
    coarse, fine = ([f"{kind}{number}" for number in range(count)] for kind, count in (("coarse", 20), ("fine", 100)))
    names = [CIFAR10_NAMES] if layout.images == "cifar10" else [coarse, fine]
    if layout.is_binary:
        for file, lines in zip(layout.names_files, names, strict=True):
            (folder / file).write_text("\n".join(lines) + "\n\n")
    else:
        meta = dict(zip(layout.names_keys, names, strict=True))
        (folder / layout.names_files[0]).write_bytes(official_pickle(meta))
    return folder


def pack(folder: Path, archive: Path) -> Path:
    """Pack a folder as the official archives are packed."""
    archive.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(archive, "w:gz") as packed:
        packed.add(folder, arcname=folder.name)
    return archive


def official_pickle(content: Mapping[str, Any]) -> bytes:
    """Pickle as Python 2 and the NumPy of 2009 did: the form of the official batches, opcode by opcode."""
    items = b"".join(_old_text(key) + _old_value(value) for key, value in content.items())
    return b"\x80\x02}(" + items + b"u."


def _old_text(text: str | bytes) -> bytes:
    raw = text.encode() if isinstance(text, str) else text
    return b"T" + struct.pack("<i", len(raw)) + raw


def _old_value(value: Any) -> bytes:
    if isinstance(value, list):
        items = (_old_text(item) if isinstance(item, str) else b"J" + struct.pack("<i", item) for item in value)
        return b"](" + b"".join(items) + b"e"
    made = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85T\x01\x00\x00\x00b\x87R"
    shape = b"".join(b"J" + struct.pack("<i", length) for length in value.shape) + b"\x86"
    minus_one = b"J\xff\xff\xff\xff"
    kind = b"cnumpy\ndtype\nT\x02\x00\x00\x00u1K\x00K\x01\x87R"
    kind += b"(K\x03T\x01\x00\x00\x00|NNN" + minus_one + minus_one + b"K\x00tb"
    return made + b"(K\x01" + shape + kind + b"\x89" + _old_text(value.tobytes()) + b"tb"


@lru_cache
def real_cifar(name: str) -> Dataset:
    """Return the official data set; skip the test where this machine has none."""
    if find(name) is None:
        pytest.skip(f"no {name} under RESLAB_DATA or in the user's cache")
    return load(name)
