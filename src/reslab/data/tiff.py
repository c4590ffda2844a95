"""Detect from a TIFF file's tags the numbers and planes that Pillow reads wrongly or not at all."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL.Image import Image

MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
"""First bytes of TIFF files: either byte order, with 32- or 64-bit offsets."""

BITS_PER_SAMPLE, PHOTOMETRIC, SAMPLE_FORMAT = 258, 262, 339
_COMPRESSION, _PLANES = 259, 284
_APART, _NOT_COMPRESSED = 2, 1
"""Values of the tags for planes and compression: separate planes, and no compression."""


def read_tags(path: Path) -> Mapping[int, Any]:
    """Return the tags of a TIFF file's first image, by number; a damaged file raises nearly anything."""
    from PIL.TiffImagePlugin import ImageFileDirectory_v2

    with path.open("rb") as file:
        start = file.read(8)
        tags = ImageFileDirectory_v2(start + (file.read(8) if start[2:4] in (b"+\0", b"\0+") else b""))
        file.seek(tags.next)
        tags.load(file)
    return tags


def is_whole(tags: Mapping[int, Any], num_bytes: int) -> bool:
    """Say whether all strips or tiles that a TIFF names lie within the file."""
    pairs = [(tags.get(offset), tags.get(count)) for offset, count in ((273, 279), (324, 325))]
    return any(
        offsets and counts and max(map(sum, zip(offsets, counts, strict=True))) <= num_bytes
        for offsets, counts in pairs
    )


def numbers_in(tags: Mapping[int, Any]) -> str:
    """Return in words which numbers a TIFF file holds if Pillow cannot read their kind; else ""."""
    bits, kind = (int(tags.get(tag, (usual,))[0]) for tag, usual in ((BITS_PER_SAMPLE, 1), (SAMPLE_FORMAT, 1)))
    words = {2: "signed numbers", 3: "floating-point numbers", 5: "complex numbers", 6: "complex numbers"}.get(kind)
    if words is None and bits > 16:
        words = "whole numbers"
    return f"{words} of {bits} bits" if words else ""


def is_misread(image: "Image") -> bool:
    """Say whether Pillow would silently misread the planes of an opened file that is not yet loaded."""
    tags = getattr(image, "tag_v2", {})
    if tags.get(_PLANES) != _APART:
        return False
    is_wide = max(tags.get(BITS_PER_SAMPLE, (1,))) > 8 and tags.get(_COMPRESSION, _NOT_COMPRESSED) == _NOT_COMPRESSED
    return is_wide or image.mode in ("LA", "La")
