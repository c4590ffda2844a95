"""An image file as upright RGB pixels of 8 bits, whatever it is stored as; what has no defined range is refused.

Pillow decodes.  It cuts grey values above 255 off, drops transparency and warns on standard error; here none of that
happens.
"""

import itertools
import logging
import re
import struct
import sys
import time
import warnings
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from reslab.errors import DataError
from reslab.foreign import HEAD_BYTES, as_text, describe_text, recognised

if TYPE_CHECKING:
    from PIL.Image import Image

VERSION = 2
"""Part of an image folder's fingerprint: raised when the same files decode to other pixels."""

FORMATS = ("JPEG", "PNG", "BMP", "DIB", "WEBP", "PPM", "TIFF", "GIF", "MPO", "JPEG2000", "AVIF")
"""What a file may hold, whatever its name ends in; Pillow's others include PostScript, which is a program."""

CHECK_SECONDS = 10.0
"""How long files are tried before a training begins."""

NUM_NAMED = 5
"""Files that will not do, named in one message before a training."""

_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_LIKE_TEXT = (*_TIFF, b"P1", b"P2", b"P3", b"P4", b"P5", b"P6", b"P7", b"%!PS", b"BM", b"RIFF", b"GIF8")
"""How files begin that are no texts, though what a cut leaves of one may look like that."""
_ORIENTATION = 0x0112
_BITS_PER_SAMPLE, _COMPRESSION, _PHOTOMETRIC, _PLANES, _SAMPLE_FORMAT = 258, 259, 262, 284, 339
_APART, _NOT_COMPRESSED = 2, 1
"""Values of the tags of planes and compression: each channel by itself, and none."""

# ICC's Lab (white D50) to linear sRGB (white D65): http://www.brucelindbloom.com, Bradford-adapted.
_WHITE = np.array([0.96422, 1.0, 0.82521])
_XYZ_TO_RGB = np.array(
    [
        [3.1338561, -1.6168667, -0.4906146],
        [-0.9787684, 1.9161415, 0.0334540],
        [0.0719453, -0.2289914, 1.4052427],
    ]
)


def decode(path: Path) -> "Image":
    """Return a file's first image, upright, in mode RGB.

    Grey of 16 bits is scaled to 8; what is transparent lies on white; the turn that EXIF states is made, as any viewer
    makes it; an embedded colour profile is ignored.  Raises `DataError`, which names the file, where it cannot be
    decoded whole, or holds numbers whose black and white are not defined.
    """
    try:
        from PIL import Image
    except ImportError:
        raise DataError("image files are decoded by Pillow, which is not installed: pip install pillow") from None
    _keep_quiet()
    try:
        # Opened here, since of a path Pillow maps TIFF files into memory, and shears those that EXIF turns sideways.
        with path.open("rb") as file, Image.open(file, formats=_formats()) as image:
            if _is_misread(image):
                raise DataError(
                    f"{path} is a TIFF with its channels apart, which Pillow reads wrongly at 16 bits or with grey and "
                    "alpha; save it with the channels together (PlanarConfiguration 1), or as PNG"
                )
            _scale_key(image)
            image.load()
            if reason := _undefined(image):
                raise DataError(_without_range(path, reason))
            return _upright(image, to_rgb(image))
    except DataError:
        raise
    except Exception as error:  # damaged files raise nearly anything
        raise DataError(
            _unknown(path, error) or f"{path} cannot be decoded ({_words(error, path)}); replace it or remove it"
        ) from error


def from_memory(image: "Image") -> NDArray[np.uint8]:
    """Return an image of Pillow's as `decode` would of a file, H x W x 3, but not turned; raises `DataError`."""
    if reason := _undefined(image):
        raise DataError(
            f"an image of mode {image.mode} holds {reason}, and nothing says which values are black and white; "
            "convert it to 8 bits"
        )
    return np.asarray(to_rgb(image))


def to_rgb(image: "Image") -> "Image":
    """Return an image in mode RGB: scaled to 8 bits, and laid on white where it is transparent."""
    if image.mode.startswith("I"):
        return _grey(image)
    if image.mode == "LAB":
        return _lab(image)
    if image.mode == "La":
        image = image.convert("LA")
    if image.has_transparency_data:
        return _on_white(image.convert("RGBA"))
    return image if image.mode == "RGB" else image.convert("RGB")


