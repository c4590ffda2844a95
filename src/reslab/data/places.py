"""The folders where images are looked for and kept, and which CIFAR files are in one."""

import os
from pathlib import Path

from reslab.cache import home_cache, temporary_folder, why_unwritable
from reslab.data.cifar import LAYOUTS, Layout


def places(data_root: Path | None = None) -> list[Path]:
    """Return where images are looked for, in order: the data root if given, else RESLAB_DATA and the user's cache.

    A place may be a folder of data sets, one of CIFAR's own folders, or an archive; for the latter two, the parent
    folder is searched as well.
    """
    return [nearby for place in _told(data_root) for nearby in _with_neighbours(place)]


def keeping_place(data_root: Path | None = None) -> Path:
    """Return the folder that images are kept in when they are fetched or imported."""
    candidates = _told(data_root)
    if data_root is not None or os.environ.get("RESLAB_DATA"):
        return _with_neighbours(candidates[0])[-1]
    return candidates[-1]  # the temporary one if the cache is not writable


def cifar_in(place: Path, images: str) -> Path | None:
    """Return the folder or archive of cifar10 or cifar100 in a place, or the place itself if it is one, or None."""
    layouts = [layout for layout in LAYOUTS if layout.images == images]
    if place.is_file():
        owner = next((layout.images for layout in LAYOUTS if layout.archive == place.name), images)
        return place if owner == images else None
    for layout in layouts:  # an unpacked folder loads several times faster than an archive
        if (place / layout.folder).is_dir():
            return place / layout.folder
    for layout in layouts:
        if (place / layout.archive).is_file():
            return place / layout.archive
    return place if any(_is_unpacked(place, layout) for layout in layouts) else None


def looked(data_root: Path | None = None) -> str:
    """Return in words where images were looked for."""
    return " and ".join(map(str, places(data_root)))


def _told(data_root: Path | None) -> list[Path]:
    if data_root is not None:
        return [data_root]
    told = os.environ.get("RESLAB_DATA")
    return [*([Path(os.path.expanduser(told))] if told else []), *_caches()]  # noqa: PTH111 (needs no home)


def _with_neighbours(place: Path) -> list[Path]:
    is_one = place.is_file() or any(_is_unpacked(place, layout) for layout in LAYOUTS)
    return [place, place.parent] if is_one else [place]


def _is_unpacked(place: Path, layout: Layout) -> bool:
    return any((place / file).is_file() for file in layout.train_files)


def _caches() -> list[Path]:
    """Return the user's cache, and a temporary one too if the former is not writable."""
    return [home_cache(), temporary_folder()] if why_unwritable(home_cache()) else [home_cache()]