def check_files(
    paths: Iterable[Path], *, workers: int, seconds: float = CHECK_SECONDS, most: int | None = NUM_NAMED
) -> None:
    """Decode files until they or the time are at an end; raise `DataError` that names those that will not do.

    It names `most` of them, and looks no further once there are more; None: all.

    What is not reached is decoded first in the training, hours later where there are many files.
    """
    problems: list[str] = []
    most = sys.maxsize if most is None else most
    end = time.monotonic() + seconds
    remaining = iter(paths)
    with ThreadPoolExecutor(workers, thread_name_prefix="images") as pool:
        while chunk := list(itertools.islice(remaining, 8 * workers)):
            problems += filter(None, pool.map(_problem, chunk))
            if time.monotonic() > end or len(problems) > most:
                break
    if len(problems) == 1:
        raise DataError(problems[0])
    if problems:
        more = "\n  and others" if len(problems) > most else ""
        raise DataError("some image files cannot be used:\n  " + "\n  ".join(problems[:most]) + more)


def _problem(path: Path) -> str | None:
    try:
        decode(path)
    except DataError as error:
        return str(error)
    return None


def _without_range(path: Path, numbers: str) -> str:
    return (
        f"{path} holds {numbers}, and nothing says which values are black and white; save it with 8 or 16 unsigned "
        "bits per channel, or remove it"
    )


def _unknown(path: Path, error: Exception) -> str:
    """Say what a file is that holds no image that Pillow knows; "" where that is not known either."""
    from PIL import UnidentifiedImageError

    try:
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
        if head.startswith(_TIFF):
            tags = _tiff_tags(path)
            if numbers := _numbers_in(tags):
                return _without_range(path, numbers)
            if isinstance(error, UnidentifiedImageError) and _is_whole(tags, path.stat().st_size):
                return f"{path} cannot be decoded: it is a TIFF of a kind that Pillow does not read; save it as PNG"
            return ""
    except Exception:  # what is wrong has been said by Pillow
        return ""
    what = _other_image(head) or recognised(head)
    if (
        not what
        and not any(head[: len(magic)] == magic[: len(head)] for magic in _LIKE_TEXT)
        and (text := as_text(head)) is not None
    ):
        what = describe_text(text)
    return f"{path} cannot be decoded: {what}" if what else ""


def _other_image(head: bytes) -> str:
    """Return which kind of image a file begins as that is not decoded here, as a clause about "it"; or ""."""
    if head[4:8] == b"ftyp" and head[8:12] in (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1"):
        return "it is an image in HEIF, as telephones write them; save it as JPEG or PNG"
    return "it is a drawing in SVG; save it as PNG" if b"<svg" in head else ""


def _tiff_tags(path: Path) -> Mapping[int, Any]:
    from PIL.TiffImagePlugin import ImageFileDirectory_v2

    with path.open("rb") as file:
        start = file.read(8)
        tags = ImageFileDirectory_v2(start + (file.read(8) if start[2:4] in (b"+\0", b"\0+") else b""))
        file.seek(tags.next)
        tags.load(file)
    return tags


def _is_whole(tags: Mapping[int, Any], num_bytes: int) -> bool:
    """Say whether all strips or tiles that a TIFF names lie within the file."""
    pairs = [(tags.get(offset), tags.get(count)) for offset, count in ((273, 279), (324, 325))]
    return any(
        offsets and counts and max(map(sum, zip(offsets, counts, strict=True))) <= num_bytes
        for offsets, counts in pairs
    )


def _numbers_in(tags: Mapping[int, Any]) -> str:
    """Return in words which numbers a TIFF file holds that Pillow does not read; "" where it is not their kind."""
    bits, kind = (int(tags.get(tag, (usual,))[0]) for tag, usual in ((_BITS_PER_SAMPLE, 1), (_SAMPLE_FORMAT, 1)))
    words = {2: "signed numbers", 3: "floating-point numbers", 5: "complex numbers", 6: "complex numbers"}.get(kind)
    if words is None and bits > 16:
        words = "whole numbers"
    return f"{words} of {bits} bits" if words else ""


def _is_misread(image: "Image") -> bool:
    """Say whether a file not yet read is one whose planes Pillow takes for what they are not, without a word."""
    tags = getattr(image, "tag_v2", {})
    if tags.get(_PLANES) != _APART:
        return False
    is_wide = max(tags.get(_BITS_PER_SAMPLE, (1,))) > 8 and tags.get(_COMPRESSION, _NOT_COMPRESSED) == _NOT_COMPRESSED
    return is_wide or image.mode in ("LA", "La")


def _scale_key(image: "Image") -> None:
    """Give the transparent grey of a PNG of 2 or 4 bits the scale of its pixels, which Pillow makes 8 bits."""
    key = image.info.get("transparency")
    tiles = getattr(image, "tile", [])
    levels = {"L;2": 3, "L;4": 15}.get(str(tiles[0][3])) if image.format == "PNG" and tiles else None
    if levels is not None and isinstance(key, int):
        image.info["transparency"] = key * 255 // levels


def _undefined(image: "Image") -> str | None:
    """Say which numbers an image holds where their black and white are not defined."""
    tags = getattr(image, "tag_v2", {})
    if image.mode == "F":
        return "floating-point numbers"
    if set(tags.get(_SAMPLE_FORMAT, (1,))) == {2}:
        return "signed numbers"
    if image.mode == "I" and image.format not in ("PNG", "PPM"):  # those two have 16 bits, in some releases as mode I
        return "whole numbers of 32 bits"
    return None


def _grey(image: "Image") -> "Image":
    from PIL import Image

    tags = getattr(image, "tag_v2", {})
    white = 2 ** int(tags.get(_BITS_PER_SAMPLE, (16,))[0]) - 1
    values = np.asarray(image).astype(np.int64)
    grey = (255 * values + white // 2) // white
    if tags.get(_PHOTOMETRIC) == 0:  # white is zero: Pillow turns that round for 8 bits only
        grey = 255 - grey
    if (clear := image.info.get("transparency")) is not None:
        grey[values == clear] = 255
    return Image.fromarray(np.clip(grey, 0, 255).astype(np.uint8)).convert("RGB")


def _lab(image: "Image") -> "Image":
    from PIL import Image

    stored = np.asarray(image)
    lightness, (a, b) = stored[..., 0] * (100 / 255), np.moveaxis(stored[..., 1:].view(np.int8).astype(float), -1, 0)
    middle = (lightness + 16) / 116
    roots = np.stack([middle + a / 500, middle, middle - b / 200], axis=-1)
    linear = np.where(roots > 6 / 29, roots**3, (roots - 4 / 29) * 3 * (6 / 29) ** 2) * _WHITE @ _XYZ_TO_RGB.T
    linear = np.clip(linear, 0, 1)
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return Image.fromarray((255 * encoded + 0.5).astype(np.uint8))


def _on_white(image: "Image") -> "Image":
    from PIL import Image

    white = Image.new("RGBA", image.size, (255, 255, 255, 255))
    return Image.alpha_composite(white, image).convert("RGB")


def _upright(image: "Image", pixels: "Image") -> "Image":
    """Turn the pixels as the file's EXIF says; one that cannot be read says nothing."""
    from PIL.Image import Transpose

    try:
        orientation = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # damaged EXIF raises nearly anything
        return pixels
    turns = {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }
    turn = turns.get(orientation)
    return pixels if turn is None else pixels.transpose(turn)


def _words(error: Exception, path: Path) -> str:
    """Return what went wrong, without the path, which the message begins with."""
    from PIL import UnidentifiedImageError
    from PIL.Image import DecompressionBombError

    if isinstance(error, UnidentifiedImageError):
        return "no image of a known format"
    if isinstance(error, DecompressionBombError):
        return "it has more pixels than any photograph, as files have that are made to fill the memory"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if "MAX_TEXT" in str(error):
        return "it has more text or profile beside its pixels than a picture has; save it without"
    if isinstance(error, AssertionError | SyntaxError | struct.error | IndexError | KeyError):
        return "it is damaged"
    return (str(error).splitlines() or [type(error).__name__])[0].replace(str(path), "it")


@cache
def _formats() -> tuple[str, ...]:
    from PIL import Image

    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)


def _keep_quiet() -> None:
    """Keep what Pillow has to say of single files out of our lines: what matters is raised."""
    logger = logging.getLogger("PIL")
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())  # without any, Python prints its errors
    # For the whole process and not within a context: files are decoded in threads, which share the filters.
    if not any(action == "ignore" and module == _PILLOW for action, _, _, module, _ in warnings.filters):
        warnings.filterwarnings("ignore", module=_PILLOW.pattern)


_PILLOW = re.compile(r"PIL(\.|$)")
